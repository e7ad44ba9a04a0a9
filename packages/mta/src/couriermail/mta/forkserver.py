"""A small parent that turns connections into processes, each with the rights to become a user.

It does as little as possible: accept, look who asks (SO_PEERCRED), fork.  What comes over a
connection is read by its child alone, which gives up root before it does anything for anybody.
The parent has no threads, so a fork is safe and copies one small image; whatever the children
need must have been imported before.

Children are watched by pidfd: no signal handler is needed, and a child that is killed takes
nothing but its own connection along.  Shortage (EMFILE, ENOMEM, EAGAIN) makes the loop pause
instead of ending it.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import signal
import socket
import struct
import time

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Protocol

    class HasFileno(Protocol):
        """Something with a descriptor, such as a socket or one end of a pipe."""

        def fileno(self) -> int:
            """The descriptor."""
            ...


__all__ = ["ForkServer"]

_log = logging.getLogger("couriermail.mta.forkserver")
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})
_SHORTAGE_PAUSE = 1.0  # seconds; the usual cure is that some child ends


@attrs.define(kw_only=True)
class ForkServer:
    """Serves one listening socket, a process for each connection.

    Attributes:
        listener: a listening Unix stream socket; stays open, for the caller to close.
        stop: a descriptor (a pipe's end, an eventfd, a wake-up socket): readable or closed at
            its other end means stop.
        trusted_uids: who may connect, beside root and our own uid.
        child: what a child does with its connection; it may raise, its process ends then.
        name: what the log calls a child.
        graces: at the end children get SIGTERM, have so many seconds, get it again and have
            the next number of seconds, and so on; SIGKILL comes last.
    """

    listener: socket.socket
    stop: int | HasFileno
    trusted_uids: frozenset[int]
    child: Callable[[socket.socket], None]
    name: str
    graces: tuple[float, ...]
    _children: dict[int, int] = attrs.field(factory=dict, init=False)  # pidfd -> pid
    _poll: select.poll = attrs.field(factory=select.poll, init=False)

    def serve(self) -> None:
        """Serve until `stop`, then let the children finish."""
        stop = self._stop_fd()
        self.listener.setblocking(False)  # noqa: FBT003 - a peer may be gone before accept
        self._poll.register(self.listener, select.POLLIN)
        self._poll.register(stop, select.POLLIN)
        while True:
            ready = self._ready()
            self._reap(ready)
            if stop in ready:
                break
            if self.listener.fileno() in ready:
                self._accept()
        self._end_children()

    def _stop_fd(self) -> int:
        return self.stop if isinstance(self.stop, int) else self.stop.fileno()

    def _ready(self, seconds: float | None = None) -> set[int]:
        timeout = None if seconds is None else seconds * 1000
        return {descriptor for descriptor, _ in self._poll.poll(timeout)}

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _SHORTAGE:
                raise
            self._pause(error)
            return
        with connection:
            connection.setblocking(True)  # noqa: FBT003 - not inherited on every system
            if self._is_trusted(connection):
                self._fork(connection)

    def _is_trusted(self, connection: socket.socket) -> bool:
        """Only root, our own uid and the mail system's may have anything done as anyone."""
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        if uid in {0, os.geteuid()} or uid in self.trusted_uids:
            return True
        _log.warning("connection from uid %d refused", uid)
        return False

    def _fork(self, connection: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._pause(error)
            return
        if pid == 0:
            self._become_child(connection)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:  # too many descriptors: an unwatched child would stay a zombie
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._pause(error)
            return
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)

    def _become_child(self, connection: socket.socket) -> NoReturn:
        """In the child: serve the connection and never come back, whatever happens."""
        status = 70
        try:
            for descriptor in (*self._children, self._stop_fd(), self.listener.fileno()):
                os.close(descriptor)
            self.child(connection)
            status = 0
        except SystemExit:  # SIGTERM while it was idle
            status = 0
        except BaseException:
            _log.exception("%s failed", self.name)
        finally:
            os._exit(status)

    def _reap(self, ready: set[int]) -> None:
        for pidfd in ready & self._children.keys():
            pid = self._children.pop(pidfd)
            self._poll.unregister(pidfd)
            os.close(pidfd)
            try:
                _, status = os.waitpid(pid, 0)
            except ChildProcessError:  # the process that started us had SIGCHLD ignored
                status = 0
            if status:
                code = os.waitstatus_to_exitcode(status)
                _log.error("%s %d ended abnormally, status %d", self.name, pid, code)

    def _pause(self, error: OSError) -> None:
        _log.error("short of resources (%s), waiting", errno.errorcode.get(error.errno or 0, "?"))
        select.select([self.stop], [], [], _SHORTAGE_PAUSE)

    def _end_children(self) -> None:
        """Children end when they are idle; one that is still busy after the graces is stopped."""
        self._poll.unregister(self.listener)
        self._poll.unregister(self.stop)
        for seconds in self.graces:
            self._signal_children(signal.SIGTERM)
            self._await_children(seconds)
        self._signal_children(signal.SIGKILL)
        while self._children:
            self._reap(self._ready())

    def _await_children(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._children and (left := deadline - time.monotonic()) > 0:
            self._reap(self._ready(left))

    def _signal_children(self, number: signal.Signals) -> None:
        for pidfd in self._children:
            try:
                signal.pidfd_send_signal(pidfd, number)
            except ProcessLookupError:
                pass
