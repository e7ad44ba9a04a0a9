"""The scheduler: leases what is due, has it delivered, records how it went (spec mta.md 9).

Theory of operation.  One asyncio loop owns all state.  A leased message becomes a *round*: its
unfinished recipients are routed, refusals are outcomes at once, the rest become deliveries in
the planner, which says what may start.  A batch runs on a delivery agent in a thread of the
agent pool and comes back as results.  When the last delivery of a round has ended, its outcomes,
the reports and forwards that they need, and the message's removal or next date go to the queue
as one transaction; so a crash at any moment leaves either all of it or a message that is due again.

Nothing here blocks: disk writes happen in the queue's committer, deliveries in the agents.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

import attrs

from couriermail.core import Clock, CouriermailError, Reply, StorageError, SystemClock, reach
from couriermail.mta.completions import Completions
from couriermail.mta.planner import Batch, Lane, Planner, Task
from couriermail.mta.rounds import Ending, conclude
from couriermail.queue import Outcome, Queue, RetrySchedule

if TYPE_CHECKING:
    from couriermail.mta.dsn import ReportKind
    from couriermail.queue import Job, OutcomeKind, RecipientState
    from couriermail.queue import Submission as NewMessage

__all__ = [
    "Delivery",
    "DeliveryResult",
    "Reporter",
    "Routed",
    "Scheduler",
    "SchedulerSettings",
    "Transport",
]

log = logging.getLogger("couriermail.mta.scheduler")

POLL_SECONDS = 60.0  # a lost wake-up delays, never strands (spec mta.md 8.5)
RECORD_AGAIN_SECONDS = 10.0  # outcomes that could not be recorded (spec mta.md 8.6)
STOP_SECONDS = 8.0  # for running batches when we stop; what is not done is repeated
MAX_LOSSES = 3  # a delivery whose agent died this often is deferred


@attrs.frozen(kw_only=True)
class SchedulerSettings:
    """The scheduler's limits and timetable.

    Attributes:
        schedule: the retry timetable.
        queue_high: messages in memory at most (`queuehi`).
        report_early: report failures when a message is first deferred (spec mta.md 18.2).
    """

    schedule: RetrySchedule = attrs.field(factory=RetrySchedule)
    queue_high: int = 1000
    report_early: bool = True


@attrs.frozen
class Routed:
    """Where a recipient goes: the lane that serves it, the host for the limits, a target.

    Attributes:
        lane: transport and worker key.
        host: what `started` log lines show and MAXHOST counts.
        address: the address as the transport gets it.
        target: the transport's own value, such as the local account.
    """

    lane: Lane
    host: str
    address: str
    target: object


@attrs.define(eq=False)
class Delivery:
    """One recipient of one round on its way through a transport."""

    round: Round
    index: int
    route: Routed
    losses: int = 0

    @property
    def state(self) -> RecipientState:
        """The recipient's state before this attempt."""
        return self.round.states[self.index]


@attrs.frozen(kw_only=True)
class DeliveryResult:
    """How one delivery ended: its outcome and the addresses it forwards to; or it was lost."""

    outcome: Outcome | None
    forwards: tuple[str, ...] = ()


class Transport(Protocol):
    """What runs the batches of a lane."""

    def run(self, lane: Lane, deliveries: list[Delivery]) -> Future[list[DeliveryResult]]:
        """Deliver; results in the order of the deliveries.  Raises nothing, also later."""
        ...


class Reporter(Protocol):
    """Who writes reports and forwards, as messages ready to be queued."""

    def reports(
        self, job: Job, states: tuple[RecipientState, ...], kind: ReportKind
    ) -> tuple[list[NewMessage], dict[int, str]]:
        """Reports of a kind (`final`, `early`, `delay`), and the marks of who was reported."""
        ...

    def forward(self, job: Job, index: int, addresses: tuple[str, ...]) -> list[NewMessage] | Reply:
        """A forwarded copy of the message, or why it cannot be made."""
        ...


