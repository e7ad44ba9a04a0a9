"""One sync for many files, and when it is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.maildir import syncing
from couriermail.maildir.syncing import REST_SECONDS, SLOW_SECONDS, sync_file_system


class Disk:
    """A syncfs that takes as long as it is told, and the clock that goes with it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.takes = 0.001
        self.calls = 0

    def sync(self, _descriptor: int) -> bool:
        self.calls += 1
        self.now += self.takes
        return True


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(syncing, "_syncfs", disk.sync)
    monkeypatch.setattr(syncing, "_resting_until", 0.0)
    monkeypatch.setattr("couriermail.maildir.syncing.time.monotonic", lambda: disk.now)
    return disk


def test_a_quick_sync_is_used_again(disk: Disk) -> None:
    assert [sync_file_system(0) for _ in range(3)] == [True, True, True]
    assert disk.calls == 3


def test_after_a_slow_one_files_are_synced_singly_for_a_while(disk: Disk) -> None:
    disk.takes = SLOW_SECONDS * 2
    assert sync_file_system(0), "slow, but what it promised holds"
    disk.now += REST_SECONDS / 2
    assert not sync_file_system(0)
    assert disk.calls == 1
    disk.now += REST_SECONDS
    assert sync_file_system(0)
    assert disk.calls == 2


def test_a_sync_that_the_system_refuses_is_no_success(tmp_path: Path) -> None:
    sync = syncing._find_syncfs()
    with (tmp_path / "file").open("wb") as file:
        file.write(b"data")
        file.flush()
        if not sync(file.fileno()):
            pytest.skip("this system has no syncfs that reports errors")
    assert not sync(-1)
