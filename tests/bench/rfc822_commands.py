"""Times `reformime`, `reformail`, `makemime` and `mimegpg` beside Debian's and a bare interpreter.

Run it with `python tests/bench/rfc822_commands.py`.  Commands are started by their console
scripts, in turns, so that a busy machine disturbs all of them alike; the fastest run of each
counts.  Ends with 1 when a budget is missed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rfc822_parse import SMALL, make_big

RUNS = 15
BIG_BYTES = 20_000_000
SCRIPTS = Path(sys.executable).parent
PEERS = Path("/usr/bin")


class Budget(NamedTuple):
    """One line of the table: a command, what it is compared with, and the most it may take."""

    name: str
    ours: list[str]
    theirs: list[str]
    ratio: float


def seconds(command: list[str], message: Path) -> float:
    """Wall time of one run, from start to exit."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, str(message), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    ]
    # Byte code is kept, as it is on a system where the commands are installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, environment, file_actions=actions)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    elapsed = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command[0]} ended with {status}")
    return elapsed


def compare(budget: Budget, message: Path) -> bool:
    """Prints one line; True when the budget is kept."""
    seconds(budget.ours, message)  # byte code and files are read once before
    ours = theirs = float("inf")
    for _ in range(RUNS):
        theirs = min(theirs, seconds(budget.theirs, message))
        ours = min(ours, seconds(budget.ours, message))
    is_kept = ours / theirs <= budget.ratio
    print(
        f"{budget.name:44} ours {ours * 1e3:7.1f} ms  {message.stat().st_size / ours / 1e6:6.0f} MB/s"
        f"   other {theirs * 1e3:7.1f} ms   ratio {ours / theirs:5.2f}   at most {budget.ratio:4.2f}"
        f"   {'kept' if is_kept else 'MISSED'}"
    )
    return is_kept


def ours(name: str, *words: str) -> list[str]:
    """The command line of one of our console scripts."""
    return [str(SCRIPTS / name), *words]


def theirs(name: str, *words: str) -> list[str]:
    """The command line of the Debian program."""
    return [str(PEERS / name), *words]


def main() -> int:
    """Runs all of them."""
    bare = [sys.executable, "-c", "pass"]
    small = [
        Budget("reformime -i, 3 KB, and a bare interpreter", ours("reformime", "-i"), bare, 2.0),
        Budget("reformime, 3 KB, and a bare interpreter", ours("reformime"), bare, 2.0),
        Budget(
            "reformail -A, 3 KB, and a bare interpreter",
            ours("reformail", "-A", "X: y"),
            bare,
            2.0,
        ),
        Budget(
            "makemime -c auto, 3 KB, and a bare interpreter",
            ours("makemime", "-c", "auto", "-"),
            bare,
            2.0,
        ),
        Budget("mimegpg -c, 3 KB, and a bare interpreter", ours("mimegpg", "-c"), bare, 2.0),
    ]
    big = []
    if shutil.which("reformime", path=str(PEERS)):
        big = [
            Budget(
                "reformime -i, 20 MB, and Debian's",
                ours("reformime", "-i"),
                theirs("reformime", "-i"),
                1.3,
            ),
            Budget(
                "reformail -A, 20 MB, and Debian's",
                ours("reformail", "-A", "X: y"),
                theirs("reformail", "-A", "X: y"),
                0.3,
            ),
            Budget(
                "makemime -c base64, 20 MB, and Debian's",
                ours("makemime", "-c", "a/b", "-e", "base64", "-"),
                theirs("makemime", "-c", "a/b", "-e", "base64", "-"),
                3.0,
            ),
            Budget(
                "reformime -s 1.2 -e, 20 MB, and Debian's",
                ours("reformime", "-s", "1.2", "-e"),
                theirs("reformime", "-s", "1.2", "-e"),
                1.3,
            ),
        ]
    with tempfile.TemporaryDirectory() as directory:
        paths = Path(directory) / "small", Path(directory) / "big"
        paths[0].write_bytes(SMALL)
        paths[1].write_bytes(make_big(BIG_BYTES))
        kept = [compare(budget, paths[0]) for budget in small]
        kept += [compare(budget, paths[1]) for budget in big]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
