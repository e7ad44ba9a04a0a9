"""What travels into the queue with a message: outcomes recorded at once, and marks."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from couriermail.core import ManualClock, install_faults
from couriermail.core.faults import FaultPlan
from couriermail.queue import (
    Envelope,
    Outcome,
    Queue,
    QueueError,
    QueueSettings,
    Recipient,
    RecordTooLargeError,
    Submission,
    salvage,
)

MEMBER, ALIAS = Recipient(address="joe@example.net"), Recipient(address="all@example.net")
BOTH = Envelope(sender="a@b", recipients=(MEMBER, ALIAS))
DONE = Outcome(index=1, kind="success", flag="r", lines=("250 Ok - delivered to alias.",), note="x")
OK = Outcome(index=0, kind="success", flag="l", lines=("250 ok",))


def test_an_outcome_given_at_submission_is_the_recipients_state(
    queue: Queue, clock: ManualClock
) -> None:
    queue.submit(Submission(queue.new_id(), BOTH, b"x", (DONE,)))

    (job,) = queue.lease(10, clock.now())

    member, alias = job.states
    assert (member.state, member.attempts) == ("pending", 0)
    assert (alias.state, alias.flag, alias.lines, alias.note) == (
        "success", "r", ("250 Ok - delivered to alias.",), "x",
    )  # fmt: skip
    assert alias.finished == clock.now()
    assert job.rounds == 0


def test_a_message_whose_recipients_are_all_done_is_due_at_once(
    queue: Queue, clock: ManualClock
) -> None:
    envelope = Envelope(sender="a@b", recipients=(ALIAS,))
    done = Outcome(index=0, kind="success", flag="r")
    queue.submit(Submission(queue.new_id(), envelope, b"x", (done,)))

    assert queue.next_due() == clock.now()
    (job,) = queue.lease(10, clock.now())
    queue.finish(job, remove=True).result()
    assert list(queue.summaries()) == []


def test_outcomes_of_a_message_inserted_by_finish_are_recorded_too(
    queue: Queue, clock: ManualClock
) -> None:
    queue.submit(Submission(queue.new_id(), Envelope(sender="a@b", recipients=(MEMBER,)), b"x"))
    (job,) = queue.lease(10, clock.now())
    forward = Submission(queue.new_id(), BOTH, b"y", (DONE,))

    queue.finish(job, [OK], new=forward, remove=True).result()

    assert [state.state for state in queue.find(forward.id).states] == ["pending", "success"]


def test_outcomes_survive_a_reopening_and_the_repair(
    tmp_path: Path, clock: ManualClock, settings: QueueSettings
) -> None:
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        queue.submit(Submission(queue.new_id(), BOTH, b"x", (DONE,)))

    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        assert queue.become_scheduler() == []
        (job,) = queue.lease(10, clock.now())
        assert [state.state for state in job.states] == ["pending", "success"]


@pytest.mark.parametrize("index", [-1, 2])
def test_an_outcome_for_nobody_is_refused(queue: Queue, index: int) -> None:
    wrong = Outcome(index=index, kind="success")

    with pytest.raises(QueueError, match="recipient that the message does not have"):
        queue.submit(Submission(queue.new_id(), BOTH, b"x", (wrong,)))

    assert list(queue.summaries()) == []


def test_outcomes_too_large_for_a_record_are_refused(tmp_path: Path, clock: ManualClock) -> None:
    settings = QueueSettings(max_record=200)
    noted = Outcome(index=1, kind="success", note="".join(map(str, range(200))))
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        submission = Submission(queue.new_id(), BOTH, b"x", (noted,))
        with pytest.raises(RecordTooLargeError):
            queue.submit(submission)


def test_a_message_submitted_for_later_with_outcomes_stays_so_when_the_clock_is_set_back(
    queue: Queue, clock: ManualClock
) -> None:
    envelope = Envelope(sender="a@b", recipients=(MEMBER, ALIAS), delay=90 * 86400.0)
    queue.submit(Submission(queue.new_id(), envelope, b"x", (DONE,)))
    queue.lease(10, clock.now() + 2 * 3600)

    queue.lease(10, clock.now())

    assert queue.next_due() == clock.now() + 90 * 86400.0


def test_a_mark_outlives_its_message_until_it_is_cleared(queue: Queue, clock: ManualClock) -> None:
    queue.submit(Submission(queue.new_id(), BOTH, b"x", (DONE,), mark="drop-1"))
    (job,) = queue.lease(10, clock.now())
    queue.finish(job, [OK], remove=True).result()

    assert queue.has_mark("drop-1")
    assert queue.marks() == {"drop-1": clock.now()}
    queue.clear_mark("drop-1", "never-set").result()
    assert not queue.has_mark("drop-1")
    assert queue.marks() == {}


def test_a_second_message_with_the_same_mark_is_refused(queue: Queue) -> None:
    queue.submit(Submission(queue.new_id(), BOTH, b"x", mark="drop-1"))

    with pytest.raises(QueueError, match="mark was queued before"):
        queue.submit(Submission(queue.new_id(), BOTH, b"x", mark="drop-1"))

    assert len(list(queue.summaries())) == 1


def test_the_parts_of_one_split_message_may_share_a_mark(queue: Queue) -> None:
    first, second = queue.new_ids(2)

    queue.submit([Submission(first, BOTH, b"x", (), "m"), Submission(second, BOTH, b"x", (), "m")])

    assert len(list(queue.summaries())) == 2
    assert list(queue.marks()) == ["m"]


def test_no_mark_is_set_when_the_message_was_not_stored(queue: Queue) -> None:
    install_faults([FaultPlan("queue.before-commit", error=errno.ENOSPC)])

    with pytest.raises(QueueError):
        queue.submit(Submission(queue.new_id(), BOTH, b"x", mark="m"))

    assert queue.marks() == {}


def test_a_message_without_a_mark_has_none(queue: Queue) -> None:
    queue.submit(Submission(queue.new_id(), BOTH, b"x"))

    assert not queue.has_mark("")
    assert queue.marks() == {}


def test_a_name_that_is_no_key_is_refused(queue: Queue) -> None:
    with pytest.raises(QueueError, match="500 octets"):
        queue.submit(Submission(queue.new_id(), BOTH, b"x", mark="m" * 501))


def test_marks_are_salvaged(tmp_path: Path, clock: ManualClock) -> None:
    with Queue.open(tmp_path / "old", clock=clock) as queue:
        queue.submit(Submission(queue.new_id(), BOTH, b"x", mark="m\udcff"))

    salvage(tmp_path / "old", tmp_path / "new")

    with Queue.open(tmp_path / "new", clock=clock) as queue:
        assert queue.marks() == {"m\udcff": clock.now()}
