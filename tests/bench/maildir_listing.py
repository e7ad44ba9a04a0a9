"""Listing a large folder and opening one message of it, beside the standard library.

    python -m tests.bench.maildir_listing [MESSAGES] [DIRECTORY]

The yardstick is `os.scandir` over `new` and `cur` that reads the names and nothing else.  The
directories are in memory; from a cold disk the reading of them is most of what anybody needs.
"""

from __future__ import annotations

import mailbox
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.turns import seconds_of, take_turns

from couriermail.maildir import Maildir

MESSAGES = 100_000
ROUNDS = 11
OPENED = 200  # messages opened in a round
SMALL = 1000  # messages of the folder that shows that the number does not matter
SCANDIR = "os.scandir, names"


def make_folder(path: Path, count: int) -> Maildir:
    """A folder as readers leave it: some new mail, most of it seen; the files are empty."""
    box = Maildir.create(path)
    chance = random.Random(1)
    for number in range(count):
        name = (
            f"{1700000000 + number}.M{chance.randrange(10**6)}P{chance.randrange(10**4, 10**5)}"
            f"V000000000000FE00I{chance.randrange(2**32):016X}_{number % 50 + 1}.mail.example.com"
            f",S={chance.randrange(500, 90000)}"
        )
        flags = chance.choice(["S", "S", "S", "", "RS", "FS", "PS", "DFRS"])
        place = f"new/{name}" if number % 20 == 0 else f"cur/{name}:2,{flags}"
        (path / place).touch()
    return box


def names_by_scandir(path: str) -> list[str]:
    """The yardstick."""
    names: list[str] = []
    for part in ("new", "cur"):
        with os.scandir(f"{path}/{part}") as entries:
            names += [entry.name for entry in entries]
    return names


def sizes_by_scandir(path: str) -> list[int]:
    """What a program does that does not know what the names tell."""
    sizes: list[int] = []
    for part in ("new", "cur"):
        with os.scandir(f"{path}/{part}") as entries:
            sizes += [entry.stat().st_size for entry in entries]
    return sizes


def listing_ways(box: Maildir) -> dict[str, Callable[[], object]]:
    """Ours and the others', by what they give."""

    def columns() -> object:
        listing = box.listing()
        return listing.names, listing.sizes, listing.flags  # in the order that costs least

    return {
        SCANDIR: lambda: names_by_scandir(box.path),
        "os.listdir": lambda: [os.listdir(f"{box.path}/{part}") for part in ("new", "cur")],
        "os.scandir, sizes by stat": lambda: sizes_by_scandir(box.path),
        "mailbox.Maildir.keys": lambda: mailbox.Maildir(box.path).keys(),
        "ours: names and flags": lambda: box.listing().flags,
        "ours: names and sizes": lambda: box.listing().sizes,
        "ours: names, flags, sizes": columns,
        "ours: rows of key, flags, size": lambda: list(box.listing()),
        "ours: scan, by key": box.scan,
        "ours: Entry objects": lambda: [(e.key, e.flags, e.size) for e in box],
    }


def open_some(box: Maildir) -> Callable[[], float]:
    """A way whose figure is the microseconds to open one message by its key."""
    keys = random.Random(2).sample(list(box.listing().keys), OPENED)

    def open_all() -> None:
        for key in keys:
            box.open_message(key).close()

    timed = seconds_of(open_all)
    return lambda: timed() / OPENED * 1e6


def main() -> None:
    """Print the ratios to `os.scandir`, and the cost of opening by key."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    where = Path(
        tempfile.mkdtemp(prefix="maildir-bench-", dir=sys.argv[2] if len(sys.argv) > 2 else None)
    )
    try:
        large, small = make_folder(where / "large", count), make_folder(where / "small", SMALL)
        ways = listing_ways(large)
        turns = take_turns({name: seconds_of(step) for name, step in ways.items()}, ROUNDS)
        opening = take_turns({"large": open_some(large), "small": open_some(small)}, ROUNDS)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    for name in ways:
        milliseconds = turns.median(name) * 1e3
        print(f"{name:32} {milliseconds:8.1f} ms   {turns.ratio(name, SCANDIR):5.2f} x scandir")
    for name, number in (("small", SMALL), ("large", count)):
        print(f"open_message, folder of {number:7}  {opening.median(name):8.1f} us")
    whole = "ours: names, flags, sizes"
    text = f"listing {count} messages with flags and sizes within 1.5 x os.scandir"
    print(turns.at_most(text, whole, SCANDIR, 1.5))
    print(opening.at_most("opening by key does not depend on the folder", "large", "small", 3.0))


if __name__ == "__main__":
    main()
