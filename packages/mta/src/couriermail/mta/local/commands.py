"""Running one command of an instruction file, whatever it does.

A command gets its own process group, the message as standard input and exactly the
environment it is given.  What it writes on standard error is kept up to a limit and read to
the end, so that a talkative command does not block; a background child that keeps the pipe
open does not keep the delivery waiting (spec mta.md 11.5).  `watch` looks after its time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Literal

import attrs

from couriermail.mta.local.watch import ERROR_BYTES, Capture, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EX_OSERR",
    "OUTPUT_BYTES",
    "CommandResult",
    "CommandRunner",
    "Verdict",
    "judge",
    "lead_group",
]

OUTPUT_BYTES = 8191  # of generated instructions; a longer output is an error (spec mta.md 11.5)
EX_OSERR = 71  # sysexits: the system, not the command, is to blame; temporary

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
        result = self.watch(process.pid, captures)
        process.returncode = result.status  # reaped: Popen need not look for it
        return result if wants_output else attrs.evolve(result, output=b"")

    def watch(self, pid: int, captures: list[Capture]) -> CommandResult:
        """Wait for a child that leads its own process group, and reap it.

        Args:
            pid: the child.
            captures: the pipes to read from it: first standard output, last standard error.

        Raises:
            OSError: it cannot be watched, and was killed.
        """
        watch = Watch(pid, captures, self.deadline, self.kill_after)
        try:
            watch.wait(self.lifeline)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            _, status = os.waitpid(pid, 0)
        return CommandResult(
            status=os.waitstatus_to_exitcode(status),
            output=bytes(captures[0].kept),
            error=bytes(captures[-1].kept),
            has_overflowed=captures[0].has_overflowed,
            has_timed_out=watch.is_stuck and not watch.is_interrupted,
            is_interrupted=watch.is_interrupted,
        )


def _captures(process: subprocess.Popen[bytes], *, wants_output: bool) -> list[Capture]:
    """The pipes to read: standard output if wanted, and last the one with standard error."""
    captures = []
    if process.stdout is not None:
        limit = OUTPUT_BYTES if wants_output else ERROR_BYTES
        captures.append(Capture(process.stdout, limit, is_bounded=wants_output))
    if process.stderr is not None:
        captures.append(Capture(process.stderr, ERROR_BYTES))
    return captures


def lead_group(pid: int) -> None:
    """Make a process the leader of its own group; both sides do it, whoever comes first."""
    with contextlib.suppress(OSError):  # it did so itself, or has ended already
        os.setpgid(pid, pid)
