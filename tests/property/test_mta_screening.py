"""What recipients' filters decide is what becomes of their mail (spec filter 4.18, mta 6.6).

Who takes a message gets it, whatever the others say; who refuses it does not; and every refusal is
heard exactly once: in the reply or in a report.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.core import ManualClock, Reply
from couriermail.filter.rcptfilter import FilterCall, FilterResult, PartialRefusal
from couriermail.mta.accounts import LocalTarget
from couriermail.mta.recipientfilters import RecipientFilters
from couriermail.mta.submission import Accepted, Origin, Submission, SubmissionSettings, Submitter
from couriermail.queue import Queue, QueueSettings, Recipient

ORIGIN = Origin(module="esmtp", source="dns; client.example ([192.0.2.1])")
SETTINGS = SubmissionSettings(
    me="mx.example", default_domain="example", message_id_host="mx.example", utc_offset=0
)
NAMES = ("ann", "bob", "cat", "dan")
VERDICTS = st.sampled_from(
    [
        FilterResult(0),
        FilterResult(0),
        FilterResult(1, b"550-no\n550 never\n"),
        FilterResult(75, b"450 later"),
        FilterResult(1),
        FilterResult(99),
        FilterResult(None),
    ]
)


@attrs.frozen
class Decided:
    """Runs nothing: everybody wants to see the content, and has decided about it."""

    verdicts: dict[str, FilterResult]

    def run(self, call: FilterCall, message: int | None = None) -> FilterResult:
        if message is None:
            return FilterResult(99)
        return self.verdicts[call.account.home.removeprefix("/home/")]


@attrs.frozen
class Everybody:
    """Every address is an account."""

    def sender(self, address: str, origin: Origin) -> str | Reply:
        return address

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        name = recipient.address.partition("@")[0]
        target = LocalTarget(account=name, name=name, uid=1000, gid=1000, home=f"/home/{name}")
        return Accepted((recipient,), (), (name,), targets=(target,))


@attrs.frozen(kw_only=True)
class Ended:
    """How one message ended: the answers, and each recipient's state in the queue."""

    answers: Sequence[Reply]
    states: Mapping[str, str]


def send(
    names: Sequence[str],
    verdicts: dict[str, FilterResult],
    *,
    batch_size: int,
    partial: PartialRefusal = PartialRefusal.ACCEPT,
    exdata: bool = False,
) -> Ended:
    clock = ManualClock()
    options = QueueSettings(outcome_delay=0.001, min_free=0, min_inodes=0)
    with (
        tempfile.TemporaryDirectory() as directory,
        Queue.open(f"{directory}/queue", settings=options, clock=clock) as queue,
    ):
        filters = RecipientFilters(Decided(verdicts), frozenset({"esmtp"}), partial=partial)
        limits = attrs.evolve(SETTINGS, batch_size=batch_size)
        submitter = Submitter(queue, Everybody(), limits, clock, recipient_filters=filters)
        submission = submitter.begin(ORIGIN, "s@x.example", exdata=exdata)
        assert isinstance(submission, Submission)
        for name in names:
            answer = submission.offer_recipient(f"{name}@example")
            assert not isinstance(answer, Reply)
            assert answer.result(30).is_success
        submission.write(b"Subject: x\n\ntext\n")
        given_back = submission.finish_each().result(30)
        states = {
            state.recipient.address.partition("@")[0]: state.state
            for job in queue.lease(100, 4e9)
            for state in job.states
        }
        submitter.close()
    answers = [given_back] if isinstance(given_back, Reply) else given_back
    return Ended(answers=answers, states=states)


RECIPIENTS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6)
DECISIONS = st.fixed_dictionaries(dict.fromkeys(NAMES, VERDICTS))


@settings(max_examples=20, deadline=None)
@given(RECIPIENTS, DECISIONS, st.integers(1, 3))
def test_with_exdata_every_recipient_is_answered_and_nobody_reported(
    names: list[str], verdicts: dict[str, FilterResult], batch_size: int
) -> None:
    ended = send(names, verdicts, batch_size=batch_size, exdata=True)
    takes = {name: verdicts[name].exit_code == 0 for name in names}
    if all(takes.values()):
        assert [answer.is_success for answer in ended.answers] == [True]
    else:
        assert [answer.is_success for answer in ended.answers] == [takes[name] for name in names]
    if any(takes.values()):
        assert ended.states == {
            name: "pending" if is_taken else "success" for name, is_taken in takes.items()
        }
    else:
        assert ended.states == {}


@settings(max_examples=20, deadline=None)
@given(RECIPIENTS, DECISIONS, st.integers(1, 3), st.sampled_from(PartialRefusal))
def test_without_exdata_a_refusal_is_the_reply_or_a_failure(
    names: list[str], verdicts: dict[str, FilterResult], batch_size: int, partial: PartialRefusal
) -> None:
    ended = send(names, verdicts, batch_size=batch_size, partial=partial)
    takes = {name: verdicts[name].exit_code == 0 for name in names}
    (answer,) = ended.answers
    is_queued = all(takes.values()) or (any(takes.values()) and partial is PartialRefusal.ACCEPT)
    assert answer.is_success == is_queued
    assert ended.states == (
        {name: "pending" if is_taken else "failure" for name, is_taken in takes.items()}
        if is_queued
        else {}
    )
