"""The supervisor in a child process of the test: life lines, restarts, stop, restart."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from tests.support.mailsite import wait_for

from couriermail.mta.supervisor import LifeLine, Service, Supervisor


def serve(line: LifeLine) -> None:
    """A service that does nothing until its life line ends."""
    line.say_ready()
    select.select([line.stop], [], [])


def fail(line: LifeLine) -> None:
    """A service that cannot start."""
    raise RuntimeError("broken")


@attrs.define
class Running:
    """A supervisor in a child, and the file in which it notes what runs."""

    pid: int
    notes: Path

    def pids(self) -> dict[str, int]:
        words = self.notes.read_text().split() if self.notes.exists() else []
        return {name: int(pid) for name, _, pid in (word.partition("=") for word in words)}

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        status = wait_for(self._waited, "the supervisor's end", 30.0)
        return os.waitstatus_to_exitcode(status[0])

    def _waited(self) -> list[int]:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.pid = 0
        return [status] if pid else []


Run = Callable[..., Running]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[Running] = []

    def start(**services: Callable[[LifeLine], None]) -> Running:
        notes, ready = tmp_path / "notes", tmp_path / "ready"

        def note(pids: dict[str, int]) -> None:
            temporary = tmp_path / "notes.new"
            temporary.write_text(" ".join(f"{name}={pid}" for name, pid in pids.items()))
            temporary.rename(notes)

        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                wanted = [Service(name, body) for name, body in services.items()]
                code = Supervisor(wanted, on_change=note, on_ready=ready.touch).run()
            finally:
                os._exit(code)
        found = Running(pid, notes)
        started.append(found)
        if fail not in services.values():
            wait_for(ready.exists, "all services ready", 30.0)
        return found

    yield start
    for item in started:
        if item.pid:
            item.send(signal.SIGTERM)
            item.wait()


def test_a_stop_is_ordered_and_succeeds(run: Run) -> None:
    running = run(one=serve, two=serve)
    assert set(running.pids()) == {"one", "two"}
    running.send(signal.SIGTERM)
    assert running.wait() == 0
    assert running.pids() == {}


def test_a_service_that_dies_is_started_again_and_the_others_go_on(run: Run) -> None:
    running = run(one=serve, two=serve)
    before = running.pids()
    os.kill(before["one"], signal.SIGKILL)
    wait_for(lambda: running.pids().get("one", before["one"]) != before["one"], "a new one", 30.0)
    assert running.pids()["two"] == before["two"]


def test_a_hangup_starts_every_service_anew(run: Run) -> None:
    running = run(one=serve, two=serve)
    before = set(running.pids().values())
    running.send(signal.SIGHUP)
    wait_for(lambda: len(set(running.pids().values()) - before) == 2, "two new ones", 30.0)


def test_a_service_that_cannot_start_neither_spins_nor_delays_the_stop(run: Run) -> None:
    running = run(good=serve, bad=fail)
    wait_for(lambda: "good" in running.pids() and "bad" not in running.pids(), "a pause", 30.0)
    running.send(signal.SIGTERM)
    assert running.wait() == 0


def test_services_end_when_their_supervisor_is_killed(run: Run) -> None:
    running = run(one=serve)
    service = os.pidfd_open(running.pids()["one"])
    try:
        running.send(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        assert select.select([service], [], [], 30.0)[0]
    finally:
        os.close(service)
