"""Delivery rates beside what the file system gives, in one process run.

    python -m tests.bench.maildir_delivery [SECONDS_PER_ROW] [DIRECTORY]

Every row is measured in turns, so that a busy disk or machine slows all of them.  Rows: the
raw cost of one durable file (create, write, fsync, rename, directory fsync), the standard
library's `mailbox.Maildir.add`, which syncs the file but not the directory, ours one by one and
ours in batches of 50.

Nothing is deleted before the end: ext4 steps over every inode that was freed in the last
minutes, and that search would be most of what a delivery costs.
"""

from __future__ import annotations

import mailbox
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.turns import take_turns

from couriermail.maildir import Maildir

PREFIX = b"Delivered-To: user@example.com\nReturn-Path: <sender@example.com>\n"
BODY = b"Subject: x\n\n" + b"0123456789012345678901234567890123456789012345678901234567890\n" * 64
BATCH = 50
ROUNDS = 9
RAW = "raw fsync, rename, fsync"
LIBRARY = "mailbox.Maildir.add"
SINGLE = "couriermail, one by one"
BATCHES = f"couriermail, batches of {BATCH}"


def raw_delivery(root: str) -> Callable[[], int]:
    """The least that a durable delivery of one file can do."""
    Maildir.create(root)
    numbers = iter(range(1 << 60))

    def deliver() -> int:
        name = str(next(numbers))
        descriptor = os.open(f"{root}/tmp/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, PREFIX + BODY)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(f"{root}/tmp/{name}", f"{root}/new/{name}")
        directory = os.open(f"{root}/new", os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        return 1

    return deliver


def standard_library(root: str) -> Callable[[], int]:
    """`mailbox.Maildir.add`, which syncs the file but not the directory."""
    box = mailbox.Maildir(root)

    def deliver() -> int:
        box.add(PREFIX + BODY)
        return 1

    return deliver


def ours_single(root: str) -> Callable[[], int]:
    """One durable delivery after the other."""
    box = Maildir.create(root)

    def deliver() -> int:
        box.deliver([PREFIX, BODY])
        return 1

    return deliver


def ours_batch(root: str) -> Callable[[], int]:
    """Batches that share their syncs."""
    box = Maildir.create(root)

    def deliver() -> int:
        return len([result.unwrap() for result in box.deliver_batch([[PREFIX, BODY]] * BATCH)])

    return deliver


def rate(deliver: Callable[[], int], seconds: float) -> float:
    """Messages a second."""
    start, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        count += deliver()
    return count / elapsed


WAYS: dict[str, Callable[[str], Callable[[], int]]] = {
    RAW: raw_delivery,
    LIBRARY: standard_library,
    SINGLE: ours_single,
    BATCHES: ours_batch,
}


def main() -> None:
    """Print one line per way of delivering, with its ratio to the raw cost."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    where = tempfile.mkdtemp(
        prefix="maildir-bench-", dir=sys.argv[2] if len(sys.argv) > 2 else None
    )

    def timed(name: str) -> Callable[[], float]:
        deliver = WAYS[name](str(Path(where) / str(len(name))))
        return lambda: rate(deliver, seconds / ROUNDS)

    try:
        turns = take_turns({name: timed(name) for name in WAYS}, ROUNDS)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    for name in WAYS:
        print(
            f"{name:30} {turns.median(name):8.0f} messages/s   {turns.ratio(name, RAW):5.2f} x raw"
            f"   {turns.ratio(name, LIBRARY):5.2f} x {LIBRARY}"
        )
    print(turns.at_least("one durable delivery at 80 % of the raw rate", SINGLE, RAW, 0.8))
    print(turns.at_least(f"batches of {BATCH} at 3 x the raw rate", BATCHES, RAW, 3.0))


if __name__ == "__main__":
    main()
