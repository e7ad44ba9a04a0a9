"""The courierlocal process: one small parent that turns connections into agents.

It runs as root where mail goes to several users, and does as little as possible: accept,
look who asks (SO_PEERCRED), fork.  The child (`agent`) reads the uid and gid, drops to them
and serves batches; the parent never reads a job, a recipe or a user's file.  It has no
threads, so a fork is safe and copies one small image; everything that an agent needs is
imported here, once.

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

from couriermail.mta.local.agent import run_agent
from couriermail.mta.local.preload import preload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Protocol

    from couriermail.mta.local.homes import HomeMaker
    from couriermail.mta.local.values import AgentSettings

    class HasFileno(Protocol):
        """Something with a descriptor, such as a socket or one end of a pipe."""

        def fileno(self) -> int:
            """The descriptor."""
            ...


__all__ = ["serve_agents"]

_log = logging.getLogger("couriermail.mta.local")
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})
_LAST_SECONDS = 2.0  # for an agent to report, after the command that it ran is dead
_SHORTAGE_PAUSE = 1.0  # seconds; the usual cure is that some agent ends


def serve_agents(
    listener: socket.socket,
    settings: AgentSettings,
    *,
    stop: int | HasFileno,
    homes: HomeMaker | None = None,
) -> None:
    """Serve until `stop` becomes readable, then let the agents finish their batches.

    Args:
        listener: a listening Unix stream socket; stays open, for the caller to close.
        settings: how the agents behave.
        stop: a descriptor (a pipe's end, an eventfd, a wake-up socket): readable or closed at
            its other end means stop.
        homes: makes missing homes; None: nobody does.
    """
    preload()
    descriptor = stop if isinstance(stop, int) else stop.fileno()
    _Parent(listener, settings, descriptor, homes).serve()


@attrs.define
class _Parent:
    listener: socket.socket
    settings: AgentSettings
    stop: int
    homes: HomeMaker | None
    _children: dict[int, int] = attrs.field(factory=dict, init=False)  # pidfd -> pid
    _poll: select.poll = attrs.field(factory=select.poll, init=False)

    def serve(self) -> None:
        self.listener.setblocking(False)  # noqa: FBT003 - a peer may be gone before accept
        self._poll.register(self.listener, select.POLLIN)
        self._poll.register(self.stop, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            self._reap(ready)
            if self.stop in ready:
                break
            if self.listener.fileno() in ready:
                self._accept()
        self._end_children()

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
        """Only root, our own uid and the mail system's may have mail delivered as anyone."""
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        if uid in {0, os.geteuid()} or uid in self.settings.trusted_uids:
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
            self._become_agent(connection)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:  # too many descriptors: an unwatched child would stay a zombie
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._pause(error)
            return
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)

    def _become_agent(self, connection: socket.socket) -> NoReturn:
        """In the child: run the agent and never come back, whatever happens."""
        status = 70
        try:
            for descriptor in (*self._children, self.stop, self.listener.fileno()):
                os.close(descriptor)
            run_agent(connection, self.settings, self.homes)
            status = 0
        except SystemExit:  # SIGTERM while it was idle
            status = 0
        except BaseException:
            _log.exception("delivery agent failed")
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
                _log.error("delivery agent %d ended abnormally, status %d", pid, code)

    def _pause(self, error: OSError) -> None:
        _log.error("short of resources (%s), waiting", errno.errorcode.get(error.errno or 0, "?"))
        select.select([self.stop], [], [], _SHORTAGE_PAUSE)

    def _end_children(self) -> None:
        """Agents end when they are idle; one that is still busy after the grace is stopped."""
        self._poll.unregister(self.listener)
        self._poll.unregister(self.stop)
        self._signal_children(signal.SIGTERM)
        self._await_children(self.settings.stop_grace)
        self._signal_children(signal.SIGTERM)  # the second makes an agent give up its batch
        self._await_children(self.settings.kill_after + _LAST_SECONDS)
        self._signal_children(signal.SIGKILL)
        while self._children:
            self._reap({descriptor for descriptor, _ in self._poll.poll()})

    def _await_children(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._children and (left := deadline - time.monotonic()) > 0:
            self._reap({descriptor for descriptor, _ in self._poll.poll(left * 1000)})

    def _signal_children(self, number: signal.Signals) -> None:
        for pidfd in self._children:
            try:
                signal.pidfd_send_signal(pidfd, number)
            except ProcessLookupError:
                pass
