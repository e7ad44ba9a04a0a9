"""Times `makeuserdb` and `userdb` beside Debian's, and beside a bare interpreter.

Run it with `python tests/bench/userdb.py`.  The commands take turns, so that a busy machine
disturbs all of them alike; medians are compared.  Ours syncs the files and the directory
before it returns, Debian's does not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ACCOUNTS = 10_000
RUNS = 15
DEBIAN = Path("/usr/sbin")
LAUNCHER = "import sys\nfrom couriermail.cli.{0} import main\nsys.exit(main())\n"


def write_accounts(path: Path, count: int) -> None:
    """A userdb of that many accounts, as administrators have them."""
    records = (
        f"user{number}@example.com\tuid={number + 1000}|gid=100|home=/home/user{number}|"
        f"mail=./Maildir|quota=10000000S,1000C|systempw=$6$saltsalt${'x' * 86}|imappw=y\n"
        for number in range(count)
    )
    path.write_text("".join(records))
    path.chmod(0o600)


def milliseconds(command: Sequence[str]) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1e3 * (time.perf_counter() - started)


def medians(commands: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The median of each command's runs, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        milliseconds(command)  # byte code and files are read once before
    for _ in range(RUNS):
        for name, command in commands.items():
            times[name].append(milliseconds(command))
    return {name: statistics.median(found) for name, found in times.items()}


def show(title: str, commands: Mapping[str, Sequence[str]]) -> None:
    """Print a line per command, with its ratio to the first."""
    print(title)
    found = medians(commands)
    first = next(iter(found.values()))
    for name, median in found.items():
        print(f"  {name:28} median {median:7.1f} ms, ratio {median / first:5.2f}")


def main() -> None:
    """Run all of them."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        launchers = {}
        for name in ("userdb", "makeuserdb"):
            launchers[name] = folder / f"{name}.py"
            launchers[name].write_text(LAUNCHER.format(name))
        measure(folder, {name: [sys.executable, str(path)] for name, path in launchers.items()})


def measure(folder: Path, ours: Mapping[str, list[str]]) -> None:
    """Print the three tables.

    Args:
        folder: a scratch directory.
        ours: how our commands are started.
    """
    has_peer = (DEBIAN / "makeuserdb").exists()
    if not has_peer:
        print("Debian's makeuserdb is absent: ours alone")
    for count in (ACCOUNTS, 1):
        commands: dict[str, list[str]] = {}
        for name, start in (("Debian", [str(DEBIAN / "makeuserdb")]), ("ours", ours["makeuserdb"])):
            if name == "ours" or has_peer:
                path = folder / f"{name}{count}"
                write_accounts(path, count)
                commands[name] = [*start, "-f", str(path)]
        show(f"makeuserdb, {count} accounts:", commands)
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    for name, start in (("Debian", [str(DEBIAN / "userdb")]), ("ours", ours["userdb"])):
        if name == "ours" or has_peer:
            commands[f"{name}: userdb -show"] = [*start, "-show", "-f", str(folder / "ours1")]
    show("userdb, one account:", commands)


if __name__ == "__main__":
    main()
