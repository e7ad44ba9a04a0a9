"""Measuring several ways of doing the same thing in turns, and holding their ratios to a target.

A shared machine is fast in one minute and slow in the next, so only figures of one round are
divided by each other, and another way begins in each round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import attrs
from tests.bench.ratios import Verdict

__all__ = ["Turns", "seconds_of", "take_turns"]


@attrs.frozen
class Turns:
    """What was measured.

    Attributes:
        found: the figures of each way, a figure for each round.
    """

    found: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """The middle figure of a way."""
        return statistics.median(self.found[name])

    def ratios(self, name: str, yardstick: str) -> list[float]:
        """The figure of a way through that of another, for each round."""
        return [a / b for a, b in zip(self.found[name], self.found[yardstick], strict=True)]

    def ratio(self, name: str, yardstick: str) -> float:
        """The middle ratio."""
        return statistics.median(self.ratios(name, yardstick))

    def at_least(self, text: str, name: str, yardstick: str, limit: float) -> Verdict:
        """Is the middle ratio at least the limit?"""
        return Verdict(text, self.ratio(name, yardstick) >= limit, self._spread(name, yardstick))

    def at_most(self, text: str, name: str, yardstick: str, limit: float) -> Verdict:
        """Is the middle ratio at most the limit?"""
        return Verdict(text, self.ratio(name, yardstick) <= limit, self._spread(name, yardstick))

    def _spread(self, name: str, yardstick: str) -> str:
        ratios = self.ratios(name, yardstick)
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def take_turns(ways: Mapping[str, Callable[[], float]], rounds: int) -> Turns:
    """Call every way once in each round; each returns its figure."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(ways[name]())
    return Turns(found)


def seconds_of(step: Callable[[], object]) -> Callable[[], float]:
    """A way whose figure is how long a step takes."""

    def timed() -> float:
        started = time.perf_counter()
        result = step()
        elapsed = time.perf_counter() - started
        del result  # giving its memory back is not part of the step
        return elapsed

    return timed
