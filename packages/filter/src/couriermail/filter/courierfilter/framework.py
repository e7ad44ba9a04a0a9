"""The base of a filter program: socket, start-up handshake, requests, orderly end (4.20).

A whole filter is a function:

    #!/usr/bin/env python3
    from couriermail.filter.courierfilter import run_filter

    def judge(message):
        if any(r.address.startswith("trap@") for r in message.recipients):
            return "550 Spam refused."
        return "200 Ok."

    run_filter(judge)

Put it (executable) where `filterctl` finds it and say `filterctl start NAME`.  `courierfilter`
runs it with descriptor 0 as its *life line* (end of file: finish and end) and descriptor 3 as its
*start-up pipe* (closing it says "ready").  Run by hand it says where it listens and ends with
the end of its standard input.

A judge may raise: the answer is then that filters are unavailable, the sender tries again and
the traceback is in the log.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import attrs

from couriermail.core.durable import storage_error
from couriermail.filter.courierfilter.errors import FilterProtocolError, FilterUnavailableError
from couriermail.filter.courierfilter.message import FilteredMessage
from couriermail.filter.courierfilter.places import FilterPlaces
from couriermail.filter.courierfilter.protocol import FilterReply, FilterRequest, RequestReader

__all__ = [
    "FilterServer",
    "Judge",
    "default_places",
    "judge_request",
    "run_configured_filter",
    "run_filter",
    "started_by_supervisor",
]

log = logging.getLogger("couriermail.filter.courierfilter")

Judge = Callable[[FilteredMessage], str]
"""Says what happens to a message: an SMTP-style reply, several lines as `NNN-text`/`NNN text`."""

LIFE_LINE = 0
STARTUP_PIPE = 3
SOCKET_MODE = 0o660
BACKLOG = 128
REQUEST_SECONDS = 30.0  # the mail system sends its few lines at once


def run_filter(
    judge: Judge,
    *,
    name: str | None = None,
    places: FilterPlaces | None = None,
    workers: int = 4,
) -> None:
    """Be a filter until the life line ends.

    Args:
        judge: asked about every message, from several threads at once.
        name: the filter's name; the program's own by default.
        places: where sockets and settings lie; `courierfilter` tells by default.
        workers: how many messages are judged at the same time.

    Raises:
        StorageError: the socket cannot be made.
        FilterConfigError: the filter's mode cannot be read.
    """
    run_configured_filter(lambda: (judge, workers), name=name, places=places)


def run_configured_filter(
    configure: Callable[[], tuple[Judge, int]],
    *,
    name: str | None = None,
    places: FilterPlaces | None = None,
) -> None:
    """Be a filter whose settings are read once its socket is there.

    A setting that cannot be used ends the program, as it should be mended; but mail is refused
    for now from the first start on, and never passes because there was no socket (4.19).

    Args:
        configure: called when the socket is there and before the filter says that it is ready;
            returns the judge and how many messages are judged at the same time.
        name: the filter's name; the program's own by default.
        places: where sockets and settings lie; `courierfilter` tells by default.

    Raises:
        StorageError: the socket cannot be made.
        FilterConfigError: the filter's mode cannot be read.
        Exception: whatever `configure` raises.
    """
    place = places or default_places()
    with FilterServer(_not_ready, place, name or os.path.basename(sys.argv[0])) as server:
        server.judge, server.workers = configure()
        say_ready()
        server.serve(LIFE_LINE)


def _not_ready(message: FilteredMessage) -> str:
    raise FilterUnavailableError("the settings were not read yet")


def default_places() -> FilterPlaces:
    """The mail system that `courierfilter` named in the environment, else Courier's own paths."""
    config = os.environ.get("sysconfdir") or "/etc/courier"  # noqa: SIM112 - Courier's spelling
    return FilterPlaces(config, os.environ.get("localstatedir") or "/var/lib/courier")  # noqa: SIM112


