"""Going to the background: the parent waits until the daemon answers, then ends.

The daemon tells by a pipe how its start went: that it is ready, or why it is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from couriermail.core.errors import CouriermailError

__all__ = ["default_log", "run_in_background"]

READY = b"ready"


def run_in_background(run: Callable[[Callable[[], None]], int]) -> str | None:
    """Run a daemon in the background; None once it is ready, else why it did not start.

    Args:
        run: the daemon's whole life, its exit code; it is given what says that it is ready.
    """
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _become_daemon(run, writing)
    os.close(writing)
    answer = os.read(reading, 4096)  # not to its end: children of the daemon may have the pipe
    os.close(reading)
    os.wait()
    return None if answer == READY else answer.decode("utf-8", "replace")


def _become_daemon(run: Callable[[Callable[[], None]], int], answer: int) -> None:
    """The background half: leave the terminal, run; never returns."""
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # whoever started us must not wait for our output
        os.dup2(null, descriptor)

    def say_ready() -> None:
        os.write(answer, READY)
        os.close(answer)

    code = os.EX_SOFTWARE
    try:
        code = run(say_ready)
    except CouriermailError as error:
        os.write(answer, str(error).encode())
        code = error.exit_code
    finally:
        os._exit(code)


def default_log(state: str, name: str) -> str:
    """Where a background daemon logs: syslog, or a file below the state directory without one."""
    if os.path.exists("/dev/log"):
        return "syslog"
    os.makedirs(f"{state}/log", exist_ok=True)
    return f"{state}/log/{name}.log"
