"""The scheduler with a real queue, a clock that is turned by hand and a transport that obeys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import attrs
import pytest

from couriermail.core import AuthError, ManualClock, Reply, StorageError
from couriermail.mta import scheduler as scheduler_module
from couriermail.mta.dsn import ReportKind
from couriermail.mta.planner import Lane, Planner, PlannerLimits
from couriermail.mta.scheduler import (
    Delivery,
    DeliveryResult,
    Routed,
    Scheduler,
    SchedulerSettings,
)
from couriermail.queue import (
    Envelope,
    Job,
    Outcome,
    OutcomeKind,
    Queue,
    QueueSettings,
    Recipient,
    RecipientState,
    Submission,
    Summary,
)

DEADLINE = 20.0  # seconds; commits are made by another thread, and the machine may be busy
WEEK = 7 * 86400.0
NEVER = 2_000_000_000.0
SETTINGS = QueueSettings(outcome_delay=0.001, min_free=0, min_inodes=0)
UNKNOWN = Reply(550, "User unknown.", enhanced="5.1.1")
BUSY = Reply(450, "Mailbox busy.", enhanced="4.2.1")

_T = TypeVar("_T")


@attrs.define
class Batch:
    """What the transport was given, to be answered by the test."""

    lane: Lane
    deliveries: list[Delivery]
    future: Future[list[DeliveryResult]]

    @property
    def addresses(self) -> list[str]:
        return [delivery.state.recipient.address for delivery in self.deliveries]

    def answer(self, *kinds: OutcomeKind | None, forwards: Sequence[str] = ()) -> None:
        """End the batch: one kind for each delivery, or one for all; None is a lost agent."""
        each = kinds * len(self.deliveries) if len(kinds) == 1 else kinds
        results = [
            DeliveryResult(outcome=kind and _outcome(delivery, kind), forwards=tuple(forwards))
            for delivery, kind in zip(self.deliveries, each, strict=True)
        ]
        self.future.set_result(results)


def _outcome(delivery: Delivery, kind: OutcomeKind) -> Outcome:
    return Outcome(index=delivery.index, kind=kind, lines=(f"It was a {kind}.",))


@attrs.define
class FakeTransport:
    """Begins nothing and ends nothing by itself."""

    batches: list[Batch] = attrs.field(factory=list)

    def run(self, lane: Lane, deliveries: list[Delivery]) -> Future[list[DeliveryResult]]:
        batch = Batch(lane, deliveries, Future())
        self.batches.append(batch)
        return batch.future

    @property
    def open(self) -> list[Batch]:
        return [batch for batch in self.batches if not batch.future.done()]


@attrs.define
class FakeReporter:
    """Reports failures once, in a message to the sender; makes copies for forwards.

    Attributes:
        asked: the kinds of report that it was asked for.
        last_lines: what the recipients of messages that ended were told.
        refusal: the answer to forwards, or None.
        error: what it raises, or None.
    """

    queue: Queue
    asked: list[ReportKind] = attrs.field(factory=list)
    last_lines: list[tuple[str, ...]] = attrs.field(factory=list)
    refusal: Reply | None = None
    error: Exception | None = None

    def reports(
        self, job: Job, states: tuple[RecipientState, ...], kind: ReportKind
    ) -> tuple[list[Submission], dict[int, str]]:
        self.asked.append(kind)
        if self.error is not None:
            raise self.error
        if kind == "final":
            self.last_lines.extend(state.lines for state in states)
        failed = [
            index
            for index, state in enumerate(states)
            if state.state == "failure" and not state.reported
        ]
        if kind == "delay" or not failed or not job.envelope.sender:
            return [], {}
        report = self._message("", job.envelope.sender)
        return [report], dict.fromkeys(failed, "F")

    def forward(self, job: Job, index: int, addresses: tuple[str, ...]) -> list[Submission] | Reply:
        if self.refusal is not None:
            return self.refusal
        return [self._message(job.envelope.sender, address) for address in addresses]

    def _message(self, sender: str, to: str) -> Submission:
        envelope = Envelope(sender=sender, recipients=(Recipient(address=to),), expires=NEVER)
        return Submission(self.queue.new_id(), envelope, b"Subject: made\n\n")


@attrs.define
class FakeLog:
    """The lines of the mail log, as words."""

    lines: list[str] = attrs.field(factory=list)

    def new_message(self, job: Job) -> None:
        self.lines.append("new")

    def started(self, job: Job, delivery: Delivery) -> None:
        self.lines.append(f"started {delivery.route.address}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.lines.append(outcome.kind)

    def completed(self, job: Job) -> None:
        self.lines.append("completed")


@attrs.define(eq=False)
class Site:
    """A scheduler and everything around it.

    Attributes:
        stop: tells the scheduler to stop.
        lists: what every look at the queue has shown.
    """

    queue: Queue
    clock: ManualClock
    scheduler: Scheduler
    transport: FakeTransport
    reporter: FakeReporter
    log: FakeLog
    stop: asyncio.Event = attrs.field(factory=asyncio.Event)
    lists: list[dict[str, Summary]] = attrs.field(factory=list)

    def submit(self, *addresses: str, sender: str = "s@x.test", warn: float | None = None) -> str:
        """Queue a message; its id."""
        now = self.clock.now()
        envelope = Envelope(
            sender=sender,
            recipients=tuple(Recipient(address=address) for address in addresses),
            expires=now + WEEK,
            warn=None if warn is None else now + warn,
        )
        queue_id = self.queue.new_id()
        self.queue.submit(Submission(queue_id, envelope, b"Subject: x\n\n"))
        self.scheduler.wake()
        return queue_id

    def advance(self, seconds: float) -> None:
        """Let time pass, as if nobody had been asleep."""
        self.clock.advance(seconds)
        self.scheduler.wake()

    def listed(self) -> dict[str, Summary]:
        """The whole queue, as one look shows it."""
        found = {summary.id: summary for summary in self.queue.summaries()}
        self.lists.append(found)
        return found

    async def until(self, condition: Callable[[], _T]) -> _T:
        """Let the loop turn until something is true."""
        async with asyncio.timeout(DEADLINE):
            while not (value := condition()):  # noqa: ASYNC110 - commits come from a thread
                await asyncio.sleep(0.001)
        return value

    async def batch(self) -> Batch:
        """The next batch that waits for an answer."""
        return (await self.until(lambda: self.transport.open))[0]

    async def idle(self) -> None:
        """Until nothing is leased: every round that could end has been recorded."""
        await self.until(lambda: not self.scheduler.in_progress)

    async def rounds(self, queue_id: str, number: int) -> Summary:
        """Until so many rounds of a message are recorded."""
        await self.until(lambda: self.listed()[queue_id].rounds == number)
        return self.listed()[queue_id]

    async def gone(self, queue_id: str) -> None:
        """Until a message has left the queue."""
        await self.until(lambda: queue_id not in self.listed())

    async def settled(self) -> None:
        """A few turns of the loop, for what must not happen."""
        for _ in range(10):
            self.scheduler.wake()
            await asyncio.sleep(0)


def route(address: str) -> Routed | Reply:
    """`unknown@`, `busy@` and `broken@` are refused; everybody else has a lane of his own."""
    user = address.partition("@")[0].partition("+")[0]
    if user == "broken":
        raise AuthError("the directory is gone")
    if user in ("unknown", "busy"):
        return UNKNOWN if user == "unknown" else BUSY
    return Routed(Lane("fake", user), user, address, None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(tmp_path: Path, clock: ManualClock) -> Iterator[Queue]:
    with Queue.open(tmp_path / "queue", settings=SETTINGS, clock=clock) as opened:
        yield opened


@pytest.fixture
def site(queue: Queue, clock: ManualClock) -> Site:
    return make_site(queue, clock)


def make_site(
    queue: Queue,
    clock: ManualClock,
    *,
    limits: PlannerLimits | None = None,
    settings: SchedulerSettings | None = None,
) -> Site:
    transport, reporter, log = FakeTransport(), FakeReporter(queue), FakeLog()
    scheduler = Scheduler(
        queue=queue,
        route=route,
        transports={"fake": transport},
        reporter=reporter,
        planner=Planner({"fake": limits or PlannerLimits()}),
        settings=settings or SchedulerSettings(),
        clock=clock,
        mail_log=log,
    )
    return Site(queue, clock, scheduler, transport, reporter, log)


def play(site: Site, story: Callable[[], Awaitable[None]]) -> None:
    """Run the scheduler while a story is told; what is still open then is given up."""

    async def playing() -> None:
        running = asyncio.create_task(site.scheduler.run(site.stop.wait()))
        try:
            await story()
        finally:
            site.stop.set()
            for batch in site.transport.open:
                batch.future.cancel()
            await asyncio.wait_for(running, DEADLINE)

    asyncio.run(playing())


def test_a_success_ends_the_message(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        batch = await site.batch()
        assert (batch.lane, batch.addresses) == (Lane("fake", "a"), ["a@x.test"])
        batch.answer("success")
        await site.gone(queue_id)
        await site.idle()

    play(site, story)
    assert site.reporter.asked == ["final"]
    assert site.log.lines == ["new", "started a@x.test", "success", "completed"]
    assert site.listed() == {}


def test_a_deferral_comes_again_by_the_timetable(site: Site) -> None:
    schedule = site.scheduler.settings.schedule

    async def story() -> None:
        queue_id = site.submit("a@x.test")
        for number in (1, 2, 3, 4):
            (await site.batch()).answer("deferral")
            summary = await site.rounds(queue_id, number)
            pause = schedule.delay(number)
            assert summary.next_due == site.clock.now() + pause
            assert summary.states[0].attempts == number
            assert summary.states[0].lines == ("It was a deferral.",)
            await site.idle()
            site.advance(pause - 1)
            await site.settled()
            assert not site.transport.open
            site.advance(1)
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.asked == ["early"] * 4 + ["final"]
    assert site.log.lines.count("new") == 1


def test_only_unfinished_recipients_are_tried_again(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", "a+2@x.test", "a+3@x.test")
        (await site.batch()).answer("success", "deferral", "success")
        await site.rounds(queue_id, 1)
        site.advance(WEEK / 2)
        batch = await site.batch()
        assert batch.addresses == ["a+2@x.test"]
        batch.answer("success")
        await site.gone(queue_id)

    play(site, story)


def test_a_late_message_is_reported_once(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", warn=100.0)
        for number in (1, 2, 3):
            (await site.batch()).answer("deferral")
            await site.rounds(queue_id, number)
            await site.idle()
            site.advance(3600)

    play(site, story)
    assert site.reporter.asked.count("delay") == 1
    assert site.reporter.asked[:3] == ["early", "early", "delay"]


def test_without_early_reports_only_the_end_is_reported(queue: Queue, clock: ManualClock) -> None:
    site = make_site(queue, clock, settings=SchedulerSettings(report_early=False))

    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral")
        await site.rounds(queue_id, 1)
        site.advance(3600)
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.asked == ["final"]


def test_an_expired_message_is_given_up_and_reported(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral")
        await site.rounds(queue_id, 1)
        await site.idle()
        site.advance(WEEK + 1)
        (await site.batch()).answer("deferral")
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.asked == ["early", "final"]
    assert site.log.lines[-2:] == ["deferral", "completed"]


def never_lost(site: Site, queue_id: str) -> Summary:
    """Of one message that became another: no look showed neither of them or both."""
    (made,) = site.listed().values()
    assert made.id != queue_id
    with_them = [found.keys() & {queue_id, made.id} for found in site.lists]
    assert all(len(both) == 1 for both in with_them)
    assert {queue_id} in with_them
    return made


def test_a_failure_and_its_report_are_one_transaction(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", sender="busy@x.test")
        site.listed()
        (await site.batch()).answer("failure")
        await site.until(lambda: queue_id not in site.listed())
        made = never_lost(site, queue_id)
        assert (made.sender, made.states[0].recipient.address) == ("", "busy@x.test")

    play(site, story)


def test_a_forward_enters_the_queue_with_its_success(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        site.listed()
        (await site.batch()).answer("success", forwards=["busy@y.test"])
        await site.until(lambda: queue_id not in site.listed())
        made = never_lost(site, queue_id)
        assert (made.sender, made.states[0].recipient.address) == ("s@x.test", "busy@y.test")

    play(site, story)


def test_a_deferral_forwards_nothing(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral", forwards=["busy@y.test"])
        await site.rounds(queue_id, 1)
        assert list(site.listed()) == [queue_id]

    play(site, story)


def test_a_refused_forward_is_a_failure(site: Site) -> None:
    site.reporter.refusal = UNKNOWN

    async def story() -> None:
        queue_id = site.submit("a@x.test", sender="")
        (await site.batch()).answer("success", forwards=["unknown@y.test"])
        await site.gone(queue_id)
        await site.idle()

    play(site, story)
    assert site.log.lines[-2:] == ["failure", "completed"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [("unknown@x.test", "failure"), ("busy@x.test", "deferral"), ("broken@x.test", "failure")],
)
def test_a_refusal_of_the_router_needs_no_transport(site: Site, address: str, kind: str) -> None:
    async def story() -> None:
        site.submit(address, sender="")
        await site.until(lambda: site.log.lines[-1:] == ["completed"])

    play(site, story)
    assert site.log.lines == ["new", kind, "completed"]
    assert not site.transport.batches


def test_a_transport_that_raises_three_times_is_a_deferral(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        for _ in range(3):
            (await site.batch()).future.set_exception(RuntimeError("a bug"))
        summary = await site.rounds(queue_id, 1)
        assert summary.states[0].lines == ("450 Delivery agent failed.",)

    with caplog.at_level(logging.ERROR):
        play(site, story)
    assert caplog.text.count("transport fake failed") == 3


def test_a_lost_agent_costs_nothing_but_another_try(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", "a+2@x.test")
        (await site.batch()).answer("deferral", None)
        batch = await site.batch()
        assert batch.addresses == ["a+2@x.test"]
        batch.answer(None)
        (await site.batch()).answer("success")
        summary = await site.rounds(queue_id, 1)
        assert [state.attempts for state in summary.states] == [1, 1]
        assert [state.state for state in summary.states] == ["pending", "success"]

    play(site, story)


def test_outcomes_that_cannot_be_recorded_are_offered_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec mta.md 8.6: the message is not attempted meanwhile."""
    monkeypatch.setattr(scheduler_module, "RECORD_AGAIN_SECONDS", 0.0)
    finish, refusals = site.queue.finish, [StorageError("no space"), StorageError("no space")]

    def finish_later(*words: object, **options: object) -> Future[None]:
        if not refusals:
            return finish(*words, **options)  # type: ignore[arg-type]
        future: Future[None] = Future()
        future.set_exception(refusals.pop())
        return future

    monkeypatch.setattr(site.queue, "finish", finish_later)

    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)
    assert not refusals
    assert len(site.transport.batches) == 1


