"""The LMTP delivery agent beside Debian's maildrop as a process for each message.

    python -m tests.bench.lmtp [--messages 1000] [--rounds 5] [--connections 8]

Both run the recipe of `filter_run` on a 3 KB message and store it, synced, in a maildir.
maildrop is started for one message after the other, which is what an MTA does that calls it, and
then by as many workers at the same time as we have connections.  All take turns round after round;
the ratios are those of single rounds.  CPU is that of our daemon with all its processes,
and that of the maildrop processes with what it costs to start them.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs
from tests.bench.deliveries import empty
from tests.bench.filter_run import KEEPING_RECIPE, message
from tests.bench.lmtpload import run_load

from couriermail.maildir import Maildir

OWNER = os.geteuid() or 54321
MIN_RATIO = 4.0
_TICKS = os.sysconf("SC_CLK_TCK")


@attrs.frozen
class Figure:
    """One measurement: messages per second, and milliseconds of CPU for each."""

    rate: float
    cpu: float


def main() -> int:
    """Measure and print; 1 when the agent is not `MIN_RATIO` times as fast."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--directory", help="where to store; the system's temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="couriermail-bench-", dir=chosen.directory) as name:
        base = Path(name)
        base.chmod(0o755)
        home = make_home(base / "home", ".mailfilter", OWNER)
        theirs = make_home(base / "theirs", "recipe", os.geteuid())
        with running_daemon(base) as (pid, port):
            cases = {
                "lmtp": lambda: through_lmtp(pid, port, home, chosen.messages, chosen.connections),
                "maildrop": lambda: through_maildrop(theirs, chosen.messages // 4, 1),
                "parallel": lambda: through_maildrop(
                    theirs, chosen.messages // 4, chosen.connections
                ),
            }
            figures = take_turns(cases, chosen.rounds)
    return report(figures, chosen.connections)


def take_turns(cases: dict[str, Callable[[], Figure]], rounds: int) -> dict[str, list[Figure]]:
    """Every case once in each round."""
    if shutil.which("maildrop") is None:
        cases = {"lmtp": cases["lmtp"]}
    figures: dict[str, list[Figure]] = {name: [] for name in cases}
    cases["lmtp"]()  # the agent is forked and the recipe compiled
    for _ in range(rounds):
        for name, measure in cases.items():
            figures[name].append(measure())
    return figures


def report(figures: dict[str, list[Figure]], connections: int) -> int:
    """Print the table."""
    titles = {
        "lmtp": f"LMTP agent, {connections} connections",
        "maildrop": "Debian's maildrop, one by one",
        "parallel": f"Debian's maildrop, {connections} at a time",
    }
    for name, found in figures.items():
        rate = statistics.median(figure.rate for figure in found)
        cpu = statistics.median(figure.cpu for figure in found)
        print(f"{titles[name]:34} {rate:7.0f} /s  {cpu:6.2f} ms of CPU each")
    if "maildrop" not in figures:
        print("maildrop is not installed: no comparison")
        return 0
    ratios = {
        name: statistics.median(
            ours.rate / theirs.rate
            for ours, theirs in zip(figures["lmtp"], figures[name], strict=True)
        )
        for name in ("maildrop", "parallel")
    }
    print(f"ratio to one by one                {ratios['maildrop']:7.2f}")
    print(f"ratio to {connections} at a time              {ratios['parallel']:7.2f}")
    verdict = "holds" if ratios["maildrop"] >= MIN_RATIO else "MISSED"
    print(f"{verdict}: at least {MIN_RATIO:g} x Debian's maildrop started per message")
    return 0 if ratios["maildrop"] >= MIN_RATIO else 1


def through_lmtp(pid: int, port: int, home: Path, messages: int, connections: int) -> Figure:
    """Our daemon; every message must have arrived."""
    empty(home / "Maildir")
    before = cpu_of_group(pid)
    seconds = run_load(port, connections, messages, message(0).replace(b"\n", b"\r\n"))
    used = cpu_of_group(pid) - before
    stored = sum(1 for _ in os.scandir(home / "Maildir/new"))
    if stored != messages:
        raise SystemExit(f"{messages} acknowledged, {stored} stored")
    return Figure(messages / seconds, 1e3 * used / messages)


def through_maildrop(home: Path, messages: int, workers: int) -> Figure:
    """Debian's maildrop, the same recipe and mailbox."""
    empty(home / "Maildir")
    body = message(0)
    environment = {**os.environ, "HOME": str(home)}

    def deliver(_number: int) -> None:
        subprocess.run(
            ["maildrop", "-f", "load@bench.test", "recipe"],
            input=body,
            check=True,
            cwd=home,
            env=environment,
        )

    before, started = cpu_of_children(), time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(deliver, range(messages)))
    seconds = time.perf_counter() - started
    used = cpu_of_children() - before
    stored = sum(1 for _ in os.scandir(home / "Maildir/new"))
    if stored != messages:
        raise SystemExit(f"maildrop stored {stored} of {messages}")
    return Figure(messages / seconds, 1e3 * used / messages)


@contextmanager
def running_daemon(base: Path) -> Iterator[tuple[int, int]]:
    """The daemon of a configuration in `base`: its pid, which is its group's too, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    config = base / "etc"
    config.mkdir()
    userdb = config / "userdb"
    userdb.write_text(f"user\tuid={OWNER}|gid={OWNER}|home={base}/home\n")
    userdb.chmod(0o600)
    program = "from couriermail.cli.lmtpd import main; main()"
    options = ["-C", str(config), "--listen", str(port), "--log", str(base / "log")]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *options],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        if not line.startswith(b"LMTP on"):
            raise SystemExit(f"the daemon did not start: {line.decode()}")
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def make_home(home: Path, recipe: str, owner: int) -> Path:
    """A home with a maildir and the recipe under the given name."""
    home.mkdir()
    Maildir.create(home / "Maildir")
    (home / recipe).write_text(f'DEFAULT="{home}/Maildir"\n{KEEPING_RECIPE}')
    (home / recipe).chmod(0o600)
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, owner, owner)
    return home


def cpu_of_group(pid: int) -> float:
    """Seconds of CPU that a process group has used, with its ended children."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == pid:  # proc(5): field 5, the process group
            ticks += sum(map(int, fields[11:15]))  # user and system time, own and of children
    return ticks / _TICKS


def cpu_of_children() -> float:
    """Seconds of CPU of our ended children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
