from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.queue import (
    Envelope,
    Queue,
    QueueDamagedError,
    QueueSettings,
    Recipient,
    Submission,
)
from couriermail.queue.salvage import salvage

ENVELOPE = Envelope(sender="a@b", recipients=(Recipient(address="c@d"),))
SETTINGS = QueueSettings(inline_max=1000)
PAGE = 4096


def fill(path: Path, count: int) -> list[str]:
    with Queue.open(path, settings=SETTINGS) as queue:
        ids = list(queue.new_ids(count))
        queue.submit([Submission(i, ENVELOPE, f"body of {i}".encode()) for i in ids])
        large = queue.new_id()
        queue.submit(Submission(large, ENVELOPE, b"L" * 5000))
    return [*ids, large]


def erase_leaf_with(path: Path, needle: bytes) -> None:
    """Zero the leaf pages that hold `needle`."""
    data = bytearray(path.read_bytes())
    for start in range(2 * PAGE, len(data), PAGE):
        page = data[start : start + PAGE]
        if page[10] & 2 and needle in page:
            data[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(data)


def saved(path: Path) -> set[str]:
    with Queue.open(path, settings=SETTINGS) as queue:
        queue.become_scheduler()
        jobs = queue.lease(10_000, 4e9)
        for job in jobs:
            with job.open_body() as stream:
                assert stream.read() in {b"L" * 5000, f"body of {job.id}".encode()}
        assert queue.quarantined() == []
        assert queue.new_id()[:16] > max(job.id[:16] for job in jobs)
        return {job.id for job in jobs}


def test_a_sound_queue_is_copied_whole(tmp_path: Path) -> None:
    ids = fill(tmp_path / "old", 20)

    assert salvage(tmp_path / "old", tmp_path / "new", settings=SETTINGS) == 21

    assert saved(tmp_path / "new") == set(ids)


def test_messages_around_an_unreadable_page_are_saved(tmp_path: Path) -> None:
    ids = fill(tmp_path / "old", 400)
    erase_leaf_with(tmp_path / "old" / "data.mdb", f"body of {ids[200]}".encode())

    copied = salvage(tmp_path / "old", tmp_path / "new", settings=SETTINGS)

    found = saved(tmp_path / "new")
    assert len(found) == copied > 350
    assert ids[200] not in found
    assert {ids[0], ids[399], ids[400]} <= found


def test_a_file_that_is_no_database_cannot_be_saved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "data.mdb").write_bytes(b"garbage!" * 4096)

    with pytest.raises(QueueDamagedError):
        salvage(tmp_path / "old", tmp_path / "new")
