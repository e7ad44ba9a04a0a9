"""How fast and how busy the machine is right now; printed beside every round.

Absolute figures of a shared machine move by a factor of two, so a rate means little without it.
"""

from __future__ import annotations

import os
import time

import attrs

__all__ = ["Calibration", "busy_seconds", "calibrate"]

LOOP = 100_000


@attrs.frozen(kw_only=True)
class Calibration:
    """The machine at one moment.

    Attributes:
        busy: share of all cores that others used while we slept, 0 to 1.
        loop_mops: additions of a pure Python loop, million a second, one core.
        spawns: `/bin/true` processes a second, one after the other.
    """

    busy: float
    loop_mops: float
    spawns: float

    def __str__(self) -> str:
        return (
            f"machine: {os.cpu_count()} cores, others busy {self.busy:.0%}, "
            f"loop {self.loop_mops:.0f} M/s, spawn {self.spawns:.0f}/s"
        )


def calibrate(seconds: float = 0.5) -> Calibration:
    """Measure for three times so many seconds."""
    before, started = busy_seconds(), time.perf_counter()
    time.sleep(seconds)
    used = busy_seconds() - before
    busy = used / (time.perf_counter() - started) / (os.cpu_count() or 1)
    return Calibration(busy=busy, loop_mops=_loop_mops(seconds), spawns=_spawns(seconds))


def busy_seconds() -> float:
    """CPU seconds that all processes of the machine have used since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:8]]
    idle, iowait = ticks[3], ticks[4]
    return (sum(ticks) - idle - iowait) / os.sysconf("SC_CLK_TCK")


def _loop_mops(seconds: float) -> float:
    rounds, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        total = 0
        for number in range(LOOP):
            total += number
        rounds += 1
    return rounds * LOOP / (time.perf_counter() - started) / 1e6


def _spawns(seconds: float) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        count += 1
    return count / (time.perf_counter() - started)
