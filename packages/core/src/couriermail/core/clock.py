"""Time as an argument: engines and stores ask a clock, tests turn it by hand."""

from __future__ import annotations

import time
from typing import Protocol

import attrs

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Where a store or scheduler gets the time from."""

    def now(self) -> float:
        """Seconds since the epoch; may jump when the administrator sets the clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, for measuring how long something takes."""
        ...


@attrs.frozen
class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()


@attrs.define
class ManualClock:
    """A clock that stands still until a test moves it.

    Attributes:
        time: seconds since the epoch that `now` answers.
    """

    time: float = 1_800_000_000.0
    _elapsed: float = attrs.field(default=0.0, init=False)

    def now(self) -> float:
        """The time it was set to."""
        return self.time

    def monotonic(self) -> float:
        """Seconds it was advanced so far."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
        self._elapsed += seconds
