"""A progress bar for work that takes long, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress"]

SHOWN_AFTER_SECONDS = 1.0
SECONDS_BETWEEN = 0.2
_CELLS = 40
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Shows how much of the work is done.

    Args:
        total: the whole work, in any unit.
        stream: where it is shown; standard error when None.  Nothing is written where that is
            no terminal.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        total: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._total = max(total, 1)
        self._done = 0
        self._is_shown = False
        self._next = clock() + SHOWN_AFTER_SECONDS
        self._is_terminal = self._stream.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.clear()

    def advance(self, work: int) -> None:
        """Count work that is done, and show it when it is time."""
        self._done += work
        if not self._is_terminal or self._clock() < self._next:
            return
        self._next = self._clock() + SECONDS_BETWEEN
        share = min(self._done / self._total, 1.0)
        bar = ("#" * int(share * _CELLS)).ljust(_CELLS)
        self._stream.write(f"{_CLEAR_LINE}[{bar}] {share:4.0%}")
        self._stream.flush()
        self._is_shown = True

    def clear(self) -> None:
        """Take the bar away, before other text is written."""
        if self._is_shown:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._is_shown = False
