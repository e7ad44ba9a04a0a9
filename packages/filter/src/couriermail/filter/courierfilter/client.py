"""Asking filters about a message: the mail system's side of the socket (spec filter 4.19).

Blocking; a server calls it in a thread.  A filter that cannot be reached, does not answer in time
or answers nonsense raises: the message must not pass a filter that did not see it.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable

from couriermail.filter.courierfilter.errors import FilterUnavailableError
from couriermail.filter.courierfilter.protocol import (
    FilterReply,
    FilterRequest,
    ReplyReader,
    Verdict,
)

__all__ = ["ask_filter", "ask_filters"]

log = logging.getLogger("couriermail.filter.courierfilter")

ANSWER_SECONDS = 120.0
BUSY_TRIES = 5  # a full backlog of a unix socket is EAGAIN (spec filter 4.19)
BUSY_PAUSE = 1.0


def ask_filters(
    sockets: Iterable[str], request: FilterRequest, *, timeout: float = ANSWER_SECONDS
) -> FilterReply | None:
    """Ask one filter after the other; None when none objects.

    Returns:
        The reply that ended the round, a refusal: later filters were not asked.  A filter that
        accepts for good (`0xx`) ends the round as well, without an objection.

    Raises:
        FilterUnavailableError: a filter gave no usable answer within `timeout` seconds.
    """
    for path in sockets:
        started = time.monotonic()
        reply = ask_filter(path, request, timeout=timeout)
        seconds = time.monotonic() - started
        name, verdict = os.path.basename(path), reply.verdict.value
        log.info("%s: %s %s, %.3f s", name, reply.code, verdict, seconds)
        if reply.verdict is Verdict.REFUSED:
            return reply
        if reply.verdict is Verdict.ACCEPTED:
            return None
    return None


def ask_filter(
    path: str,
    request: FilterRequest,
    *,
    timeout: float = ANSWER_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> FilterReply:
    """One exchange with one filter.

    Args:
        path: its socket.
        request: what it is asked.
        timeout: seconds for the whole exchange.
        sleep: how the pauses are waited for while its backlog is full.

    Raises:
        FilterUnavailableError: no usable answer; the log says why.
    """
    name = os.path.basename(path)
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            _connect(connection, path, deadline, sleep)
            return _exchange(connection, request, deadline)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or error
        raise FilterUnavailableError(f"mail filter {name}: {reason}") from error
    except FilterUnavailableError as error:
        raise FilterUnavailableError(f"mail filter {name}: {error}") from error


def _connect(
    connection: socket.socket, path: str, deadline: float, sleep: Callable[[float], None]
) -> None:
    for attempt in range(BUSY_TRIES + 1):
        connection.settimeout(_left(deadline))
        try:
            connection.connect(path)
        except OSError as error:
            if error.errno != errno.EAGAIN or attempt == BUSY_TRIES:
                raise
        else:
            return
        sleep(BUSY_PAUSE)


def _exchange(connection: socket.socket, request: FilterRequest, deadline: float) -> FilterReply:
    connection.settimeout(_left(deadline))
    reader = ReplyReader()
    try:
        connection.sendall(request.to_bytes())
    except BrokenPipeError:
        pass  # it answered without reading: the answer counts
    while True:
        connection.settimeout(_left(deadline))
        data = connection.recv(65536)
        reply = reader.feed(data) if data else reader.close()
        if reply is not None:
            return reply


def _left(deadline: float) -> float:
    """Seconds until the deadline: a filter that trickles gets no more than one that is silent."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