def started_by_supervisor() -> bool:
    """True when there is a start-up pipe: `courierfilter` started this program."""
    try:
        return stat.S_ISFIFO(os.fstat(STARTUP_PIPE).st_mode)
    except OSError:
        return False


def say_ready() -> None:
    """Tell `courierfilter` that requests are answered now."""
    if started_by_supervisor():
        os.close(STARTUP_PIPE)


@attrs.define(eq=False)
class FilterServer:
    """Listens on a filter's socket and puts every request before its judge.

    Use it as a context manager: the socket exists inside of it.  At the end the socket file
    stays, so that the mail system refuses for now and does not skip the filter (4.20).

    Attributes:
        judge: decides.
        places: where the socket is made.
        name: the filter's name.
        workers: threads.
    """

    judge: Judge
    places: FilterPlaces
    name: str
    workers: int = 4
    _listener: socket.socket | None = attrs.field(default=None, init=False)

    @property
    def path(self) -> str:
        """Where it listens."""
        return self.places.socket(self.name)

    def __enter__(self) -> FilterServer:
        """Make the socket; requests wait in it until `serve` runs."""
        _unlink_quietly(self.places.other_socket(self.name))
        self._listener = _listen(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the socket; its file stays."""
        if self._listener is not None:
            self._listener.close()

    def serve(self, life_line: int) -> None:
        """Answer until `life_line` ends, then finish what was begun."""
        listener = self._listener
        if listener is None:
            raise FilterUnavailableError("serve() runs inside of the server's context")
        poll = select.poll()
        poll.register(life_line, select.POLLIN)
        poll.register(listener, select.POLLIN)
        with ThreadPoolExecutor(max(1, self.workers), thread_name_prefix=self.name) as pool:
            while life_line not in (ready := {found for found, _ in poll.poll()}) or (
                os.read(life_line, 4096)
            ):
                if listener.fileno() in ready:
                    self._accept(listener, pool)

    def _accept(self, listener: socket.socket, pool: ThreadPoolExecutor) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:  # no descriptors left, or the client is gone
            log.error("cannot accept: %s", error.strerror)
            time.sleep(0.1)
            return
        pool.submit(self._serve_one, connection)

    def _serve_one(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(REQUEST_SECONDS)
                request = _receive(connection)
                if request is not None:
                    connection.sendall(judge_request(self.judge, request))
        except (OSError, FilterProtocolError) as error:
            log.warning("lost a request: %s", error)


def judge_request(judge: Judge, request: FilterRequest) -> bytes:
    """A judge's answer as it is sent; trouble of any kind is a temporary refusal."""
    try:
        answer = judge(FilteredMessage(request))
        return FilterReply.parse(answer.encode("utf-8", "surrogateescape")).to_bytes()
    except Exception:  # whatever a filter's author forgot must not pass or bounce mail
        log.exception("a filter failed")
        failed = FilterUnavailableError
        return FilterReply(str(failed.reply_code), (failed.reply_text,)).to_bytes()


def _receive(connection: socket.socket) -> FilterRequest | None:
    """Read all of the request, also when the judge will not look at it (4.20).

    None when somebody only looked whether there is an answer (`filterctl status`).
    """
    reader = RequestReader()
    is_empty = True
    while data := connection.recv(65536):
        is_empty = False
        request = reader.feed(data)
        if request is not None:
            return request
    if not is_empty:
        reader.close()
    return None


def _listen(path: str) -> socket.socket:
    """A listening socket under its final name: no client ever sees one that does not answer."""
    directory, name = os.path.split(path)
    hidden = f"{directory}/.{name}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _unlink_quietly(hidden)
        listener.bind(hidden)
        listener.listen(BACKLOG)
        os.chmod(hidden, SOCKET_MODE)
        os.rename(hidden, path)
    except OSError as error:
        listener.close()
        raise storage_error(error, "cannot listen on", path) from error
    return listener


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
