"""Children that end with the test run, however it ends, and waits that end as well."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # prctl(2)
POLL_SECONDS = 0.002


def end_with(parent: int) -> None:
    """Called in a new child: the kernel kills it when its parent ends.

    Args:
        parent: the process id of the parent, which may have ended already.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def bound_words(words: Sequence[str]) -> list[str]:
    """The words of a command, run so that it is killed when the test run ends."""
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return [*guard, *words]


def exit_code_of(pid: int, seconds: float) -> int | None:
    """Wait for the end of a child; None when it has not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_SECONDS)


def end_group(pid: int, seconds: float) -> None:
    """End a child that leads its process group: SIGTERM, in time, else SIGKILL for all of it."""
    try:
        os.kill(pid, signal.SIGTERM)
        if exit_code_of(pid, seconds) is None:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        pass  # the test has ended it
