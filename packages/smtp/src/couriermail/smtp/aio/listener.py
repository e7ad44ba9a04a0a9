"""Listening sockets, and an accept loop that survives a machine that is out of descriptors."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
from collections.abc import Callable

__all__ = ["Listener", "open_tcp_sockets", "open_unix_socket"]

logger = logging.getLogger("couriermail.smtp")

# accept() fails with EMFILE, ENFILE, ENOMEM or ENOBUFS when the process or the machine lacks
# something, not the listener: log, wait a little and go on, as others may close what they hold.
OVERLOAD_PAUSE = 0.1  # seconds
# These belong to a client that has already gone (accept(2), "Error handling").
_CLIENT_ERRORS = frozenset(
    {
        errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
        errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EOPNOTSUPP, errno.EPERM, errno.EINTR,
    }
)  # fmt: skip
_ACCEPTS_PER_WAKEUP = 16  # other connections want their turn as well


class Listener:
    """Accepts from one listening socket, which other processes may share."""

    def __init__(self, sock: socket.socket, adopt: Callable[[socket.socket], None]) -> None:
        sock.settimeout(0)
        self.sock = sock
        self._adopt = adopt
        self._loop = asyncio.get_running_loop()
        self._is_accepting = False
        self._timer: asyncio.TimerHandle | None = None

    def resume(self) -> None:
        """Accept from now on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_accepting and self.sock.fileno() >= 0:
            self._is_accepting = True
            self._loop.add_reader(self.sock, self._accept)

    def pause(self) -> None:
        """Leave newcomers in the kernel's queue, or to other processes."""
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self.sock)

    def close(self) -> None:
        """Stop for good and close the socket."""
        self.pause()
        if self._timer is not None:
            self._timer.cancel()
        self.sock.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_WAKEUP):
            if not self._is_accepting:  # paused by what was just accepted
                return
            try:
                sock, _address = self.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _CLIENT_ERRORS:
                    continue
                self._overloaded(error)
                return
            self._adopt(sock)

    def _overloaded(self, error: OSError) -> None:
        name = errno.errorcode.get(error.errno or 0, "unknown")
        logger.error("cannot accept (%s), trying again in %s s", name, OVERLOAD_PAUSE)
        self.pause()
        self._timer = self._loop.call_later(OVERLOAD_PAUSE, self.resume)


async def open_tcp_sockets(host: str | None, port: int, backlog: int) -> list[socket.socket]:
    """Listen on every address of `host`; None or an empty host is every address of the machine.

    Raises:
        OSError: the name has no address, or one of them cannot be bound.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, _type, _proto, _name, address in dict.fromkeys(found):
            # Port 0 is one free port for all families
            number = sockets[0].getsockname()[1] if port == 0 and sockets else port
            sockets.append(_listen_tcp(family, (address[0], number, *address[2:]), backlog))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen_tcp(family: int, address: tuple[object, ...], backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def open_unix_socket(path: str, backlog: int) -> socket.socket:
    """Listen on a unix socket; a socket file that an earlier process left is replaced.

    Raises:
        OSError: it cannot be bound, for example because another kind of file is there.
    """
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock
