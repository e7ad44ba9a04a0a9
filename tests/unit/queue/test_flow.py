from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.queue import (
    Envelope,
    MessageNotFoundError,
    Outcome,
    Queue,
    QueueBusyError,
    QueueError,
    QueueSettings,
    Recipient,
    RecordTooLargeError,
    Submission,
)
from couriermail.queue.job import Job

Submit = Callable[..., str]
OK = Outcome(index=0, kind="success", flag="l", lines=("250 ok",))
LATER = Outcome(index=0, kind="deferral", lines=("450 later",))
ENVELOPE = Envelope(sender="a@b", recipients=(Recipient(address="c@d"),))


def lease_one(queue: Queue, clock: ManualClock) -> Job:
    (job,) = queue.lease(10, clock.now())
    return job


def test_a_message_comes_out_as_it_went_in(queue: Queue, clock: ManualClock) -> None:
    queue_id = queue.new_id()
    queue.submit(Submission(queue_id, ENVELOPE, b"\x00body\xff"))

    job = lease_one(queue, clock)

    assert (job.id, job.envelope, job.size, job.arrival) == (queue_id, ENVELOPE, 6, clock.now())
    assert job.body_bytes() == job.open_body().read() == b"\x00body\xff"
    assert (job.rounds, job.warned, job.cancelled) == (0, False, None)
    assert job.states[0].state == "pending"


