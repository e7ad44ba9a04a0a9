"""One filter's process: its pipes, its start, what it says, and its end (spec filter 2.6).

descriptor 0   life line: end of file tells the filter to finish and end
descriptor 1,2 what it writes goes line by line to the log
descriptor 3   start-up pipe: closing it says that requests are answered
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import time
from collections.abc import Mapping

import attrs

from couriermail.core.durable import storage_error

__all__ = ["FilterProcess"]

log = logging.getLogger("couriermail.filter.courierfilter")

FINISH_SECONDS = 30.0
"""How long a filter may finish what it began before it is told to end by SIGTERM."""

TERM_SECONDS = 10.0
"""How long it may take after SIGTERM before it is killed."""

MAX_LINE = 4096
FIRST_FREE = 10  # descriptors of ours stay away from those that the filter gets


@attrs.define(eq=False)
class FilterProcess:
    """A running filter.

    Attributes:
        name: its name.
        pid: its process.
        pidfd: readable when it has ended.
        startup: our end of its start-up pipe; -1 once it said that it is ready.
        output: our end of what it writes; -1 once it writes no more.
        started: monotonic time of its start.
    """

    name: str
    pid: int
    pidfd: int
    startup: int
    output: int
    started: float
    _life_line: int
    _partial: bytes = attrs.field(default=b"", init=False)

    @classmethod
    def start(cls, name: str, program: str, environment: Mapping[str, str]) -> FilterProcess:
        """Start `program` as the filter `name`.

        Raises:
            StorageError: it cannot be started.
        """
        life, life_line = _pipe()
        startup, ready = _pipe()
        output, said = _pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, ours, theirs)
            for ours, theirs in ((life, 0), (said, 1), (said, 2), (ready, 3))
        ]
        try:
            pid = os.posix_spawn(
                program,
                [name],
                environment,
                file_actions=actions,
                setsigdef=_SIGNALS,
                setsigmask=[],
            )
        except OSError as error:
            for descriptor in (life_line, startup, output):
                os.close(descriptor)
            raise storage_error(error, "cannot start filter", program) from error
        finally:
            for descriptor in (life, ready, said):
                os.close(descriptor)
        return cls(name, pid, os.pidfd_open(pid), startup, output, time.monotonic(), life_line)

    def take_ready(self) -> None:
        """The start-up pipe was closed."""
        if self.startup >= 0:
            os.close(self.startup)
            self.startup = -1

    def log_output(self) -> None:
        """Log the lines that it wrote; its end is noted as well."""
        data = os.read(self.output, 65536)
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > MAX_LINE or not data:
            lines, self._partial = [*lines, self._partial], b""
        for line in filter(None, lines):
            log.info("%s: %s", self.name, line[:MAX_LINE].decode("utf-8", "backslashreplace"))
        if not data:
            os.close(self.output)
            self.output = -1

    def stop(self) -> int:
        """Have it end, by force in the end; its exit status."""
        os.close(self._life_line)
        self._life_line = -1
        for seconds, number in ((FINISH_SECONDS, signal.SIGTERM), (TERM_SECONDS, signal.SIGKILL)):
            if self._has_ended(seconds):
                break
            log.error("%s does not stop; %s", self.name, signal.Signals(number).name)
            signal.pidfd_send_signal(self.pidfd, number)
        return self.bury()

    def bury(self) -> int:
        """Wait for its end and close what it had; its exit status, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        self._log_rest()
        self.take_ready()
        for descriptor in filter(_is_open, (self.pidfd, self.output, self._life_line)):
            os.close(descriptor)
        return os.waitstatus_to_exitcode(status)

    def _log_rest(self) -> None:
        """Log what it wrote last; a child of its own may still hold the other end."""
        try:
            while self.output >= 0:
                os.set_blocking(self.output, False)
                self.log_output()
        except BlockingIOError:
            pass

    def _has_ended(self, seconds: float) -> bool:
        """Wait for its end, reading what it says: it must not hang on a full pipe."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            for descriptor in filter(_is_open, (self.pidfd, self.output)):
                poll.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poll.poll(left * 1000)]
            if self.pidfd in ready:
                return True
            if ready:
                self.log_output()
        return False


_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD]


def _is_open(descriptor: int) -> bool:
    return descriptor >= 0


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are not descriptors that the filter is to get."""
    ends = os.pipe2(os.O_CLOEXEC)
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
