"""Counts what arrived in a maildir, and when the last message did.

The time of the last delivery is the latest ctime in `new`, so how often we look does not enter.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

__all__ = ["Arrivals", "await_deliveries", "empty", "remove_emptied"]

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
    """Give the benchmark's own maildir new, empty directories; the old ones are moved aside.

    Nothing is deleted before the end: ext4 does not give out an inode that was freed in the last
    seconds and steps over each, for every new file.  With thousands of messages deleted just
    before, that search was most of what a delivery cost, whoever made it.
    """
    aside = _aside(maildir)
    aside.mkdir(exist_ok=True)
    for part in ("new", "cur"):
        directory = maildir / part
        before = directory.stat()
        directory.rename(next(path for path in _numbered(aside) if not path.exists()))
        directory.mkdir()
        directory.chmod(before.st_mode & 0o7777)
        os.chown(directory, before.st_uid, before.st_gid)


def remove_emptied(maildir: Path) -> None:
    """Delete what `empty` moved aside."""
    shutil.rmtree(_aside(maildir), ignore_errors=True)


def _aside(maildir: Path) -> Path:
    return maildir.with_name(f".{maildir.name}.emptied")


def _numbered(directory: Path) -> Iterator[Path]:
    return (directory / str(number) for number in itertools.count())


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
