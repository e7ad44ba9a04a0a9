"""Counts what arrived in a maildir, and when the last message did.

The time of the last delivery is the latest ctime in `new`, so how often we look does not enter.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import attrs

__all__ = ["Arrivals", "await_deliveries", "empty"]

LOOK_SECONDS = 0.1  # looking costs a directory scan of up to 5,000 names


@attrs.frozen
class Arrivals:
    """What arrived.

    Attributes:
        count: files in `new`.
        last: epoch of the last delivery; 0.0 when there was none.
    """

    count: int
    last: float


def empty(maildir: Path) -> None:
    """Remove every message; the benchmark's own maildir, nobody reads it."""
    for part in ("new", "cur"):
        for entry in os.scandir(maildir / part):
            os.unlink(entry.path)


def await_deliveries(maildir: Path, wanted: int, *, stall: float = 60.0) -> Arrivals:
    """Wait until `new` holds as many messages as wanted.

    Args:
        maildir: the directory.
        wanted: how many messages.
        stall: give up when nothing arrived for so many seconds.
    """
    new = maildir / "new"
    count, changed = -1, time.monotonic()
    while True:
        found = sum(1 for _ in os.scandir(new))
        if found != count:
            count, changed = found, time.monotonic()
        if count >= wanted or time.monotonic() - changed > stall:
            break
        time.sleep(LOOK_SECONDS)
    return Arrivals(count, _latest(os.scandir(new)))


def _latest(entries: Iterable[os.DirEntry[str]]) -> float:
    return max((entry.stat().st_ctime for entry in entries), default=0.0)
