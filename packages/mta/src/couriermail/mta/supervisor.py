"""The supervisor: starts the mail system's processes, keeps them alive, stops them.

Each service is a forked child (nothing is executed anew, so that what was imported is shared and
a child that gave up root needs no file of ours any more).  A child learns that it must end by its
*life line*: a pipe whose other end only the supervisor holds, so that killing the supervisor ends
them too.  A child that dies is started again, at once the first time, then after a pause that
doubles while it keeps dying young; a stop never waits for that pause (spec mta.md 18.11).
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Sequence

import attrs

__all__ = ["LifeLine", "Service", "Supervisor"]

log = logging.getLogger("couriermail.mta.supervisor")

YOUNG_SECONDS = 5.0
LONGEST_PAUSE = 60.0
STOP_SECONDS = 15.0  # then SIGKILL; a running delivery is repeated after the restart


@attrs.frozen
class LifeLine:
    """A child's end of the pipes to its supervisor.

    Attributes:
        stop: readable (end of file) when the child must end.
        ready: write one byte when the service is ready.
    """

    stop: int
    ready: int

    def say_ready(self) -> None:
        """Tell the supervisor that the service answers now."""
        try:
            os.write(self.ready, b"r")
        except BrokenPipeError:
            pass  # it was killed meanwhile: the life line has ended as well
        finally:
            os.close(self.ready)


@attrs.frozen
class Service:
    """One process of the mail system: a name and what it runs until its life line ends."""

    name: str
    run: Callable[[LifeLine], None]


@attrs.define(eq=False)
class _Child:
    service: Service
    pid: int = 0
    pidfd: int = -1
    line: int = -1  # our end of its life line
    ready: int = -1
    is_ready: bool = False
    started: float = 0.0
    pause: float = 0.0
    start_at: float = 0.0


@attrs.define(eq=False)
class Supervisor:
    """Runs services until SIGTERM or SIGINT; SIGHUP restarts them one after another.

    Attributes:
        services: in the order in which they start.
        on_change: called with the pids by name whenever one started or ended.
        on_ready: called once when all services are ready for the first time.
    """

    services: Sequence[Service]
    on_change: Callable[[dict[str, int]], None] = lambda pids: None
    on_ready: Callable[[], None] = lambda: None
    _children: list[_Child] = attrs.field(factory=list, init=False)
    _poll: select.poll = attrs.field(factory=select.poll, init=False)
    _signals: list[int] = attrs.field(factory=list, init=False)
    _wake: tuple[int, int] = attrs.field(default=(-1, -1), init=False)
    _said_ready: bool = attrs.field(default=False, init=False)

    def run(self) -> int:
        """Supervise; returns the exit code, 0 after an ordered stop."""
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        old = {number: signal.signal(number, self._note) for number in _SIGNALS}
        try:
            self._poll.register(self._wake[0], select.POLLIN)
            self._children = [_Child(service) for service in self.services]
            for child in self._children:
                self._start(child)
            self._watch()
            self._stop_all()
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            for descriptor in self._wake:
                os.close(descriptor)
        return 0

    def _note(self, number: int, frame: object) -> None:
        self._signals.append(number)
        os.write(self._wake[1], b"s")

    def _watch(self) -> None:
        while True:
            self._start_waiting()
            for descriptor, _ in self._poll.poll(self._timeout()):
                self._handle(descriptor)
            signals, self._signals = self._signals, []
            if signal.SIGTERM in signals or signal.SIGINT in signals:
                return
            if signal.SIGHUP in signals:
                self._restart_all()

    def _timeout(self) -> int | None:
        """Milliseconds until a child that died may start again."""
        waits = [child.start_at - time.monotonic() for child in self._children if not child.pid]
        return max(0, int(min(waits) * 1000) + 1) if waits else None

    def _start_waiting(self) -> None:
        for child in self._children:
            if not child.pid and time.monotonic() >= child.start_at:
                self._start(child)

    def _handle(self, descriptor: int) -> None:
        if descriptor == self._wake[0]:
            os.read(descriptor, 4096)
            return
        for child in self._children:
            if descriptor == child.ready:
                self._take_ready(child)
            elif descriptor == child.pidfd:
                self._bury(child)

    def _take_ready(self, child: _Child) -> None:
        child.is_ready = child.is_ready or os.read(child.ready, 1) == b"r"
        self._poll.unregister(child.ready)
        os.close(child.ready)
        child.ready = -1
        if not self._said_ready and all(other.is_ready for other in self._children):
            self._said_ready = True
            self.on_ready()

    def _start(self, child: _Child) -> None:
        stop_read, stop_write = os.pipe2(os.O_CLOEXEC)
        ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            for descriptor in (stop_write, ready_read, *self._wake):
                os.close(descriptor)
            for other in self._children:
                for descriptor in (other.line, other.ready, other.pidfd):
                    if descriptor >= 0:
                        os.close(descriptor)
            _run_child(child.service, LifeLine(stop_read, ready_write))
        os.close(stop_read)
        os.close(ready_write)
        child.pid, child.pidfd = pid, os.pidfd_open(pid)
        child.line, child.ready = stop_write, ready_read
        child.started, child.is_ready = time.monotonic(), False
        self._poll.register(child.pidfd, select.POLLIN)
        self._poll.register(child.ready, select.POLLIN)
        log.info("Started %s, pid=%d", child.service.name, pid)
        self._changed()

    def _bury(self, child: _Child) -> None:
        """A child has ended: note how, and when it may start again."""
        _, status = os.waitpid(child.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        how = f"exit status: {code}" if code >= 0 else f"BY A SIGNAL {-code}"
        log.error("%s: ABNORMAL TERMINATION, %s", child.service.name, how)
        lived = time.monotonic() - child.started
        if lived >= YOUNG_SECONDS:
            child.pause = 0.0
        else:
            child.pause = min(LONGEST_PAUSE, child.pause * 2 or 0.25)
        child.start_at = time.monotonic() + (child.pause if child.pause > 0.25 else 0.0)
        if child.pause > 0.25:
            log.error("Will restart %s in %.0f seconds.", child.service.name, child.pause)
        self._forget(child)

    def _forget(self, child: _Child) -> None:
        self._poll.unregister(child.pidfd)
        if child.ready >= 0:
            self._poll.unregister(child.ready)
            os.close(child.ready)
        os.close(child.pidfd)
        os.close(child.line)
        child.pid, child.pidfd, child.line, child.ready = 0, -1, -1, -1
        self._changed()

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            self._stop(child)

    def _restart_all(self) -> None:
        """End the services in reverse order and start them with a fresh configuration."""
        log.info("SHUTDOWN: Restarting...")
        self._stop_all()
        for child in self._children:
            child.pause = child.start_at = 0.0
            self._start(child)

    def _stop(self, child: _Child) -> None:
        """Cut the life line, wait, and kill only what does not listen."""
        if not child.pid:
            return
        os.close(child.line)
        child.line = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if not select.select([child.pidfd], [], [], STOP_SECONDS)[0]:
            log.error("%s did not stop; killing it", child.service.name)
            os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        self._forget(child)

    def _changed(self) -> None:
        self.on_change({child.service.name: child.pid for child in self._children if child.pid})


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _run_child(service: Service, line: LifeLine) -> None:
    """The child's whole life; never returns."""
    code = 70  # EX_SOFTWARE
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.SIG_IGN)
        service.run(line)
        code = 0
    except BaseException:
        log.exception("%s failed", service.name)
    finally:
        logging.shutdown()
        os._exit(code)