@attrs.define(eq=False)
class Round:
    """One message between its lease and the end of its attempts."""

    job: Job
    states: tuple[RecipientState, ...]
    waiting: int = 0
    outcomes: dict[int, Outcome] = attrs.field(factory=dict)
    forwards: dict[int, tuple[str, ...]] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Scheduler:
    """Runs the queue until told to stop.

    Attributes:
        queue: the store; this object must be its only scheduler.
        route: where a recipient's address goes, or the reply it gets.
        transports: by the lane's transport name.
        planner: limits and fairness.
        reporter: reports and forwards.
        settings: timetable and limits.
        clock: time.
        mail_log: who writes the lines that log analysers read, or None.
    """

    queue: Queue
    route: Callable[[str], Routed | Reply]
    transports: dict[str, Transport]
    reporter: Reporter
    planner: Planner[Delivery] = attrs.field(factory=Planner)
    settings: SchedulerSettings = attrs.field(factory=SchedulerSettings)
    clock: Clock = attrs.field(factory=SystemClock)
    mail_log: MailLog | None = None
    _rounds: dict[int, Round] = attrs.field(factory=dict, init=False)
    _wake: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _recording: int = attrs.field(default=0, init=False)
    _records: Completions[None] = attrs.field(factory=Completions, init=False)

    @property
    def in_progress(self) -> int:
        """Messages that are leased now."""
        return len(self._rounds)

    def wake(self) -> None:
        """Look at the queue again soon; for the loop's own thread."""
        self._wake.set()

    async def run(self, stop: Awaitable[object]) -> None:
        """Work until `stop` is done; then finish what runs and return."""
        stopping = asyncio.ensure_future(stop)
        stopping.add_done_callback(lambda _: self._stop())
        try:
            while not self._stopping:
                self._wake.clear()
                self._load()
                self._start_batches()
                await self._sleep()
        finally:
            stopping.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._settle()

    async def _settle(self) -> None:
        """Let running batches end, and what they brought be recorded."""
        while self.planner.running() or self._recording:
            self._wake.clear()
            await self._wake.wait()

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def _sleep(self) -> None:
        """Wait for a result, a wake-up, or the next moment at which something is due."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._pause())

    def _pause(self) -> float:
        pause = POLL_SECONDS
        if self._has_room:
            due = self._next_due()
            if due is not None:
                pause = min(pause, due - self.clock.now())
        look = self.planner.next_look()
        if look is not None:
            pause = min(pause, look - self.clock.monotonic())
        return max(pause, 0.001)

    @property
    def _has_room(self) -> bool:
        return len(self._rounds) < self.settings.queue_high

    def _next_due(self) -> float | None:
        try:
            return self.queue.next_due()
        except CouriermailError as error:
            log.error("cannot read the queue: %s", error)
            return self.clock.now() + RECORD_AGAIN_SECONDS

    def _load(self) -> None:
        room = self.settings.queue_high - len(self._rounds)
        if room <= 0:
            return
        try:
            jobs = self.queue.lease(room, self.clock.now())
        except CouriermailError as error:
            log.error("cannot read the queue: %s", error)
            return
        for job in jobs:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        """Start a round: route the unfinished recipients (spec mta.md 9.2)."""
        round_ = Round(job, job.states)
        self._rounds[job.number] = round_
        if self.mail_log is not None and job.rounds == 0:
            self.mail_log.new_message(job)
        deliveries = []
        for index, state in enumerate(round_.states):
            if state.is_finished:
                continue
            if job.cancelled is not None:
                round_.outcomes[index] = _cancelled(index, job.cancelled)
                continue
            route = self._routed(state.recipient.address)
            if isinstance(route, Reply):
                round_.outcomes[index] = _refused(index, route)
            else:
                deliveries.append(Delivery(round_, index, route))
        round_.waiting = len(deliveries)
        for delivery in deliveries:
            if self.mail_log is not None:
                self.mail_log.started(job, delivery)
            self.planner.add(Task(delivery.route.lane, delivery.route.host, delivery))
        if not deliveries:
            self._end(round_)

    def _routed(self, address: str) -> Routed | Reply:
        try:
            return self.route(address)
        except CouriermailError as error:
            return error.reply

    def _start_batches(self) -> None:
        while (batch := self.planner.take(self.clock.monotonic())) is not None:
            reach("scheduler.before-batch")
            deliveries = [task.work for task in batch.tasks]
            future = self.transports[batch.lane.transport].run(batch.lane, deliveries)
            wrapped = asyncio.wrap_future(future)
            wrapped.add_done_callback(self._ended(batch, deliveries))

    def _ended(
        self, batch: Batch[Delivery], deliveries: list[Delivery]
    ) -> Callable[[asyncio.Future[list[DeliveryResult]]], None]:
        def ended(future: asyncio.Future[list[DeliveryResult]]) -> None:
            self.planner.end(batch)
            self._wake.set()
            if future.cancelled():
                return  # the pool was closed before the batch began; the queue has it still
            error = future.exception()
            if error is not None:
                log.error("transport %s failed", batch.lane.transport, exc_info=error)
                results = [DeliveryResult(outcome=None)] * len(deliveries)
            else:
                results = future.result()
            for delivery, result in zip(deliveries, results, strict=True):
                self._take_result(delivery, result)

        return ended

    def _take_result(self, delivery: Delivery, result: DeliveryResult) -> None:
        outcome = result.outcome
        if outcome is None:
            delivery.losses += 1
            if delivery.losses < MAX_LOSSES:
                if not self._stopping:
                    self.planner.add(Task(delivery.route.lane, delivery.route.host, delivery))
                return
            outcome = Outcome(
                index=delivery.index, kind="deferral", lines=("450 Delivery agent failed.",)
            )
        round_ = delivery.round
        round_.outcomes[delivery.index] = outcome
        if result.forwards and outcome.kind == "success":
            round_.forwards[delivery.index] = result.forwards
        round_.waiting -= 1
        if not round_.waiting:
            self._end(round_)

    def _forward(self, round_: Round) -> list[NewMessage]:
        """The forwarded copies; a refused one makes its delivery fail (spec mta.md 11.7)."""
        new: list[NewMessage] = []
        for index, addresses in round_.forwards.items():
            made = self.reporter.forward(round_.job, index, addresses)
            if isinstance(made, Reply):
                round_.outcomes[index] = _refused(index, made)
            else:
                new.extend(made)
        return new

    def _end(self, round_: Round) -> None:
        """All deliveries ended: record how; what cannot be handled must not stop the others."""
        try:
            self._conclude(round_)
        except Exception as error:
            log.exception("cannot conclude %s", round_.job.id)
            self._rounds.pop(round_.job.number, None)
            with contextlib.suppress(CouriermailError):  # its lease may be gone already
                # Spec mta.md 8.7: the third time in a row the queue puts it on hold.
                again = self.clock.now() + self.settings.schedule.delay(1)
                self.queue.release(round_.job, again, error=repr(error)[:200])

    def _conclude(self, round_: Round) -> None:
        """Decide, write the reports, hand everything to the queue as one transaction."""
        job, now = round_.job, self.clock.now()
        new = self._forward(round_)
        outcomes = tuple(round_.outcomes.values())
        states = job.states_after(outcomes, now)
        ending = conclude(
            states,
            expires=job.envelope.expires,
            warn=job.envelope.warn,
            is_warned=job.warned,
            rounds=job.rounds + 1,
            now=now,
            schedule=self.settings.schedule,
        )
        reports, reported = self._reports(job, states, ending)
        reach("scheduler.before-record")
        given_up = tuple(
            Outcome(index=index, kind="failure", lines=states[index].lines)
            for index in ending.given_up
        )
        future = self.queue.finish(
            job,
            (*outcomes, *given_up),
            next_due=ending.next_due,
            new=(*new, *reports),
            warned=ending.kind == "warn",
            reported=reported,
            remove=ending.kind == "final",
        )
        self._recording += 1
        recorded = self._records.wait_for(future)
        recorded.add_done_callback(lambda done: self._recorded(round_, done))

    def _reports(
        self, job: Job, states: tuple[RecipientState, ...], ending: Ending
    ) -> tuple[list[NewMessage], dict[int, str]]:
        early: tuple[ReportKind, ...] = ("early",) if self.settings.report_early else ()
        kinds: dict[str, tuple[ReportKind, ...]] = {
            "final": ("final",),
            "warn": (*early, "delay"),
            "retry": early,
        }
        new: list[NewMessage] = []
        reported: dict[int, str] = {}
        for kind in kinds[ending.kind]:
            messages, marks = self.reporter.reports(job, states, kind)
            new.extend(messages)
            for index, letters in marks.items():
                reported[index] = reported.get(index, "") + letters
        return new, reported

    def _recorded(self, round_: Round, future: asyncio.Future[None]) -> None:
        self._recording -= 1
        self._wake.set()
        if future.cancelled():
            return
        error = future.exception()
        if error is not None and not isinstance(error, StorageError):
            log.error("cannot record %s", round_.job.id, exc_info=error)
            self._rounds.pop(round_.job.number, None)
            return
        if error is not None:
            # Spec mta.md 8.6: the outcomes stay in memory and are offered again; the message is
            # not attempted meanwhile.
            log.error("cannot record a round: %s", error)
            if not self._stopping:
                asyncio.get_running_loop().call_later(RECORD_AGAIN_SECONDS, self._end, round_)
            return
        reach("scheduler.after-record")
        self._rounds.pop(round_.job.number, None)
        if self.mail_log is not None:
            for outcome in round_.outcomes.values():
                self.mail_log.ended(round_.job, outcome)
            self.mail_log.completed(round_.job)


class MailLog(Protocol):
    """Who writes the lines of spec mta.md 15."""

    def new_message(self, job: Job) -> None:
        """A message is attempted for the first time."""
        ...

    def started(self, job: Job, delivery: Delivery) -> None:
        """A recipient's delivery is planned."""
        ...

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A recipient's delivery ended and this was recorded."""
        ...

    def completed(self, job: Job) -> None:
        """The round was recorded."""
        ...


def _refused(index: int, reply: Reply) -> Outcome:
    kind: OutcomeKind = "deferral" if reply.is_temporary_failure else "failure"
    return Outcome(index=index, kind=kind, lines=tuple(reply.lines()))


def _cancelled(index: int, reasons: Iterable[str]) -> Outcome:
    return Outcome(index=index, kind="failure", lines=tuple(reasons) or ("Message cancelled.",))
