"""The report: one table, the targets, and JSON lines for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from typing import TextIO

import attrs
from tests.bench.ratios import OURS, Verdict, median_rate, ratios
from tests.bench.rounds import CASES, Sample

__all__ = ["JsonLines", "incomplete_lines", "table", "verdict_lines"]

TITLE_WIDTH = 42
COLUMN = 26


@attrs.frozen
class JsonLines:
    """Writes records as they come, so that a run that is cut short keeps them.

    Attributes:
        file: where to; None writes nothing.
    """

    file: TextIO | None

    def write(self, kind: str, record: dict[str, object]) -> None:
        """One line."""
        if self.file is not None:
            self.file.write(json.dumps({"kind": kind, **record}) + "\n")
            self.file.flush()


def table(samples: Sequence[Sample], systems: Sequence[str]) -> list[str]:
    """Median rates of each system and our ratio to it, a row for each case."""
    peers = [name for name in systems if name != OURS]
    heads = [f"{'ours':>10}", *(f"{name:>{COLUMN - 11}} {'(ratio)':>10}" for name in peers)]
    lines = [" " * TITLE_WIDTH + "".join(heads)]
    for case in CASES:
        own = _rate(median_rate(samples, case.key, OURS))
        if own == "-" and not any(sample.case == case.key for sample in samples):
            continue
        cells = [_cell(samples, case.key, peer) for peer in peers]
        lines.append((f"{case.title:{TITLE_WIDTH}}{own:>10}" + "".join(cells)).rstrip())
    lines.append(
        "Medians of the rounds; in brackets ours through theirs, the median of each round's ratio."
    )
    return lines


def incomplete_lines(samples: Iterable[Sample]) -> list[str]:
    """Runs in which messages are missing."""
    return [
        f"INCOMPLETE, not compared: {sample.system}, {sample.case}, round {sample.number}: "
        f"{ {key: round(value, 2) for key, value in sample.details.items()} }"
        for sample in samples
        if not sample.is_complete
    ]


def verdict_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """One line per target."""
    return ["Targets:", *(f"  {verdict}" for verdict in verdicts)]


def _cell(samples: Sequence[Sample], case: str, peer: str) -> str:
    found = ratios(samples, case, peer)
    ratio = f"({statistics.median(found):.2f} x)" if found else ""
    return f"{_rate(median_rate(samples, case, peer)):>{COLUMN - 11}} {ratio:>10}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
