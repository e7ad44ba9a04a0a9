from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, ManualClock, clear_faults, install_faults
from couriermail.queue import (
    CorruptMessageError,
    Envelope,
    Outcome,
    Queue,
    QueueError,
    QueueStorageError,
    Recipient,
    Submission,
)
from couriermail.queue.job import Job

Submit = Callable[..., str]
ENVELOPE = Envelope(sender="a@b", recipients=(Recipient(address="c@d"),))
OK = Outcome(index=0, kind="success")


def content(job: Job) -> bytes:
    with job.open_body() as stream:
        return stream.read()


def body_files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "queue" / "bodies").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("size", "files"),
    [
        pytest.param(0, 0, id="empty"),
        pytest.param(1000, 0, id="at-the-limit"),
        pytest.param(1001, 1, id="beyond"),
        pytest.param(300_000, 1, id="large"),
    ],
)
@pytest.mark.parametrize("as_writer", [True, False], ids=["writer", "bytes"])
@pytest.mark.parametrize("soon", [True, False], ids=["soon", "now"])
def test_a_body_is_stored_whole_where_its_size_says(
    queue: Queue,
    clock: ManualClock,
    tmp_path: Path,
    size: int,
    files: int,
    *,
    as_writer: bool,
    soon: bool,
) -> None:
    original = os.urandom(size)
    writer = queue.new_body()
    for start in range(0, size, 700):
        writer.write(original[start : start + 700])
    if not as_writer:
        writer.discard()
    submission = Submission(queue.new_id(), ENVELOPE, writer if as_writer else original)
    if soon:
        queue.submit_soon(submission).result()
    else:
        queue.submit(submission)

    (job,) = queue.lease(1, clock.now())

    assert content(job) == original
    assert job.body_bytes() == (None if files else original)
    assert len(body_files(tmp_path)) == files
    queue.finish(job, [OK], remove=True).result()
    assert body_files(tmp_path) == []


@pytest.mark.parametrize("size", [10, 5000], ids=["row", "file"])
def test_split_messages_share_one_body_until_the_last_is_gone(
    queue: Queue, clock: ManualClock, tmp_path: Path, size: int
) -> None:
    body = queue.new_body()
    body.write(b"z" * size)
    queue.submit([Submission(i, ENVELOPE, body) for i in queue.new_ids(3)])
    jobs = queue.lease(5, clock.now())
    files = len(body_files(tmp_path))

    for job in jobs[:2]:
        queue.finish(job, [OK], remove=True).result()

    assert content(jobs[2]) == b"z" * size
    assert len(body_files(tmp_path)) == files == (size > 1000)
    assert queue.check() == []
    queue.finish(jobs[2], [OK], remove=True).result()
    assert body_files(tmp_path) == []
    assert queue.check() == []


def test_an_open_body_outlives_its_message(queue: Queue, clock: ManualClock) -> None:
    queue.submit(Submission(queue.new_id(), ENVELOPE, b"q" * 2000))
    (job,) = queue.lease(1, clock.now())
    with job.open_body() as stream:
        queue.finish(job, [OK], remove=True).result()
        assert stream.read() == b"q" * 2000


def test_a_discarded_body_leaves_nothing(queue: Queue, tmp_path: Path) -> None:
    writer = queue.new_body()
    writer.write(b"x" * 5000)
    assert len(body_files(tmp_path)) == 1

    writer.discard()
    writer.discard()

    assert body_files(tmp_path) == []
    with pytest.raises(QueueError):
        writer.write(b"more")


def test_a_stored_body_is_not_hurt_by_discard_and_cannot_be_used_again(
    queue: Queue, clock: ManualClock
) -> None:
    writer = queue.new_body()
    writer.write(b"x" * 5000)
    queue.submit(Submission(queue.new_id(), ENVELOPE, writer))

    writer.discard()

    with pytest.raises(QueueError):
        queue.submit(Submission(queue.new_id(), ENVELOPE, writer))
    assert content(queue.lease(1, clock.now())[0]) == b"x" * 5000


@pytest.mark.parametrize("size", [10, 5000], ids=["inline", "file"])
def test_a_body_may_be_submitted_again_after_a_failure(
    queue: Queue, clock: ManualClock, submit: Submit, size: int
) -> None:
    taken = submit()
    writer = queue.new_body()
    writer.write(b"y" * size)
    with pytest.raises(QueueError):
        queue.submit(Submission(taken, ENVELOPE, writer))

    queue.submit(Submission(queue.new_id(), ENVELOPE, writer))

    assert content(queue.lease(2, clock.now())[1]) == b"y" * size


@pytest.mark.parametrize(
    "point", ["queue.body-written", "queue.body-before-rename", "queue.body-after-rename"]
)
@pytest.mark.parametrize("soon", [True, False], ids=["soon", "now"])
def test_a_disk_that_fails_while_the_body_is_made_durable_refuses_the_message(
    queue: Queue, tmp_path: Path, point: str, *, soon: bool
) -> None:
    writer = queue.new_body()
    writer.write(b"x" * 5000)
    submission = Submission(queue.new_id(), ENVELOPE, writer)
    install_faults([FaultPlan(point, error=28)])

    def submit_it() -> None:
        if soon:
            queue.submit_soon(submission).result()
        else:
            queue.submit(submission)

    with pytest.raises(QueueStorageError) as caught:
        submit_it()

    assert caught.value.is_full
    assert caught.value.reply.code == 452
    assert list(queue.summaries()) == []
    clear_faults()
    queue.submit(submission)  # the body is still whole
    assert queue.check() == []


def test_a_disk_that_fills_while_a_body_arrives_refuses_it(queue: Queue, tmp_path: Path) -> None:
    install_faults([FaultPlan("queue.body-write", after=2, error=28)])
    writer = queue.new_body()
    writer.write(b"x" * 5000)

    with pytest.raises(QueueStorageError):
        writer.write(b"x" * 5000)

    writer.discard()
    assert body_files(tmp_path) == []


def test_a_damaged_body_is_quarantined_when_it_is_opened(
    queue: Queue, clock: ManualClock, tmp_path: Path
) -> None:
    queue.submit([Submission(queue.new_id(), ENVELOPE, b"x" * size) for size in (2000, 3000)])
    job, other = queue.lease(2, clock.now())
    damaged = next(path for path in body_files(tmp_path) if path.stat().st_size == 2000)
    os.truncate(damaged, 1999)

    with pytest.raises(CorruptMessageError):
        job.open_body()

    queue.finish(other, [OK], remove=True).result()
    assert [bad.number for bad in queue.quarantined()] == [job.number]
    assert list(queue.summaries()) == []