def test_a_leased_message_is_not_leased_again(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    lease_one(queue, clock)

    assert queue.lease(10, clock.now() + 1e6) == []
    assert queue.next_due() is None


def test_equals_leave_in_order_of_arrival_and_older_ones_first(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    late = submit(delay=10.0)
    ids = [submit() for _ in range(5)]
    clock.advance(20)

    first, rest = queue.lease(3, clock.now()), queue.lease(10, clock.now())

    assert [job.id for job in (*first, *rest)] == [*ids, late]


def test_excluded_messages_are_passed_over(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    one, two = submit(), submit()

    assert [job.id for job in queue.lease(10, clock.now(), exclude=[one])] == [two]


def test_a_delayed_message_is_due_after_its_delay(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit(delay=60.0)

    assert queue.lease(1, clock.now() + 59.9) == []
    assert queue.next_due() == clock.now() + 60
    assert len(queue.lease(1, clock.now() + 60)) == 1


def test_a_deferred_message_is_due_again_with_its_history(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit("a@x", "b@x")
    outcomes = [OK, Outcome(index=1, kind="deferral", lines=("450",), peer="mx", note="w=1")]
    queue.finish(
        lease_one(queue, clock),
        outcomes,
        next_due=clock.now() + 300,
        warned=True,
        reported={1: "D"},
    ).result()
    assert queue.lease(1, clock.now() + 299) == []

    clock.advance(300)
    job = lease_one(queue, clock)

    done, pending = job.states
    assert (done.state, done.flag, done.attempts, done.lines) == ("success", "l", 1, ("250 ok",))
    assert done.finished == clock.now() - 300
    assert (pending.state, pending.kind, pending.peer) == ("pending", "deferral", "mx")
    assert (pending.note, pending.reported) == ("w=1", "D")
    assert (job.rounds, job.warned) == (1, True)


def test_outcomes_without_next_due_keep_the_lease(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit("a@x", "b@x")
    job = lease_one(queue, clock)

    queue.finish(job, [OK]).result()

    assert job.states[0].is_finished
    assert job.rounds == 0
    assert queue.lease(1, clock.now()) == []
    queue.finish(job, [Outcome(index=1, kind="failure")], remove=True).result()
    assert list(queue.summaries()) == []


@pytest.mark.parametrize("commit_max", [1, 512], ids=["two-transactions", "one-transaction"])
def test_an_outcome_on_its_way_is_not_overwritten_by_the_next(
    tmp_path: Path, clock: ManualClock, commit_max: int
) -> None:
    settings = QueueSettings(outcome_delay=5.0, commit_batch=2, commit_max=commit_max)
    recipients = (Recipient(address="a@x"), Recipient(address="b@x"))
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        queue.submit(Submission(queue.new_id(), Envelope(sender="", recipients=recipients), b"x"))
        job = lease_one(queue, clock)

        first = queue.finish(job, [OK])
        queue.finish(job, [Outcome(index=1, kind="deferral")], next_due=clock.now()).result()

        first.result()
        states = lease_one(queue, clock).states
        assert [(state.state, state.attempts) for state in states] == [
            ("success", 1),
            ("pending", 1),
        ]


def test_states_after_shows_outcomes_without_recording_them(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    job = lease_one(queue, clock)

    assert job.states_after((OK,), clock.now())[0].state == "success"
    assert job.states[0].state == "pending"


def test_removal_and_report_are_one_transaction(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    report = Submission(queue.new_id(), ENVELOPE, b"report")

    queue.finish(
        lease_one(queue, clock), [Outcome(index=0, kind="failure")], new=report, remove=True
    ).result()

    assert [summary.id for summary in queue.summaries()] == [report.id]


def test_a_report_that_cannot_be_stored_leaves_the_original_leased(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    queue_id = submit()
    job = lease_one(queue, clock)
    taken = Submission(queue_id, ENVELOPE, b"report with a taken id")

    failed = queue.finish(job, [Outcome(index=0, kind="failure")], new=taken, remove=True)

    with pytest.raises(QueueError, match="id"):
        failed.result()
    assert queue.find(queue_id).states[0].state == "pending"
    queue.finish(job, [OK], remove=True).result()


def test_a_message_with_an_unfinished_recipient_cannot_be_removed(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit("a@x", "b@x")
    job = lease_one(queue, clock)

    with pytest.raises(QueueError, match="unfinished"):
        queue.finish(job, [OK], remove=True)


def test_a_finished_job_cannot_be_finished_again(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    job = lease_one(queue, clock)
    queue.finish(job, [OK], remove=True).result()

    with pytest.raises(QueueError, match="not leased"):
        queue.finish(job, [OK], remove=True)


def test_a_removal_asked_for_twice_counts_a_shared_body_down_once(
    queue: Queue, clock: ManualClock
) -> None:
    body = b"shared"
    queue.submit([Submission(i, ENVELOPE, body) for i in queue.new_ids(2)])
    job, sibling = queue.lease(2, clock.now())

    first = queue.finish(job, [OK], remove=True)
    try:
        second = queue.finish(job, [OK], remove=True).exception()
    except QueueError as error:  # the first was committed already
        second = error

    first.result()
    assert isinstance(second, QueueError)
    assert sibling.body_bytes() == b"shared"


def test_an_outcome_for_nobody_is_refused(queue: Queue, clock: ManualClock, submit: Submit) -> None:
    submit()

    with pytest.raises(QueueError, match="recipient"):
        queue.finish(lease_one(queue, clock), [Outcome(index=1, kind="success")])


def test_release_gives_the_lease_back_uncounted(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    queue.release(lease_one(queue, clock)).result()
    job = lease_one(queue, clock)
    queue.release(job, clock.now() + 5).result()
    clock.advance(5)

    job = lease_one(queue, clock)

    assert (job.rounds, job.states[0].attempts) == (0, 0)


def test_three_errors_in_a_row_put_a_message_on_hold(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    queue_id = submit()
    for _ in range(3):
        queue.release(lease_one(queue, clock), clock.now(), error="KeyError").result()

    assert queue.lease(1, clock.now()) == []
    assert queue.find(queue_id).held == "KeyError"
    assert queue.find(queue_id).next_due is None
    queue.unhold(queue_id)
    assert len(queue.lease(1, clock.now())) == 1


def test_a_message_held_while_leased_stays_held(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    queue_id = submit()
    job = lease_one(queue, clock)
    queue.hold(queue_id, "by hand")

    queue.finish(job, [LATER], next_due=clock.now()).result()

    assert queue.lease(1, clock.now() + 1e6) == []
    assert queue.find(queue_id).states[0].attempts == 1


def test_a_held_message_can_be_removed_by_the_job_that_has_it(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    queue_id = submit()
    job = lease_one(queue, clock)
    queue.hold(queue_id)

    queue.finish(job, [OK], remove=True).result()

    assert list(queue.summaries()) == []
    assert queue.check() == []


def test_a_cancelled_message_is_due_now_and_carries_the_reasons(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    queue_id = submit(delay=1000.0)

    queue.cancel(queue_id, ["first", "second"])

    assert lease_one(queue, clock).cancelled == ("first", "second")


def test_a_message_cancelled_during_its_attempt_is_due_again_at_once(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    queue_id = submit()
    job = lease_one(queue, clock)
    queue.cancel(queue_id, ["stop"])

    queue.finish(job, [LATER], next_due=clock.now() + 300).result()

    again = lease_one(queue, clock)
    assert (again.cancelled, again.rounds) == (("stop",), 1)


def test_flush_makes_waiting_messages_due_but_not_held_ones(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    ids = [submit(delay=1000.0) for _ in range(3)]
    queue.hold(ids[1])

    queue.flush(ids[2])
    assert [job.id for job in queue.lease(9, clock.now())] == [ids[2]]
    queue.flush()

    assert [job.id for job in queue.lease(9, clock.now())] == [ids[0]]


@pytest.mark.parametrize("operation", ["find", "cancel", "flush", "hold", "unhold"])
@pytest.mark.parametrize("part", [slice(0, 41), slice(0, 0)], ids=["almost", "empty"])
def test_operators_must_name_the_whole_id(
    queue: Queue, submit: Submit, operation: str, part: slice
) -> None:
    queue_id = submit()
    wrong = queue_id[part] + ("0" if queue_id[-1] != "0" else "1") if part.stop else ""

    with pytest.raises(MessageNotFoundError):
        getattr(queue, operation)(wrong)


def test_summaries_show_a_submitter_his_own(queue: Queue, submit: Submit) -> None:
    submit(uid=1000, user="joe")
    mine = submit(uid=1001, user="jim")

    assert [summary.id for summary in queue.summaries(uid=1001)] == [mine]


def test_summaries_walk_through_a_long_queue(queue: Queue) -> None:
    ids = queue.new_ids(600)
    queue.submit([Submission(queue_id, ENVELOPE, b"x") for queue_id in ids])

    assert tuple(summary.id for summary in queue.summaries()) == ids


def test_ids_of_a_split_message_differ_in_the_first_part_only(queue: Queue) -> None:
    ids = queue.new_ids(3)

    assert len({queue_id[:16] for queue_id in ids}) == 3
    assert len({queue_id[16:] for queue_id in ids}) == 1


def test_numbers_are_never_given_twice(tmp_path: Path, settings: QueueSettings) -> None:
    seen: list[str] = []
    for _ in range(4):
        with Queue.open(tmp_path / "q", settings=settings) as opened:
            seen += [opened.new_id()[:16] for _ in range(150)]

    assert len(set(seen)) == len(seen)


def test_an_id_can_be_used_once(queue: Queue, submit: Submit) -> None:
    queue_id = submit()

    with pytest.raises(QueueError, match="id"):
        queue.submit(Submission(queue_id, ENVELOPE, b"x"))


@pytest.mark.parametrize("queue_id", ["", "nonsense", "1.2.3"])
def test_a_text_that_is_no_id_is_refused(queue: Queue, queue_id: str) -> None:
    with pytest.raises(QueueError, match="id"):
        queue.submit(Submission(queue_id, ENVELOPE, b"x"))


def test_one_bad_submission_does_not_harm_the_others(queue: Queue) -> None:
    good = Submission(queue.new_id(), ENVELOPE, b"x")
    futures = [
        queue.submit_soon(good),
        queue.submit_soon(good),
        queue.submit_soon(Submission(queue.new_id(), Envelope(sender="", recipients=()), b"x")),
        queue.submit_soon(Submission(queue.new_id(), ENVELOPE, b"y")),
    ]

    errors = [type(future.exception()) for future in futures]

    assert errors == [type(None), QueueError, QueueError, type(None)]
    assert len(list(queue.summaries())) == 2


def test_an_oversized_envelope_is_refused(tmp_path: Path) -> None:
    with Queue.open(tmp_path / "q", settings=QueueSettings(max_record=300)) as queue:
        envelope = Envelope(sender="a" * 400, recipients=(Recipient(address="b"),))
        with pytest.raises(RecordTooLargeError):
            queue.submit(Submission(queue.new_id(), envelope, b"x"))


def test_oversized_notes_are_refused_and_the_lease_goes_on(
    tmp_path: Path, clock: ManualClock
) -> None:
    with Queue.open(tmp_path / "q", settings=QueueSettings(max_record=300), clock=clock) as queue:
        queue.submit(Submission(queue.new_id(), ENVELOPE, b"x"))
        job = lease_one(queue, clock)
        talkative = Outcome(index=0, kind="deferral", note="n" * 400)

        with pytest.raises(RecordTooLargeError):
            queue.finish(job, [talkative], next_due=clock.now()).result()

        queue.finish(job, [OK], remove=True).result()


def test_a_ticket_cannot_be_cancelled(queue: Queue) -> None:
    future = queue.submit_soon(Submission(queue.new_id(), ENVELOPE, b"x"))

    assert not future.cancel()
    future.result()


def test_several_messages_of_one_call_are_all_or_none(queue: Queue, submit: Submit) -> None:
    taken = submit()
    ids = queue.new_ids(2)

    with pytest.raises(QueueError):
        queue.submit([Submission(i, ENVELOPE, b"x") for i in (*ids, taken)])

    assert [summary.id for summary in queue.summaries()] == [taken]


def test_a_second_scheduler_is_refused(tmp_path: Path, queue: Queue) -> None:
    queue.become_scheduler()

    with pytest.raises(QueueBusyError):
        Queue.open(tmp_path / "queue")


def test_everything_in_flight_is_due_after_a_restart(
    tmp_path: Path, clock: ManualClock, settings: QueueSettings
) -> None:
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        queue.submit(Submission(queue.new_id(), ENVELOPE, b"x"))
        lease_one(queue, clock)
    with Queue.open(tmp_path / "q", settings=settings, clock=clock) as queue:
        assert lease_one(queue, clock).states[0].attempts == 0


def test_a_clock_set_back_pulls_in_what_is_due_absurdly_late(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    queue.finish(lease_one(queue, clock), [LATER], next_due=clock.now() + 300).result()
    submit(delay=90_000.0)  # wanted this late; nothing happened to it yet
    assert queue.lease(1, clock.now()) == []

    clock.advance(-86_400)

    assert len(queue.lease(9, clock.now())) == 2  # both arrived "tomorrow"


def test_a_deliberate_delay_survives_a_clock_that_is_set_back(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit(delay=90_000.0)
    clock.advance(50_000)
    assert queue.lease(1, clock.now()) == []

    clock.advance(-4000)

    assert queue.lease(1, clock.now()) == []


def test_a_clock_set_forward_makes_messages_due_early_and_loses_none(
    queue: Queue, clock: ManualClock, submit: Submit
) -> None:
    submit()
    queue.finish(lease_one(queue, clock), [LATER], next_due=clock.now() + 300).result()
    clock.advance(86_400)

    assert len(queue.lease(9, clock.now())) == 1


def test_a_closed_queue_refuses(tmp_path: Path) -> None:
    queue = Queue.open(tmp_path / "q")
    queue_id = queue.new_id()
    queue.close()

    with pytest.raises(QueueError, match="closed"):
        queue.submit(Submission(queue_id, ENVELOPE, b"x"))
    with pytest.raises(QueueError, match="closed"):
        queue.lease(1, 0.0)