def test_a_round_that_cannot_be_concluded_stops_no_other(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        poisoned = site.submit("a@x.test")
        batch = await site.batch()
        site.reporter.error = RuntimeError("a bug in the report")
        batch.answer("success")
        await site.idle()
        site.reporter.error = None
        other = site.submit("b@x.test")
        (await site.batch()).answer("success")
        await site.gone(other)
        site.advance(site.scheduler.settings.schedule.delay(1))
        (await site.batch()).answer("success")
        await site.gone(poisoned)

    with caplog.at_level(logging.ERROR):
        play(site, story)
    assert caplog.text.count("cannot conclude") == 1


def test_a_held_message_waits_until_it_is_let_go(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("busy@x.test")
        await site.rounds(queue_id, 1)
        await site.idle()
        site.queue.hold(queue_id, "by hand")
        site.scheduler.route = lambda address: Routed(Lane("fake", "a"), "a", address, None)
        site.advance(WEEK / 2)
        await site.settled()
        assert not site.transport.batches
        site.queue.unhold(queue_id)
        site.scheduler.wake()
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)


def test_a_flushed_message_is_tried_at_once(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral")
        await site.rounds(queue_id, 1)
        await site.idle()
        site.queue.flush(queue_id)
        site.scheduler.wake()
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)


@pytest.mark.parametrize("is_running", [False, True], ids=["while it waits", "while it runs"])
def test_a_cancelled_message_fails_with_the_reasons(site: Site, is_running: bool) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", sender="")
        batch = await site.batch()
        if is_running:
            site.queue.cancel(queue_id, ["wrong attachment"])
            batch.answer("deferral")
        else:
            batch.answer("deferral")
            await site.rounds(queue_id, 1)
            await site.idle()
            site.queue.cancel(queue_id, ["wrong attachment"])
            site.scheduler.wake()
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.last_lines == [("wrong attachment",)]
    assert len(site.transport.batches) == 1


def test_a_stop_waits_for_what_runs_and_begins_nothing(site: Site) -> None:
    async def story() -> None:
        first = site.submit("a@x.test")
        batch = await site.batch()
        site.stop.set()
        await site.settled()
        second = site.submit("b@x.test")
        await site.settled()
        batch.answer("success")
        await site.gone(first)
        assert list(site.listed()) == [second]
        assert site.listed()[second].rounds == 0

    play(site, story)
    assert len(site.transport.batches) == 1


def test_what_a_stop_cuts_off_is_due_again(tmp_path: Path, clock: ManualClock) -> None:
    with Queue.open(tmp_path / "queue", settings=SETTINGS, clock=clock) as queue:
        site = make_site(queue, clock)

        async def cut_off() -> None:
            site.submit("a@x.test")
            await site.batch()  # `play` gives it up

        play(site, cut_off)
    with Queue.open(tmp_path / "queue", settings=SETTINGS, clock=clock) as queue:
        again = make_site(queue, clock)
        assert [summary.rounds for summary in again.listed().values()] == [0]

        async def story() -> None:
            (await again.batch()).answer("success")
            await again.until(lambda: not again.listed())

        play(again, story)


def test_a_lost_agent_is_not_asked_again_while_we_stop(site: Site) -> None:
    async def story() -> None:
        site.submit("a@x.test")
        batch = await site.batch()
        site.stop.set()
        await site.settled()
        batch.answer(None)
        await site.settled()

    play(site, story)
    assert len(site.transport.batches) == 1
    assert [summary.rounds for summary in site.listed().values()] == [0]


def test_one_busy_user_does_not_delay_another(queue: Queue, clock: ManualClock) -> None:
    """One worker, two users: they take turns, however much the first one got."""
    limits = PlannerLimits(max_deliveries=1, batch_size=2, busy_batches=1)
    site = make_site(queue, clock, limits=limits)
    served: list[str] = []

    async def story() -> None:
        site.submit(*(f"eager+{number}@x.test" for number in range(6)), sender="")
        site.submit("other@x.test", sender="")
        for _ in range(4):
            batch = await site.batch()
            assert site.transport.open == [batch]
            served.append(batch.lane.key)
            batch.answer("success")
        await site.idle()

    play(site, story)
    assert served == ["eager", "other", "eager", "eager"]


def test_no_more_messages_than_the_limit_are_in_memory(queue: Queue, clock: ManualClock) -> None:
    site = make_site(queue, clock, settings=SchedulerSettings(queue_high=2))

    async def story() -> None:
        for user in "abcd":
            site.submit(f"{user}@x.test")
        for _ in range(2):
            await site.until(lambda: len(site.transport.open) == 2)
            await site.settled()
            assert site.scheduler.in_progress == 2
            for batch in site.transport.open:
                batch.answer("success")
        await site.until(lambda: not site.listed())

    play(site, story)
    assert len(site.transport.batches) == 4
