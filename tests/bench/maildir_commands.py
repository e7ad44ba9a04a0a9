"""`maildirmake`, `deliverquota` and `makedat` beside Debian's, from spawn to exit.

    python -m tests.bench.maildir_commands [RUNS]

The commands take turns.  Ours come from this environment; an editable one costs each about 2 ms
(`tests/bench/installation.py`).  Ours sync what they make before they return.  A peer that is
absent is left out.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.bench.installation import this_environment
from tests.bench.turns import Turns, seconds_of, take_turns

RUNS = 40
ENTRIES = 10_000  # lines of the table
MESSAGE = b"From: sender@example.com\nSubject: x\n\n" + b"line\n" * 100
BARE = "python -c pass"
DEBIAN = Path("/usr/bin")
NUMBER = "NUMBER"

numbers = itertools.count()


def run(argv: list[str], message: Path) -> None:
    """One run with the message as its input.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with message.open("rb") as file:
        words = [str(next(numbers)).join(word.split(NUMBER)) for word in argv]
        subprocess.run(words, stdin=file, stdout=subprocess.DEVNULL, check=True)


def commands(where: Path) -> dict[str, list[str]]:
    """The words of each command by its name; `NUMBER` is another one in each run."""
    installation = this_environment()
    found = {BARE: [installation.command("python"), "-c", "pass"]}
    for maker, scripts in (("ours", installation.scripts), ("Debian's", DEBIAN)):
        table = where / f"{maker}.dat"
        words = {
            f"maildirmake, {maker}": ["maildirmake", f"{where}/md{NUMBER}"],
            f"deliverquota, {maker}": ["deliverquota", str(make_inbox(where / maker))],
            f"makedat, {ENTRIES} lines, {maker}": [
                "makedat", f"-src={where}/table", f"-file={table}", f"-tmp={table}.tmp",
            ],
        }  # fmt: skip
        for name, (command, *options) in words.items():
            if (scripts / command).exists():
                found[name] = [str(scripts / command), *options]
    return found


def make_inbox(path: Path) -> Path:
    """A maildir with a quota."""
    for part in ("tmp", "new", "cur"):
        (path / part).mkdir(parents=True)
    (path / "maildirsize").write_text("10000000000S\n           0            0\n")
    return path


def measure(where: Path, runs: int) -> Turns:
    """Run all of them in turns."""
    message = where / "message"
    message.write_bytes(MESSAGE)
    lines = (f"user{number}@example.com\tvalue {number}\n" for number in range(ENTRIES))
    (where / "table").write_text("".join(lines))
    ways = {name: seconds_of(partial(run, argv, message)) for name, argv in commands(where).items()}
    for way in ways.values():
        way()  # byte code and files are read once before
    return take_turns(ways, runs)


def main() -> None:
    """Print a line per command: its time, and its ratio to a bare interpreter."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    where = Path(tempfile.mkdtemp(prefix="maildir-bench-"))
    try:
        turns = measure(where, runs)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    for name in turns.found:
        peer = name.replace("ours", "Debian's")
        beside = f"   {turns.ratio(name, peer):5.2f} x Debian's" if peer in turns.found else ""
        print(
            f"{name:32} median {1e3 * turns.median(name):6.1f} ms   "
            f"{turns.ratio(name, BARE):5.2f} x a bare interpreter{beside if peer != name else ''}"
        )
    text = "deliverquota starts and delivers in at most twice a bare interpreter"
    print(turns.at_most(text, "deliverquota, ours", BARE, 2.0))


if __name__ == "__main__":
    main()
