"""How long `maildrop` may run, and what a signal does to it (spec filter 4.16)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType

__all__ = ["TIME_LIMIT_SECONDS", "Interrupted", "Watchdog"]

TIME_LIMIT_SECONDS = 300


class Interrupted(BaseException):
    """A signal ended the delivery; no `except Exception` may hold it up."""


class Watchdog:
    """Bounds the run, and lets signals end it in order: locks are released, files cut back.

    Args:
        owns_group: True to lead a process group, which gets SIGHUP at the end so that no
            program that a recipe started outlives it.
    """

    def __init__(self, *, owns_group: bool) -> None:
        self._wants_group = owns_group
        self._owns_group = False

    def __enter__(self) -> None:
        signal = _signals()
        if self._wants_group:
            try:
                os.setpgid(0, 0)
                self._owns_group = True
            except OSError:
                pass  # a session leader has its own group, and others may be in it
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._interrupt)
        signal.alarm(TIME_LIMIT_SECONDS)

    def __exit__(self, *ignored: object) -> None:
        signal = _signals()
        signal.alarm(0)

    def hang_up(self) -> None:
        """Tell what still runs in the group to end."""
        if self._owns_group:
            signal = _signals()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.killpg(0, signal.SIGHUP)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        signal = _signals()
        if number == signal.SIGALRM:
            raise Interrupted("Timeout quota exceeded.")
        raise Interrupted(f"signal 0x{number:02X}")


def _signals() -> ModuleType:
    """The C module below `signal`, which wraps every number in an enum: 7 ms of start-up."""
    import importlib

    try:
        return importlib.import_module("_signal")
    except ImportError:  # another Python than CPython
        return importlib.import_module("signal")
