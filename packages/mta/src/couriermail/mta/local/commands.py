"""Running one command of an instruction file, whatever it does.

A command gets its own process group, the message as standard input and exactly the
environment it is given.  What it writes on standard error is kept up to a limit and read to
the end, so that a talkative command does not block; a background child that keeps the pipe
open does not keep the delivery waiting.  Time is a deadline on one poll, never a sleep: at
the deadline the group gets SIGTERM, some seconds later SIGKILL (spec mta.md 11.5, 11.9).
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import time
from typing import Literal

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

__all__ = [
    "ERROR_BYTES",
    "EX_OSERR",
    "OUTPUT_BYTES",
    "CommandResult",
    "CommandRunner",
    "Verdict",
    "judge",
]

_log = logging.getLogger("couriermail.mta.local")

ERROR_BYTES = 4095  # of standard error kept for the log and the report (spec mta.md 11.5)
OUTPUT_BYTES = 8191  # of generated instructions; a longer output is an error (spec mta.md 11.5)
EX_OSERR = 71  # sysexits: the system, not the command, is to blame; temporary
_READ_BYTES = 65536
_DRAIN_READS = 16  # pipes hold 64 KB by default, 1 MB at most: enough for what is already there

Verdict = Literal["continue", "stop", "failure", "untracked", "deferral"]

_VERDICTS: Mapping[int, Verdict] = {  # spec mta.md 11.5
    0: "continue",
    99: "stop",
    70: "untracked",
    **dict.fromkeys((64, 65, 67, 68, 69, 76, 77, 78, 100, 112), "failure"),
}


def judge(status: int) -> Verdict:
    """What an exit status means for the delivery; negative for a signal.

    Courier: death by a signal counts as 77, a permanent failure.  A killed command proves
    nothing about the recipient, so here it is tried again (spec mta.md 18.5).
    """
    return _VERDICTS.get(status, "deferral")


@attrs.frozen(kw_only=True)
class CommandResult:
    """How a command ended.

    Attributes:
        status: exit status, or the negative number of the signal that killed it.
        error: the first `ERROR_BYTES` of standard error (and of output that nobody asked for).
        output: standard output where it was asked for.
        has_overflowed: more than `OUTPUT_BYTES` were written; the rest was refused.
        has_timed_out: the deadline came first.
        is_interrupted: the lifeline was cut first.
    """

    status: int
    error: bytes
    output: bytes = b""
    has_overflowed: bool = False
    has_timed_out: bool = False
    is_interrupted: bool = False

    @property
    def verdict(self) -> Verdict:
        """What this means for the delivery."""
        was_ended = self.has_timed_out or self.is_interrupted or self.has_overflowed
        return "deferral" if was_ended else judge(self.status)


@attrs.frozen(kw_only=True)
class CommandRunner:
    """Runs the commands of one delivery.

    Attributes:
        shell: absolute path of the shell.
        home: working directory.
        environment: the command's whole environment.
        deadline: `time.monotonic()` at which the delivery's time is over.
        kill_after: seconds from SIGTERM to SIGKILL.
        lifeline: a descriptor; when it becomes readable nobody waits for the delivery any more,
            and the command is ended like one whose time is over.
    """

    shell: str
    home: str
    environment: Mapping[str, str]
    deadline: float
    kill_after: float
    lifeline: int | None = None

    def run(self, text: str, message: int, *, wants_output: bool = False) -> CommandResult:
        """Run `text` with the shell.

        Args:
            text: the command.
            message: a descriptor positioned at the message's start.
            wants_output: give standard output separately; else it goes to standard error.

        Raises:
            OSError: the shell cannot be started.
        """
        # Our own group keeps a command that kills its group away from the agent.
        process = subprocess.Popen(
            [os.path.basename(self.shell), "-c", text],
            executable=self.shell,
            stdin=message,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if wants_output else subprocess.STDOUT,
            cwd=self.home,
            env=self.environment,
            process_group=0,
        )
        captures = _captures(process, wants_output=wants_output)
        watch = _Watch(process, captures, self.deadline, self.kill_after)
        watch.wait(self.lifeline)
        return CommandResult(
            status=process.wait(),
            error=bytes(captures[-1].kept),
            output=bytes(captures[0].kept) if wants_output else b"",
            has_overflowed=captures[0].has_overflowed,
            has_timed_out=watch.is_stuck and not watch.is_interrupted,
            is_interrupted=watch.is_interrupted,
        )


def _captures(process: subprocess.Popen[bytes], *, wants_output: bool) -> list[_Capture]:
    """The pipes to read: standard output if wanted, and last the one with standard error."""
    captures = []
    if process.stdout is not None:
        limit = OUTPUT_BYTES if wants_output else ERROR_BYTES
        captures.append(_Capture(process.stdout, limit, is_bounded=wants_output))
    if process.stderr is not None:
        captures.append(_Capture(process.stderr, ERROR_BYTES))
    return captures


@attrs.define
class _Capture:
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
class _Watch:
    """Waits for a process and its pipes until it ends or its time is over."""

    process: subprocess.Popen[bytes]
    captures: list[_Capture]
    deadline: float
    kill_after: float
    is_stuck: bool = attrs.field(default=False, init=False)
    is_interrupted: bool = attrs.field(default=False, init=False)
    _open: dict[int, _Capture] = attrs.field(factory=dict, init=False)
    _poll: select.poll = attrs.field(factory=select.poll, init=False)

    def wait(self, lifeline: int | None) -> None:
        """Until the process has ended; all pipes are closed then."""
        pidfd = os.pidfd_open(self.process.pid)
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

    def _watch(self, capture: _Capture) -> None:
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
        _log.error(
            "Error: stuck delivery, PID %d, sending signal %d", self.process.pid, int(number)
        )
        self._signal_group(number)

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # gone, or it became someone else
            pass
