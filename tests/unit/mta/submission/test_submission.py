"""One message on its way into the queue (spec mta.md 6, 19.1)."""

from __future__ import annotations

import attrs
import pytest
from tests.support.open_admission import OpenAdmission

from couriermail.core import FaultPlan, ManualClock, install_faults
from couriermail.mta.submission import Origin, Submission, Submitter
from couriermail.queue import Queue

ORIGIN = Origin(module="esmtp", source="dns; c.example ([192.0.2.1])", protocol="ESMTP")
RECIPIENTS = ("a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com")


def begin(submitter: Submitter, sender: str = "s@example.com") -> Submission:
    started = submitter.begin(ORIGIN, sender)
    assert isinstance(started, Submission)
    return started


def submit(submitter: Submitter, *chunks: bytes, to: tuple[str, ...] = RECIPIENTS[:1]) -> int:
    """Submit one message; the code of its final reply."""
    submission = begin(submitter)
    for address in to:
        submission.add_recipient(address)
    for chunk in chunks:
        submission.write(chunk)
    return submission.finish().result(10).code


def stored(queue: Queue, clock: ManualClock) -> list[bytes]:
    """The queued messages' bytes."""
    bodies = []
    for job in queue.lease(100, clock.now()):
        with job.open_body() as body:
            bodies.append(body.read())
    return bodies


def test_split_anywhere_same_message(
    submitter: Submitter, queue: Queue, clock: ManualClock
) -> None:
    message = b"Subject: x\nFrom: a@b\n\nbody\n\nmore\n"
    for size in (1, 2, 7, 100):
        pieces = [message[start : start + size] for start in range(0, len(message), size)]
        assert submit(submitter, *pieces) == 250
    tails = {body.split(b"\n", 3)[3].partition(b"Message-ID")[0] for body in stored(queue, clock)}
    assert tails == {b"Subject: x\nFrom: a@b\n"}


def test_the_final_reply_names_time_and_number(submitter: Submitter, queue: Queue) -> None:
    submission = begin(submitter)
    submission.add_recipient("a@example.com")
    submission.write(b"Subject: x\n\n")
    reply = submission.finish().result(10)
    (summary,) = queue.summaries()
    assert (reply.code, reply.text) == (250, f"Ok. {summary.id.partition('.')[2]}")


def test_p11_a_long_list_becomes_several_messages_with_one_body(
    submitter: Submitter, queue: Queue, clock: ManualClock
) -> None:
    small = attrs.evolve(submitter.settings, batch_size=2)
    submitter.settings = small
    assert submit(submitter, b"Subject: x\n\nbody\n", to=RECIPIENTS) == 250
    summaries = list(queue.summaries())
    assert [len(summary.states) for summary in summaries] == [2, 2, 1]
    assert len({summary.id.partition(".")[2] for summary in summaries}) == 1
    assert len(set(stored(queue, clock))) == 1


def test_too_many_recipients_are_asked_to_come_again(submitter: Submitter) -> None:
    submitter.settings = attrs.evolve(submitter.settings, max_recipients=2)
    submission = begin(submitter)
    codes = [submission.add_recipient(address).code for address in RECIPIENTS[:3]]
    assert codes == [250, 250, 431]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"Subject: x\n\n" + b"y" * 2000, 523),
        (b"X: y\n" * 500 + b"\n", 534),
        (b"Received: y\n" * 101 + b"\n", 546),
        (b"X: " + b"y" * 200_000, 534),
    ],
    ids=["size", "fields", "hops", "endless header"],
)
def test_what_breaks_a_limit_is_refused_at_its_end_and_leaves_nothing(
    submitter: Submitter, queue: Queue, message: bytes, code: int
) -> None:
    limit = 0 if code != 523 else 1500
    submitter.settings = attrs.evolve(submitter.settings, size_limit=limit)
    assert submit(submitter, message, b"and what follows is thrown away\n" * 50) == code
    assert not list(queue.summaries())


def test_an_announced_size_is_refused_at_once(submitter: Submitter) -> None:
    submitter.settings = attrs.evolve(submitter.settings, size_limit=1000)
    refused = submitter.begin(ORIGIN, "s@example.com", announced_size=1001)
    assert not isinstance(refused, Submission)
    assert refused.code == 534


def test_a_refused_sender_begins_nothing(submitter: Submitter) -> None:
    refused = submitter.begin(ORIGIN, "x@refused.example")
    assert not isinstance(refused, Submission)
    assert refused.code == 517


def test_recipients_of_the_header_come_from_all_three_fields(
    submitter: Submitter, queue: Queue, admission: OpenAdmission
) -> None:
    submission = begin(submitter)
    submission.header_recipients = True
    submission.write(b"To: a@x, b@x\nCc: Name <c@x>\nBcc: g: d@x;\n\n")
    assert submission.finish().result(10).code == 250
    (summary,) = queue.summaries()
    assert [state.recipient.address for state in summary.states] == ["a@x", "b@x", "c@x", "d@x"]


@pytest.mark.parametrize(
    ("header", "code"),
    [(b"Subject: x\n\n", 511), (b"To: a@x, nobody@x\n\n", 550)],
    ids=["none", "bad"],
)
def test_a_header_without_good_recipients_is_refused(
    submitter: Submitter, queue: Queue, header: bytes, code: int
) -> None:
    submission = begin(submitter)
    submission.header_recipients = True
    submission.write(header)
    assert submission.finish().result(10).code == code
    assert not list(queue.summaries())


@pytest.mark.parametrize(("error", "code"), [(28, 452), (5, 432)], ids=["full", "broken"])
def test_a_commit_that_fails_is_a_temporary_reply(
    submitter: Submitter, queue: Queue, error: int, code: int
) -> None:
    """Spec mta.md 8.4 D6: every waiter of the batch gets 4xx."""
    submit(submitter, b"Subject: first\n\n")
    install_faults([FaultPlan("queue.before-commit", 1, error)])
    assert submit(submitter, b"Subject: lost\n\n") == code
    if error == 28:  # after an input/output error the store is closed until it is verified
        assert len(list(queue.summaries())) == 1


def test_a_discarded_message_leaves_nothing(submitter: Submitter, queue: Queue) -> None:
    submission = begin(submitter)
    submission.add_recipient("a@example.com")
    submission.write(b"Subject: x\n\nbody")
    submission.discard()
    submission.write(b"more")
    assert submission.finish().result(10).code == 432
    assert not list(queue.summaries())
