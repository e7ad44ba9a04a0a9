"""A scheduler with a real queue, a clock that is turned by hand and a transport that obeys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import attrs

from couriermail.core import AuthError, ManualClock, Reply
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

__all__ = [
    "SETTINGS",
    "UNKNOWN",
    "WEEK",
    "Batch",
    "FakeLog",
    "FakeReporter",
    "FakeTransport",
    "Site",
    "make_site",
    "play",
]

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
