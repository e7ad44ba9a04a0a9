"""Full maps, full disks, broken disks (spec mta 8.4 D6, 8.6)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from couriermail.core import FaultPlan, ManualClock, StorageError, clear_faults, install_faults
from couriermail.queue import (
    Envelope,
    Outcome,
    Queue,
    QueueBusyError,
    QueueDamagedError,
    QueueSettings,
    QueueStorageError,
    Recipient,
    Submission,
    store,
)

Submit = Callable[..., str]
ENVELOPE = Envelope(sender="a@b", recipients=(Recipient(address="c@d"),))
OK = Outcome(index=0, kind="success")
SMALL = QueueSettings(map_size=1 << 17, map_max=1 << 20, outcome_delay=0.001, id_block=64)


def fill(queue: Queue) -> list[str]:
    """Submit until the queue says that it is full; the ids it took."""
    taken: list[str] = []
    while len(taken) < 2000:
        queue_id = queue.new_id()
        error = queue.submit_soon(Submission(queue_id, ENVELOPE, b"x" * 3000)).exception()
        if error is not None:
            assert isinstance(error, QueueStorageError)
            assert (error.is_full, error.reply.code) == (True, 452)
            break
        taken.append(queue_id)
    return taken


def test_the_map_grows_to_its_limit_then_the_queue_is_full_and_nothing_is_lost(
    tmp_path: Path, clock: ManualClock
) -> None:
    with Queue.open(tmp_path / "q", settings=SMALL, clock=clock) as queue:
        taken = fill(queue)

        assert len(taken) * 4096 > SMALL.map_max * 0.7
        assert [summary.id for summary in queue.summaries()] == taken
        with pytest.raises(StorageError):
            queue.check_space()


def test_a_full_queue_can_still_be_drained_and_then_takes_mail_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    with Queue.open(tmp_path / "q", settings=SMALL, clock=clock) as queue:
        taken = fill(queue)
        later = Outcome(index=0, kind="deferral", lines=("450 later",))
        jobs = queue.lease(2000, clock.now())
        assert len(jobs) == len(taken)
        for job in jobs[:100]:
            queue.finish(job, [later], next_due=clock.now() + 300).result()
        futures = [queue.finish(job, [OK], remove=True) for job in jobs[100:]]
        for future in futures:
            future.result()

        assert len(list(queue.summaries())) == 100
        assert len(fill(queue)) > 20
        assert queue.check() == []


def test_in_a_full_batch_outcomes_succeed_where_new_mail_fails(
    tmp_path: Path, clock: ManualClock
) -> None:
    settings = QueueSettings(
        map_size=1 << 20, map_max=1 << 20, outcome_delay=0.2, commit_batch=2, id_block=64
    )
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        queue.submit(Submission(queue.new_id(), ENVELOPE, b"x"))
        (job,) = queue.lease(1, clock.now())
        outcome = queue.finish(job, [OK], remove=True)
        body = b"x" * 60_000
        mail = [Submission(i, ENVELOPE, body + i.encode()) for i in queue.new_ids(30)]

        refused = queue.submit_soon(mail)

        assert isinstance(refused.exception(), QueueStorageError)
        outcome.result()
        assert list(queue.summaries()) == []


@pytest.mark.parametrize("point", ["queue.before-commit", "queue.finish-before-commit"])
def test_a_full_disk_at_the_commit_refuses_and_the_next_try_succeeds(
    queue: Queue, clock: ManualClock, submit: Submit, point: str
) -> None:
    queue_id = submit()
    (job,) = queue.lease(1, clock.now())
    install_faults([FaultPlan(point, error=28)])

    with pytest.raises(QueueStorageError) as caught:
        queue.finish(job, [OK], remove=True).result()

    assert caught.value.is_full
    assert queue.find(queue_id).states[0].state == "pending"
    assert queue.lease(1, clock.now()) == []  # the lease goes on
    queue.finish(job, [OK], remove=True).result()
    assert list(queue.summaries()) == []


def test_after_an_io_error_the_store_refuses_until_it_is_verified(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    kept = submit()
    install_faults([FaultPlan("queue.before-commit", error=5)])
    with pytest.raises(QueueStorageError) as caught:
        submit()
    assert not caught.value.is_full
    assert caught.value.reply.code == 432

    with pytest.raises(QueueStorageError, match="not verified"):
        submit()
    with pytest.raises(QueueStorageError, match="not verified"):
        queue.lease(1, clock.now())
    clock.advance(1.5)
    install_faults([FaultPlan("queue.verify", error=5)])
    with pytest.raises(QueueStorageError, match="verify"):
        submit()
    clock.advance(1.5)
    clear_faults()
    after = submit()

    assert [summary.id for summary in queue.summaries()] == [kept, after]


def test_every_waiter_of_a_batch_hears_of_its_failure(tmp_path: Path, clock: ManualClock) -> None:
    settings = QueueSettings(outcome_delay=5.0, commit_batch=3)
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        queue.submit([Submission(i, ENVELOPE, b"x") for i in queue.new_ids(3)])
        install_faults([FaultPlan("queue.before-commit", error=5)])
        jobs = queue.lease(3, clock.now())

        errors = [
            future.exception() for future in [queue.finish(job, [OK], remove=True) for job in jobs]
        ]

        assert [type(error) for error in errors] == [QueueStorageError] * 3


@pytest.mark.parametrize(
    ("limits", "is_refused"),
    [
        pytest.param(QueueSettings(min_free=0, min_inodes=0), False, id="room"),
        pytest.param(QueueSettings(min_free=1 << 62, min_inodes=0), True, id="octets"),
        pytest.param(QueueSettings(min_free=0, min_inodes=1 << 62), True, id="inodes"),
    ],
)
def test_the_space_guard(tmp_path: Path, limits: QueueSettings, *, is_refused: bool) -> None:
    with Queue.open(tmp_path / "q", settings=limits) as queue:
        if not is_refused:
            queue.check_space()
            return
        with pytest.raises(QueueStorageError) as caught:
            queue.check_space()
        assert caught.value.is_full


def test_a_queue_is_opened_once_per_process(tmp_path: Path, queue: Queue) -> None:
    with pytest.raises(QueueBusyError):
        Queue.open(tmp_path / "queue")


def test_a_missing_queue_is_not_created_unasked(tmp_path: Path) -> None:
    with pytest.raises(QueueStorageError):
        Queue.open(tmp_path / "absent", create=False)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"garbage!" * 2048, id="bad-magic"),
        pytest.param(lambda data: data[:5000], id="truncated"),
    ],
)
def test_a_damaged_database_is_refused_by_name(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    Queue.open(tmp_path / "q").close()
    file = tmp_path / "q" / "data.mdb"
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(QueueDamagedError, match=r"data\.mdb") as caught:
        Queue.open(tmp_path / "q")
    assert caught.value.exit_code == 78


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(QueueStorageError):
        Queue.open(tmp_path / "file" / "q")


def test_a_forked_child_is_refused(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)

    with pytest.raises(QueueStorageError, match="fork"):
        queue.lease(1, 0.0)

    monkeypatch.undo()


def test_a_map_that_grows_while_the_queue_is_opened_is_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may commit beyond our map between the opening and the first transaction."""
    real, refusals = store.Databases, iter([lmdb.MapResizedError("grown")] * 3)

    def databases(environment: lmdb.Environment) -> store.Databases:
        if (error := next(refusals, None)) is not None:
            raise error
        return real(environment)

    monkeypatch.setattr(store, "Databases", databases)
    with Queue.open(tmp_path / "queue") as queue:
        assert queue.next_due() is None
    assert next(refusals, None) is None
