"""One run of the filter program, with the rights that this process has.

The program leads its own process group, reads the message or nothing, and has a bounded time
and a bounded say: SIGTERM at its end, SIGKILL some seconds later, for the whole group.
"""

from __future__ import annotations

import errno
import logging
import subprocess
import time

import attrs

from couriermail.filter.rcptfilter import FilterCall, FilterResult
from couriermail.filter.rcptfilter.verdicts import OUTPUT_BYTES
from couriermail.mta.local.commands import CommandRunner
from couriermail.mta.local.watch import Capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = ["KILL_SECONDS", "RUN_SECONDS", "FilterProgram", "watch_filter"]

_log = logging.getLogger("couriermail.mta.rcptfilter")

RUN_SECONDS = 60.0  # spec filter 4.18
KILL_SECONDS = 5.0

# What says that the program is at fault and not the moment (spec filter 4.18: then all is let in).
_NOT_EXECUTABLE = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.ELOOP}
)


@attrs.frozen
class FilterProgram:
    """The program that `maildropfilter` names.

    Attributes:
        path: absolute.
        timeout: seconds for one run.
        kill_after: seconds from SIGTERM to SIGKILL.
    """

    path: str
    timeout: float = RUN_SECONDS
    kill_after: float = KILL_SECONDS

    def run(
        self, call: FilterCall, stdin: int | None = None, *, lifeline: int | None = None
    ) -> FilterResult:
        """Run it as the user that this process is.  Blocks; never raises.

        Args:
            call: what it is called with.
            stdin: a descriptor at the message's beginning, which no other process reads; None
                for nothing to read.
            lifeline: a descriptor; when it becomes readable nobody waits for the answer any
                more, and the program is ended.
        """
        try:
            process = self._start(call, stdin)
        except OSError as error:
            return self._not_started(call, error)
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        try:
            return watch_filter(
                call,
                process.pid,
                process.stdout,
                timeout=self.timeout,
                kill_after=self.kill_after,
                lifeline=lifeline,
            )
        finally:
            process.returncode = 0  # reaped: Popen need not look for it

    def _start(self, call: FilterCall, stdin: int | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.path, *call.arguments],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=call.account.home,
            env=call.variables,
            process_group=0,
        )

    def _not_started(self, call: FilterCall, error: OSError) -> FilterResult:
        if error.filename == call.account.home:  # a home that is not there now: not mounted, say
            _log.error("%s: cannot enter the home: %s", _told(call), error.strerror)
            return FilterResult(None)
        _log.error("%s: cannot run %s: %s", _told(call), self.path, error.strerror)
        return FilterResult(0 if error.errno in _NOT_EXECUTABLE else None)


def watch_filter(
    call: FilterCall,
    pid: int,
    output: IO[bytes],
    *,
    timeout: float,
    kill_after: float,
    lifeline: int | None,
) -> FilterResult:
    """Wait for the end of a child that runs a filter and leads its process group; reap it.

    Args:
        call: what it was called with.
        pid: the child.
        output: what it writes comes out here; closed at the end.
        timeout: seconds from now until SIGTERM.
        kill_after: seconds from SIGTERM to SIGKILL.
        lifeline: see `FilterProgram.run`.
    """
    watcher = CommandRunner(
        shell="",
        home=call.account.home,
        environment={},
        deadline=time.monotonic() + timeout,
        kill_after=kill_after,
        lifeline=lifeline,
    )
    try:
        ended = watcher.watch(pid, [Capture(output, OUTPUT_BYTES)])
    except OSError as error:
        _log.error("%s: cannot be watched: %s", _told(call), error.strerror)
        return FilterResult(None)
    if ended.has_timed_out or ended.is_interrupted or ended.status < 0:
        reason = "no answer in time" if ended.has_timed_out else "ended by a signal"
        _log.error("%s: %s", _told(call), reason)
        return FilterResult(None, ended.output)
    return FilterResult(ended.status, ended.output)


def _told(call: FilterCall) -> str:
    """Which filter, for the log: no address of anybody."""
    return f"{call.name.partition('-')[0]} of uid {call.account.uid}"
