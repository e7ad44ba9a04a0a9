"""Does the memory of our processes stay flat while many messages pass?

Private memory (`RssAnon`) is judged: it is what a leak would grow.  The whole resident set is
shown beside it; it also counts the pages of the queue's file that happen to be mapped, which the
kernel takes back when it likes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
from tests.bench.deliveries import await_deliveries, empty
from tests.bench.peers.mailsystem import RECIPIENTS, Endpoint
from tests.bench.ratios import Verdict
from tests.bench.smtpload import SmtpLoad, ordinary_message, run_load

__all__ = ["Growth", "measure_memory", "memory_lines", "memory_verdict"]

SAMPLE_SECONDS = 0.5
PORTION = 1000  # messages between two points of the slope
WARM_UP = 0.25  # share of the messages before growth counts
ALLOWED_SHARE, ALLOWED_KIB = 0.05, 1024  # growth that is noise: the larger of the two


@attrs.frozen(kw_only=True)
class Growth:
    """One process.

    Attributes:
        process: name and pid.
        first_kib: private memory after the warm-up.
        last_kib: at the end.
        peak_kib: the most that was seen.
        resident_kib: the whole resident set at the end.
        slope: KiB per 1,000 messages after the warm-up, least squares.
    """

    process: str
    first_kib: int
    last_kib: int
    peak_kib: int
    resident_kib: int
    slope: float

    @property
    def is_flat(self) -> bool:
        """True when it grew no more than noise does."""
        return self.last_kib - self.first_kib <= max(ALLOWED_KIB, ALLOWED_SHARE * self.first_kib)


@attrs.define
class _Watch:
    """Samples every process of the system in a thread of its own."""

    supervisor: int
    passed: int = 0
    points: dict[int, list[tuple[int, int]]] = attrs.field(factory=dict)
    peaks: dict[int, int] = attrs.field(factory=dict)
    _ended: threading.Event = attrs.field(factory=threading.Event, init=False)

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            for pid in _family(self.supervisor):
                anon = _status_kib(pid, "RssAnon")
                self.peaks[pid] = max(self.peaks.get(pid, 0), anon)

    def mark(self) -> None:
        """One point for every process, between two portions."""
        for pid in _family(self.supervisor):
            self.points.setdefault(pid, []).append((self.passed, _status_kib(pid, "RssAnon")))

    def end(self) -> None:
        self._ended.set()


def measure_memory(
    endpoint: Endpoint, supervisor: int, services: Mapping[str, int], *, messages: int
) -> list[Growth]:
    """Send messages in portions and watch supervisor and descendants.

    Args:
        endpoint: our running system.
        supervisor: pid of its first process.
        services: pids by name, for the report.
        messages: how many pass, one recipient each.
    """
    names = {supervisor: "supervisor", **{pid: name for name, pid in services.items()}}
    watch = _Watch(supervisor)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    load = SmtpLoad(
        port=endpoint.smtp_port,
        sessions=10,
        messages=PORTION,
        recipients=RECIPIENTS[:1],
        body=ordinary_message(3072),
    )
    for _ in range(-(-messages // PORTION)):
        empty(endpoint.maildir)
        watch.passed += run_load(load).accepted
        await_deliveries(endpoint.maildir, PORTION)
        time.sleep(0.2)
        watch.mark()
    watch.end()
    thread.join()
    found = []
    for pid in watch.points:
        name = f"{names.get(pid, 'delivery agent')} {pid}"
        if (growth := _growth(watch, pid, name, messages)) is not None:
            found.append(growth)
    return found


def memory_lines(found: Sequence[Growth], messages: int) -> list[str]:
    """A line per process."""
    lines = [f"Private memory while {messages:,} messages pass (MiB after warm-up, end, peak):"]
    lines += [
        f"  {item.process:24} {item.first_kib / 1024:6.1f} {item.last_kib / 1024:6.1f} "
        f"{item.peak_kib / 1024:6.1f}  {item.slope:+7.1f} KiB per 1,000 messages, "
        f"resident {item.resident_kib / 1024:.0f}: {'flat' if item.is_flat else 'GROWS'}"
        for item in found
    ]
    return lines


def memory_verdict(found: Sequence[Growth], messages: int) -> Verdict:
    """Is every process flat that lived through the run?"""
    growing = [item.process for item in found if not item.is_flat]
    text = f"memory of each process stays flat over {messages:,} messages"
    return Verdict(text, not growing, ", ".join(growing) or f"{len(found)} processes")


def _growth(watch: _Watch, pid: int, name: str, messages: int) -> Growth | None:
    """None for a process that did not live through the run after the warm-up."""
    points = [point for point in watch.points[pid] if point[0] >= messages * WARM_UP]
    if len(points) < 3 or points[-1][0] < watch.passed:
        return None
    return Growth(
        process=name,
        first_kib=points[0][1],
        last_kib=points[-1][1],
        peak_kib=max(watch.peaks.get(pid, 0), *(kib for _, kib in points)),
        resident_kib=_status_kib(pid, "VmRSS"),
        slope=_slope(points) * 1000,
    )


def _slope(points: Sequence[tuple[int, int]]) -> float:
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:  # grows while it is walked
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue  # it has ended
        found += [int(word) for word in children.split()]
    return found


def _status_kib(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)
