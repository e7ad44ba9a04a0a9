"""What keeps filters running: pinned case 190 of spec filter 6.7, restarts and orderly ends."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.filters import make_places
from tests.support.mailsite import is_alive, wait_for

from couriermail.filter.courierfilter import FilterPlaces, FilterSupervisor
from couriermail.filter.courierfilter import filterprocess as processes
from couriermail.filter.courierfilter import supervisor as supervising

# A filter without Python's start: says what it got, then does as the test wants.
SCRIPT = """\
#!/bin/sh
echo "$0 $sysconfdir $ANSWER"
ls /proc/self/fd | tr '\\n' ' ' >&2
{body}
"""
READY = "exec 3>&-; cat >/dev/null"


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "couriermail.filter.courierfilter")
    return caplog


class Site:
    """One mail system's filters, and their supervisor in a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: FilterPlaces = make_places(root)
        self.pids: dict[str, int] = {}
        self.ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._supervisor: FilterSupervisor | None = None

    def add(self, name: str, body: str = READY) -> None:
        """Switch on a filter that is a shell script."""
        program = self.root / f"{name}.sh"
        program.write_text(SCRIPT.format(body=body))
        program.chmod(0o755)
        (self.root / "etc/filters/active" / name).symlink_to(program)

    def remove(self, name: str) -> None:
        (self.root / "etc/filters/active" / name).unlink()

    def start(self) -> None:
        self._supervisor = FilterSupervisor(
            self.places,
            {"PATH": "/usr/bin:/bin", "ANSWER": "42"},
            on_ready=self.ready.set,
            on_change=self._note,
        )
        self._thread = threading.Thread(target=self._supervisor.run)
        self._thread.start()

    def _note(self, pids: dict[str, int]) -> None:
        self.pids = pids

    def reload(self) -> None:
        assert self._supervisor is not None
        self._supervisor.request_reload()

    def stop(self) -> None:
        if self._supervisor is not None and self._thread is not None:
            self._supervisor.request_stop()
            self._thread.join()
            self._supervisor = None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop()


def test_190_the_start_waits_until_descriptor_3_is_closed(site: Site, tmp_path: Path) -> None:
    site.add("slow", f"while ! test -e {tmp_path}/go; do sleep 0.01; done; {READY}")
    site.add("quick")
    site.start()
    wait_for(lambda: len(site.pids) == 2, "both filters")
    assert not site.ready.wait(0.1)
    (tmp_path / "go").touch()
    assert site.ready.wait(10)


def test_a_filter_gets_four_descriptors_and_the_environment(
    site: Site, logged: pytest.LogCaptureFixture
) -> None:
    site.add("mine")
    site.start()
    assert site.ready.wait(10)
    site.stop()
    place = f"{site.places.active}/mine {site.places.config} 42"
    assert f"mine: {place}" in logged.text
    found = re.search(r"mine: ([\d ]+)\n", logged.text)
    assert found is not None
    # The shell reads its script as 10, `ls` its directory as 4; pytest may hand some down.
    own = {number for number in range(3, 1024) if _is_handed_down(number)}
    assert set(map(int, found[1].split())) - own - {4, 10} == {0, 1, 2, 3}


def _is_handed_down(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def test_190_sockets_of_filters_that_are_off_are_removed(site: Site, tmp_path: Path) -> None:
    for name in ("filters/old", "allfilters/older"):
        (tmp_path / "state" / name).touch()
    site.add("mine")
    (tmp_path / "state/filters/mine").touch()
    site.start()
    assert site.ready.wait(10)
    assert os.listdir(site.places.sockets) == ["mine"]
    assert os.listdir(site.places.all_sockets) == []
    site.stop()
    assert os.listdir(site.places.sockets) == []


def test_a_reload_starts_what_was_switched_on_and_stops_what_was_switched_off(site: Site) -> None:
    site.add("one")
    site.start()
    assert site.ready.wait(10)
    first = site.pids["one"]
    site.add("two")
    site.remove("one")
    site.reload()
    wait_for(lambda: list(site.pids) == ["two"], "the other filter")
    assert not is_alive(first)


def test_a_filter_that_died_is_started_again_after_a_pause(
    site: Site, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervising, "SHORTEST_PAUSE", 0.05)
    site.add("mine", f"echo started >>{tmp_path}/starts; exit 7")
    site.start()
    assert site.ready.wait(10)  # it ended: nobody is to wait for it
    starts = tmp_path / "starts"
    wait_for(lambda: starts.read_text().count("started") >= 3, "three starts")
    assert "mine: exit status 7, starting it again in 0 s" in logged.text


def test_the_socket_stays_while_its_filter_is_dead(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervising, "SHORTEST_PAUSE", 30.0)
    site.add("mine", "exit 1")
    path = tmp_path / "state/filters/mine"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    site.start()
    wait_for(lambda: not site.pids and site.ready.is_set(), "its death")
    assert path.exists()  # mail is refused for now, and not let through


def test_a_program_that_cannot_be_started_does_not_stop_the_others(
    site: Site, logged: pytest.LogCaptureFixture
) -> None:
    (Path(site.places.active) / "broken").symlink_to("/nowhere/program")
    site.add("mine")
    site.start()
    assert site.ready.wait(10)
    assert list(site.pids) == ["mine"]
    assert "cannot start filter" in logged.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(f"{READY}; exit 3", "exit status 3", id="listens-to-its-life-line"),
        pytest.param("exec 3>&-; while :; do sleep 0.05; done", "exit status -15", id="needs-term"),
        pytest.param(
            "trap '' TERM; exec 3>&-; while :; do sleep 0.05; done",
            "exit status -9",
            id="needs-kill",
        ),
        pytest.param(
            "exec 3>&-; cat >/dev/null; head -c 300000 /dev/zero",
            "exit status 0",
            id="writes-a-lot",
        ),
    ],
)
def test_a_filter_is_ended_with_as_little_force_as_it_takes(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    logged: pytest.LogCaptureFixture,
    body: str,
    status: str,
) -> None:
    generous = "exit status -" not in status
    monkeypatch.setattr(processes, "FINISH_SECONDS", 20.0 if generous else 0.1)
    monkeypatch.setattr(processes, "TERM_SECONDS", 0.1 if status.endswith("-9") else 20.0)
    site.add("mine", body)
    site.start()
    assert site.ready.wait(10)
    site.stop()
    assert f"mine: {status}" in logged.text


def test_a_filter_that_is_slow_to_begin_is_told_about(
    site: Site, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervising, "SLOW_START_SECONDS", 0.05)
    site.add("mine", "cat >/dev/null")
    site.start()
    wait_for(lambda: "has to close descriptor 3" in logged.text, "the warning")
    assert not site.ready.is_set()


def test_a_filter_that_closes_its_output_costs_no_time(site: Site, tmp_path: Path) -> None:
    site.add("mine", f"exec >&- 2>&-; touch {tmp_path}/closed; {READY}")
    site.start()
    assert site.ready.wait(10)
    wait_for((tmp_path / "closed").exists, "its closing")
    before = time.process_time()
    assert not threading.Event().wait(0.2)
    assert time.process_time() - before < 0.1


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_open(site: Site) -> None:
    before = descriptors()
    site.add("one")
    site.add("two", "exit 0")
    site.start()
    assert site.ready.wait(10)
    site.stop()
    assert descriptors() == before
