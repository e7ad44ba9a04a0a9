"""Local delivery through a real agent, against the plainest durable way to store a message.

    python tests/bench/local_delivery.py [DIRECTORY]

Batches of 50 jobs of 3 KB for one maildir go through a courierlocal process and one agent.
The yardstick, in the same run and directory: create, write, fsync, rename and sync the
directory, for one message after the other.  Runs are interleaved; medians are printed.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from couriermail.maildir import Maildir
from couriermail.mta.local import AgentClient, AgentSettings, LocalJob, serve_agents

BATCH = 50
ROUNDS = 9
BODY = b"Subject: benchmark\nFrom: a@example.org\n\n" + b"0123456789012345678901234567890\n" * 94
UID = os.geteuid() or 54321
CASES = {
    "default delivery": None,
    "./Maildir/ and a forward": ("courier", "./Maildir/\na@b\n"),
    "| maildrop, choosing a folder": ("mailfilter", 'if (/^Subject: bench/)\n to "./Maildir"\n'),
    "| maildrop, in a child": ("mailfilter", 'logfile "log"\nto "./Maildir"\n'),
    "| true, then ./Maildir/": ("courier", "| true\n./Maildir/\n"),
}


def main() -> int:
    """Run all cases and print a line for each."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        base = Path(name)
        base.chmod(0o755)
        stop, path = start_courierlocal(base)
        with AgentClient.connect(path, uid=UID, gid=UID, timeout=60.0) as client:
            for title, files in CASES.items():
                report(title, *measure(base, client, files))
        os.write(stop, b"x")
    return 0


def measure(base: Path, client: AgentClient, files: tuple[str, str] | None) -> tuple[float, float]:
    """Deliveries per second: ours, and the yardstick's."""
    home = make_home(base, files)
    jobs = [make_job(home, key) for key in range(BATCH)]

    def deliver() -> None:
        results = client.deliver(jobs)
        if {result.kind for result in results} != {"success"}:
            raise SystemExit(f"not delivered: {results[0].lines}")

    ours, raw = [], []
    for _ in range(ROUNDS):
        ours.append(BATCH / seconds(deliver))
        raw.append(BATCH / seconds(lambda: store_singly(home / "raw")))
    return statistics.median(ours), statistics.median(raw)


def store_singly(maildir: Path) -> None:
    """The yardstick: every message with a sync of its own for file and directory."""
    directory = os.open(maildir / "new", os.O_RDONLY | os.O_DIRECTORY)
    for number in range(BATCH):
        unique = f"{time.time_ns()}.{number}"
        tmp = f"{maildir}/tmp/{unique}"
        descriptor = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, BODY)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(tmp, f"{maildir}/new/{unique}")
        os.fsync(directory)
    os.close(directory)


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(title: str, ours: float, raw: float) -> None:
    """One line."""
    sys.stdout.write(f"{title:32} {ours:8.0f}/s   singly {raw:6.0f}/s   ratio {ours / raw:5.2f}\n")


def make_home(base: Path, files: tuple[str, str] | None) -> Path:
    """A home of its own for every case."""
    home = Path(tempfile.mkdtemp(dir=base))
    Maildir.create(home / "Maildir")
    Maildir.create(home / "raw")
    if files is not None:
        kind, text = files
        (home / f".{kind}").write_text(text)
        (home / f".{kind}").chmod(0o600)
        if kind == "mailfilter":
            (home / ".courier").write_text("| maildrop\n")
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, UID, UID)
    return home


def make_job(home: Path, key: int) -> LocalJob:
    """One recipient's job."""
    return LocalJob(
        key=key,
        recipient="user@example.com",
        sender="sender@example.org",
        user="user",
        home=str(home),
        size=len(BODY),
        body=BODY,
    )


def start_courierlocal(base: Path) -> tuple[int, str]:
    """A courierlocal process: where to write to stop it, and its socket."""
    path = str(base / "local.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    stop_read, stop_write = os.pipe()
    if os.fork() == 0:
        os.close(stop_write)  # so that it ends with us, however we end
        serve_agents(listener, AgentSettings(), stop=stop_read)
        os._exit(0)
    listener.close()
    os.close(stop_read)
    return stop_write, path


if __name__ == "__main__":
    raise SystemExit(main())
