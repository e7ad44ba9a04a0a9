"""Watching over one child process: its output, its time, and whether anybody still waits.

Time is a deadline on one poll, never a sleep: at the deadline the child's process group gets
SIGTERM, some seconds later SIGKILL (spec mta.md 11.9).  The child must lead its own group.
It is left unreaped, so that its number cannot be given to another process meanwhile.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = ["ERROR_BYTES", "Capture", "Watch"]

_log = logging.getLogger("couriermail.mta.local")

ERROR_BYTES = 4095  # of standard error kept for the log and the report (spec mta.md 11.5)
_READ_BYTES = 65536
_DRAIN_READS = 16  # pipes hold 64 KB by default, 1 MB at most: enough for what is already there


@attrs.define
class Capture:
    """Reads one pipe, keeps its beginning, and throws the rest away or refuses it."""

    pipe: IO[bytes]
    limit: int
    is_bounded: bool = attrs.field(default=False, kw_only=True)
    kept: bytearray = attrs.field(factory=bytearray, init=False)
    has_overflowed: bool = attrs.field(default=False, init=False)

    def read(self) -> bool:
        """Take what is there; False when the pipe has ended or needs no more reading."""
        try:
            data = os.read(self.pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return True
        room = self.limit - len(self.kept)
        self.kept += data[:room]
        self.has_overflowed = self.is_bounded and len(data) > room
        return bool(data) and not self.has_overflowed  # closing gives the writer SIGPIPE


@attrs.define
class Watch:
    """Waits for a process and its pipes until it ends or its time is over."""

    pid: int
    captures: list[Capture]
    deadline: float
    kill_after: float
    is_stuck: bool = attrs.field(default=False, init=False)
    is_interrupted: bool = attrs.field(default=False, init=False)
    _open: dict[int, Capture] = attrs.field(factory=dict, init=False)
    _poll: select.poll = attrs.field(factory=select.poll, init=False)

    def wait(self, lifeline: int | None) -> None:
        """Until the process has ended; all pipes are closed then."""
        pidfd = os.pidfd_open(self.pid)
        try:
            self._poll.register(pidfd, select.POLLIN)
            if lifeline is not None:
                self._poll.register(lifeline, select.POLLIN)
            for capture in self.captures:
                self._watch(capture)
            self._watch_to_end(pidfd, lifeline)
            self._drain()
        finally:
            os.close(pidfd)
            for capture in self.captures:
                capture.pipe.close()

    def _watch(self, capture: Capture) -> None:
        descriptor = capture.pipe.fileno()
        os.set_blocking(descriptor, False)
        self._open[descriptor] = capture
        self._poll.register(descriptor, select.POLLIN)

    def _watch_to_end(self, pidfd: int, lifeline: int | None) -> None:
        next_time = self.deadline
        while pidfd not in (ready := self._ready(next_time)):
            for descriptor in ready & self._open.keys():
                self._read(descriptor)
            if lifeline in ready:
                self._poll.unregister(lifeline)
                self.is_interrupted = True
                next_time = time.monotonic()
            if time.monotonic() >= next_time:
                self._signal(signal.SIGKILL if self.is_stuck else signal.SIGTERM)
                self.is_stuck = True
                next_time = time.monotonic() + self.kill_after
        if self.is_stuck:  # those of the group that ignored SIGTERM; the leader is unreaped yet
            self._signal_group(signal.SIGKILL)

    def _ready(self, until: float) -> set[int]:
        left = max(0.0, until - time.monotonic())
        return {descriptor for descriptor, _ in self._poll.poll(left * 1000)}

    def _read(self, descriptor: int) -> None:
        capture = self._open[descriptor]
        if not capture.read():
            self._poll.unregister(descriptor)
            del self._open[descriptor]
            capture.pipe.close()

    def _drain(self) -> None:
        """Take what the command left in its pipes, without waiting for its children."""
        for _ in range(_DRAIN_READS):
            readable = self._ready(0.0) & self._open.keys()
            if not readable:
                return
            for descriptor in readable:
                self._read(descriptor)

    def _signal(self, number: signal.Signals) -> None:
        _log.error("Error: stuck delivery, PID %d, sending signal %d", self.pid, int(number))
        self._signal_group(number)

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # gone, or it became someone else
            pass
