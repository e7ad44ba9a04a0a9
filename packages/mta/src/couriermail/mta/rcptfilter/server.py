"""filterd: runs filters as their users, for a mail system that is no longer root.

The parent (`ForkServer`) keeps root and reads nothing.  A child reads one request, refuses what
no filter may be run with, becomes the user for good, and only then runs the program that the
configuration names.  Closing the connection ends the program: nobody waits for it any more.
"""

from __future__ import annotations

import logging
import os
import signal
import socket

import attrs

from couriermail.filter.rcptfilter import FilterCallError
from couriermail.mta.forkserver import ForkServer
from couriermail.mta.local.agent import take_identity
from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.rcptfilter.wire import (
    call_from_record,
    encode_refusal,
    encode_result,
    reader_of_requests,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Protocol

    from couriermail.filter.rcptfilter import FilterCall, FilterResult
    from couriermail.mta.forkserver import HasFileno
    from couriermail.mta.local.wire import Record

    class Program(Protocol):
        """What is run: `FilterProgram`, or `OwnMaildrop` in its place."""

        @property
        def kill_after(self) -> float:
            """Seconds from SIGTERM to SIGKILL."""
            ...

        def run(
            self, call: FilterCall, stdin: int | None = None, *, lifeline: int | None = None
        ) -> FilterResult:
            """Run it as the user that this process is; see `FilterProgram.run`."""
            ...


__all__ = ["HelperSettings", "serve_filters"]

_log = logging.getLogger("couriermail.mta.rcptfilter")
_REQUEST_SECONDS = 30.0  # a request is one write of a process on this machine
_READ_BYTES = 65536
_UMASK = 0o077
_LAST_SECONDS = 2.0  # for a child to report, after the program that it ran is dead

# What makes a program run other code than its own; no submission has any use for them.
_LOADER_VARIABLES = ("LD_", "PYTHON", "BASH_ENV", "ENV=", "IFS=")


@attrs.frozen(kw_only=True)
class HelperSettings:
    """How filterd behaves.

    Attributes:
        program: what it runs.
        trusted_uids: who may ask, beside root.
        minimum_id: uids and gids below it are refused; 0 is in any case.
    """

    program: Program
    trusted_uids: frozenset[int] = frozenset()
    minimum_id: int = 100


def serve_filters(
    listener: socket.socket, settings: HelperSettings, *, stop: int | HasFileno
) -> None:
    """Serve until `stop` becomes readable; filters that run then are ended.

    Args:
        listener: a listening Unix stream socket; stays open, for the caller to close.
        settings: what is run, and for whom.
        stop: a descriptor: readable or closed at its other end means stop.
    """
    ForkServer(
        listener=listener,
        stop=stop,
        trusted_uids=settings.trusted_uids,
        child=lambda connection: _Child(connection, settings).serve(),
        name="filterd's child",
        graces=(settings.program.kill_after + _LAST_SECONDS,),
    ).serve()


@attrs.define
class _Child:
    connection: socket.socket
    settings: HelperSettings
    _descriptors: list[int] = attrs.field(factory=list, init=False)

    def serve(self) -> None:
        """Carry out one request."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the program's status is lost
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # the mail system may have gone
        try:
            self.connection.settimeout(_REQUEST_SECONDS)
            request = self._read_request()
            if request is not None:
                self.connection.sendall(self._answer(request))
        except AgentProtocolError as error:
            _log.error("request refused: %s", error)
            self._refuse(str(error))
        except OSError as error:
            _log.info("the mail system went away: %s", error.strerror or error)

    def _answer(self, request: Record) -> bytes:
        try:
            call, has_message = call_from_record(request)
        except FilterCallError as error:
            raise AgentProtocolError(str(error)) from error
        if len(self._descriptors) != has_message:
            raise AgentProtocolError("the message's descriptor is missing, or nobody asked for it")
        self._become(call)
        stdin = self._descriptors[0] if has_message else None
        self.connection.settimeout(None)
        result = self.settings.program.run(
            _without_loader(call), stdin, lifeline=self.connection.fileno()
        )
        return encode_result(result)

    def _become(self, call: FilterCall) -> None:
        """Give up root for the account's user, or refuse to."""
        account, least = call.account, max(1, self.settings.minimum_id)
        if account.uid < least or account.gid < least:
            raise AgentProtocolError(f"uid {account.uid}, gid {account.gid}: below {least}")
        if max(account.uid, account.gid) >= (1 << 32) - 1:
            raise AgentProtocolError("no such uid or gid")
        if not account.home.startswith("/"):
            raise AgentProtocolError("the home is no absolute path")
        refusal = take_identity(account.uid, account.gid)
        if refusal:
            raise AgentProtocolError(refusal)
        os.umask(_UMASK)
        os.chdir("/")

    def _read_request(self) -> Record | None:
        """The request; None when the other side only looked whether somebody listens."""
        reader = reader_of_requests()
        while True:
            data, descriptors, flags, _ = socket.recv_fds(
                self.connection, _READ_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
            self._descriptors.extend(descriptors)
            if flags & socket.MSG_CTRUNC:
                raise AgentProtocolError("too many descriptors")
            if not data:
                if reader.is_empty:
                    return None
                raise AgentProtocolError("the connection ended within a request")
            records = reader.feed(data)
            if records:
                if len(records) > 1 or not reader.is_empty:
                    raise AgentProtocolError("a connection brings one request")
                return records[0]

    def _refuse(self, text: str) -> None:
        try:
            self.connection.sendall(encode_refusal(text))
        except OSError as error:
            _log.info("the mail system went away: %s", error.strerror or error)

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        """SIGTERM: cut our own life line; what runs is ended, and the answer still goes out."""
        self.connection.shutdown(socket.SHUT_RD)


def _without_loader(call: FilterCall) -> FilterCall:
    """The call without variables that have no business in a filter's environment."""
    kept = {
        name: value
        for name, value in call.environment.items()
        if not f"{name}=".startswith(_LOADER_VARIABLES)
    }
    return attrs.evolve(call, environment=kept)
