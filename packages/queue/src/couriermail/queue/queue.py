"""The queue: what producers, the scheduler and operators call.

Threads and processes may use it freely; a process opens a queue once, after it forked.  The
promises (spec mta 8.4): what was acknowledged is synced; a reader sees a message whole or not
at all; a message leaves only when all its recipients are finished; outcomes and the reports
they call for are one transaction.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from couriermail.core.clock import SystemClock
from couriermail.queue.bodies import BodyStore, BodyWriter
from couriermail.queue.committer import Committer, Ticket, Work
from couriermail.queue.errors import (
    CorruptMessageError,
    QueueError,
    QueueStorageError,
    RecordTooLargeError,
    disk_error,
)
from couriermail.queue.leases import LeaseBook, SchedulerLock
from couriermail.queue.listing import (
    find_number,
    iter_summaries,
    list_marks,
    list_quarantine,
    read_summary,
)
from couriermail.queue.message import Outcome, QueueId, Submission, Summary, parse_number
from couriermail.queue.numbers import Numbers
from couriermail.queue.reading import read_body
from couriermail.queue.records import mark_key, micros, seconds
from couriermail.queue.settings import QueueSettings
from couriermail.queue.staging import Stager, seal_all
from couriermail.queue.state import Change, encode_state
from couriermail.queue.store import Store
from couriermail.queue.trigger import Trigger
from couriermail.queue.works import FinishWork, ForgetWork, Prepared, QuarantineWork, StateWork

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from couriermail.core.clock import Clock
    from couriermail.queue.job import Job
    from couriermail.queue.records import MessageRecord
    from couriermail.queue.recovery import Finding
    from couriermail.queue.rows import Quarantined
    from couriermail.queue.state import StoredState

__all__ = ["Queue"]

DEFAULTS = QueueSettings()
SYNC_THREADS = 8  # body files synced at the same time for `submit_soon`
FLUSH_CHUNK = 1000  # messages changed per transaction, so that others get their turn
READER_CHECK = 60.0  # seconds (spec mta 8.5)
CLOCK_JUMP = 3600.0  # seconds backwards that count as a jump (spec mta 8.8)


class Queue:
    """A durable mail queue in one directory.  Use `Queue.open`."""

    def __init__(self, store: Store, settings: QueueSettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._trigger = Trigger(store.path)
        self._lock = SchedulerLock(store.path)
        self._bodies = BodyStore(store.path, settings)
        self._committer = Committer(store, settings, self._announce)
        self._numbers = Numbers(store, self._committer, settings.id_block)
        self._stager = Stager(store, self._bodies, self._numbers, settings, clock)
        self._leases = LeaseBook(store, self._bodies_reader, self._quarantine)
        # Ids must differ, they need not be secret: system randomness costs 8 us per id.
        self._random = random.Random(os.urandom(16))  # noqa: S311
        self._syncers: ThreadPoolExecutor | None = None
        self._once = threading.Lock()
        self._last_lease = 0.0
        self._readers_checked = clock.monotonic()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        settings: QueueSettings = DEFAULTS,
        clock: Clock | None = None,
        create: bool = True,
    ) -> Self:
        """Open the queue in directory `path`.

        Raises:
            QueueBusyError: this process has it open already.
            QueueDamagedError: the database cannot be read; the text names the file.
            QueueStorageError: it is missing (with `create=False`) or cannot be opened.
        """
        clock = clock or SystemClock()
        store = Store(os.fspath(path), settings, clock, create=create)
        store.check_readers()
        return cls(store, settings, clock)

    def close(self) -> None:
        """Commit what was handed over and close.  Leases end; their messages stay due."""
        if self._syncers is not None:
            self._syncers.shutdown()
        self._committer.close()
        self._lock.release()
        self._trigger.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Producers

    def new_body(self) -> BodyWriter:
        """A writer for one message body."""
        return BodyWriter(self._bodies)

    def new_id(self) -> QueueId:
        """An id that no message ever had or will have.

        Raises:
            QueueStorageError: no block of numbers could be reserved.
        """
        return self.new_ids(1)[0]

    def new_ids(self, count: int) -> tuple[QueueId, ...]:
        """Ids for the parts of one split message: they differ in the first part only."""
        tail = f".{int(self._clock.now()):016X}.{self._random.getrandbits(32):08X}"
        return tuple(f"{number:016X}{tail}" for number in self._numbers.take(count))

    def submit(self, submissions: Submission | Sequence[Submission]) -> None:
        """Queue one or several messages, all or none; durable when it returns.

        Raises:
            RecordTooLargeError: an envelope is larger than `max_record`.
            QueueStorageError: nothing was stored; the bodies may be submitted again.
            QueueError: an id is taken, a mark is set, a body was used before, a message has no
                recipient, or an outcome is for none of them.
        """
        self._committer.stage()
        try:
            work, files = self._stager.prepare(_as_sequence(submissions))
            seal_all(files)
        except BaseException:
            self._committer.unstage()
            raise
        self._committer.put(work, was_staged=True)
        work.ticket.result()

    def submit_soon(self, submissions: Submission | Sequence[Submission]) -> Future[None]:
        """`submit` without waiting: the future is resolved after the commit.

        Large bodies are synced by threads of the queue, several at a time.  Every error comes
        through the future.
        """
        try:
            work, files = self._stager.prepare(_as_sequence(submissions))
            self._put(work, files)
        except QueueError as error:
            return _failed(error)
        return work.ticket

    def check_space(self) -> None:
        """Refuse new mail in time (spec mta 6.8): call it per recipient and while receiving.

        Raises:
            QueueStorageError: `is_full`: few octets or inodes are free, or the map is nearly full.
        """
        try:
            found = os.statvfs(self._store.path)
        except OSError as error:
            raise disk_error(error, "cannot examine", self._store.path) from error
        is_short = found.f_bavail * found.f_frsize < self._settings.min_free
        if found.f_files:  # some file systems do not count inodes
            is_short = is_short or found.f_favail < self._settings.min_inodes
        if is_short or self._store.used_share() >= 1.0 - self._settings.map_reserve:
            raise QueueStorageError(
                "too little space for new mail", path=self._store.path, is_full=True
            )

    # Marks (see `Submission.mark`)

    def has_mark(self, name: str) -> bool:
        """True when a message with this mark was queued and the mark not cleared since.

        The message itself may be delivered and gone.
        """
        with self._store.read() as transaction:
            return transaction.get(mark_key(name) or b"\0", db=self._store.db.marks) is not None

    def marks(self) -> dict[str, float]:
        """Every mark, with the epoch when its message was queued."""
        return list_marks(self._store)

    def clear_mark(self, *names: str) -> Future[None]:
        """Forget marks, once what their messages were made of is gone for good.

        Unknown names do no harm.  The future is resolved after the commit; nobody needs to wait
        for it, because a mark that stays too long only takes space.
        """
        work = ForgetWork(self._store, [mark_key(name) for name in names if name])
        try:
            self._committer.put(work)
        except QueueError as error:
            return _failed(error)
        return work.ticket

    # The scheduler

    def become_scheduler(self) -> list[Finding]:
        """Be the one process that leases, after putting right what a crash left (8.7).

        `lease` does this by itself when it was not done.  Returns what was found; messages
        whose records or bodies were unreadable are in quarantine now, and somebody should be
        told once.

        Raises:
            QueueBusyError: another process is the scheduler.
        """
        from couriermail.queue.repair import repair

        if self._lock.is_held:
            return []
        self._lock.acquire()
        try:
            return repair(self._store, self._bodies, self._committer, self._clock.now())
        except BaseException:
            self._lock.release()
            raise

    def lease(self, limit: int, now: float, exclude: Collection[QueueId] = ()) -> list[Job]:
        """Up to `limit` messages due at `now`, oldest first, equals by number.

        A leased message stays so until `finish` or `release` ended the lease, or the process
        did: then it is due as before, the attempt not counted.

        Raises:
            QueueBusyError: another process is the scheduler.
        """
        if not self._lock.is_held:
            self.become_scheduler()
        if now < self._last_lease - CLOCK_JUMP:
            self._pull_in(now)
        self._last_lease = now
        self._check_readers()
        excluded = {parse_number(queue_id) or 0 for queue_id in exclude} if exclude else ()
        return self._leases.lease(limit, now, excluded)

    def finish(
        self,
        job: Job,
        outcomes: Sequence[Outcome] = (),
        *,
        next_due: float | None = None,
        new: Submission | Sequence[Submission] = (),
        warned: bool = False,
        remove: bool = False,
        reported: Mapping[int, str] | None = None,
        is_round: bool = True,
    ) -> Future[None]:
        """Record what became of a leased message, in one transaction.

        With `remove` the message leaves the queue, with `next_due` it is rescheduled; both
        end the lease when the commit is done.  With neither the outcomes are recorded and the
        lease goes on.  When the future fails nothing was recorded and the lease goes on too.

        Args:
            job: from `lease`.
            outcomes: of recipients; those for finished recipients change nothing.
            next_due: epoch of the next attempt.  A message that was cancelled meanwhile is
                due at once instead (spec mta 9.5).
            new: reports and forwards to insert in the same transaction.
            warned: the delay was reported.
            remove: delete the message.
            reported: recipient index -> letters of the kinds of report sent for it.
            is_round: with `next_due`: a round of attempts is complete and counts for the
                retry timetable.

        Raises:
            QueueError: the job is not leased, an index is none of its recipients, or
                `remove` would lose a recipient that has no final outcome (contract D3).
        """
        self._leases.require(job)
        change = self._change(
            outcomes=tuple(outcomes),
            next_due=next_due,
            warned=warned,
            reported=dict(reported or {}),
            is_round=is_round and next_due is not None,
        )
        return self._finish(job, change, new=_as_sequence(new), remove=remove)

    def release(self, job: Job, next_due: float | None = None, *, error: str = "") -> Future[None]:
        """Give a lease back without an outcome; the round does not count.

        Args:
            job: from `lease`.
            next_due: epoch when it is due again; None leaves it as it was.
            error: handling the message failed unexpectedly, like this.  The third time in a
                row puts it on hold with this reason (spec mta 8.7, the poison guard).
        """
        self._leases.require(job)
        if next_due is None and not error:
            self._leases.end_lease(job)
            return _done()
        return self._finish(job, self._change(next_due=next_due, error=error), ends_lease=True)

    def next_due(self) -> float | None:
        """Epoch when the next message that is not leased is due; None when there is none."""
        when = self._leases.next_due()
        return None if when is None else seconds(when)

    def trigger_fd(self) -> int:
        """A descriptor that becomes readable when mail came in; for an event loop."""
        return self._trigger.open_reader()

    def read_trigger(self) -> tuple[str, ...]:
        """The lines that came in: empty ones mean new mail, others are control commands."""
        return self._trigger.drain()

    def notify(self, command: str = "") -> bool:
        """Send the scheduler a control command, or wake it; False when none listens."""
        return self._trigger.notify(command)

    # Operators

    def find(self, queue_id: QueueId) -> Summary:
        """One message.

        Raises:
            MessageNotFoundError: the whole id must be that of a queued message.
        """
        return read_summary(self._store, queue_id)

    def summaries(self, uid: int | None = None) -> Iterator[Summary]:
        """Every message, or those of one submitter, in order of number."""
        return iter_summaries(self._store, uid)

    def cancel(self, queue_id: QueueId, reasons: Sequence[str] = ()) -> None:
        """Mark a message cancelled and make it due: its next attempt fails with `reasons`.

        Raises:
            MessageNotFoundError: no such message.
        """
        now = micros(self._clock.now())

        def change(state: StoredState) -> None:
            state.cancelled = (*(state.cancelled or ()), *reasons)
            state.held = None
            state.next = min(state.next, now)

        self._change_one(queue_id, change)

    def flush(self, queue_id: QueueId | None = None) -> None:
        """Make one message, or all that are not on hold, due now."""
        now = micros(self._clock.now())

        def change(state: StoredState) -> None:
            state.next = min(state.next, now)

        if queue_id is not None:
            self._change_one(queue_id, change)
            return
        from couriermail.queue.repair import due_after

        self._change_many(due_after(self._store, now), change)

    def hold(self, queue_id: QueueId, reason: str = "") -> None:
        """Take a message out of scheduling until `unhold`.

        Raises:
            MessageNotFoundError: no such message.
        """

        def change(state: StoredState) -> None:
            state.held = reason

        self._change_one(queue_id, change)

    def unhold(self, queue_id: QueueId) -> None:
        """Let a held message be scheduled again, due when it was.

        Raises:
            MessageNotFoundError: no such message.
        """

        def change(state: StoredState) -> None:
            state.held = None
            state.errors = 0

        self._change_one(queue_id, change)

    def check(self) -> list[Finding]:
        """Look for what does not fit together, reading every body; repairs nothing."""
        from couriermail.queue.recovery import examine, orphan_files

        damage = examine(self._store, self._bodies, is_deep=True)
        return [*damage, *orphan_files(self._store, self._bodies)]

    def quarantined(self) -> list[Quarantined]:
        """Messages that were moved out of the way because they cannot be read."""
        return list_quarantine(self._store)

    # Behind the scenes

    def _check_readers(self) -> None:
        """Free the slots of readers that died; they would pin freed pages for ever."""
        now = self._clock.monotonic()
        if now - self._readers_checked >= READER_CHECK:
            self._readers_checked = now
            self._store.check_readers()

    def _announce(self) -> None:
        self._trigger.notify()

    def _put(self, work: Work, files: Sequence[BodyWriter]) -> None:
        """Hand `work` to the committer, once its body files are durable."""
        if not files:
            self._committer.put(work)
            return
        self._committer.stage()

        def seal_and_put() -> None:
            try:
                seal_all(files)
            except QueueError as error:
                self._committer.unstage()
                work.ticket.set_exception(error)
                return
            try:
                self._committer.put(work, was_staged=True)
            except QueueError as error:
                work.ticket.set_exception(error)

        self._sync_threads().submit(seal_and_put)

    def _sync_threads(self) -> ThreadPoolExecutor:
        with self._once:
            if self._syncers is None:
                from concurrent.futures import ThreadPoolExecutor

                self._syncers = ThreadPoolExecutor(SYNC_THREADS, "queue-sync")
            return self._syncers

    def _change(
        self,
        *,
        outcomes: tuple[Outcome, ...] = (),
        next_due: float | None = None,
        warned: bool = False,
        reported: Mapping[int, str] | None = None,
        is_round: bool = False,
        error: str = "",
    ) -> Change:
        return Change(
            now=micros(self._clock.now()),
            outcomes=outcomes,
            next_due=next_due,
            warned=warned,
            reported=reported or {},
            is_round=is_round,
            error=error,
            log_records=self._settings.log_records,
            log_octets=self._settings.log_octets,
        )

    def _finish(
        self,
        job: Job,
        change: Change,
        *,
        new: Sequence[Submission] = (),
        remove: bool = False,
        ends_lease: bool = False,
    ) -> Future[None]:
        _require_indexes(job, change)
        raw = job.raw_state  # before `stored`: a commit may bring both up to date meanwhile
        stored = job.stored
        state = stored.copy()
        change.apply_to(state, was_cancelled=job.cancelled is not None)
        if remove and not state.is_finished(len(job.envelope.recipients)):
            raise QueueError(f"{job.id}: removal would lose unfinished recipients")
        try:
            submit, files = self._stager.prepare(new) if new else (None, [])
            prepared = None if remove else Prepared(raw, stored.due, state, self._encode(state))
        except QueueError as error:
            return _failed(error)
        work = FinishWork(
            self._store,
            job,
            change,
            prepared=prepared,
            new=submit,
            ends_lease=ends_lease or remove or change.next_due is not None,
            leases=self._leases,
            bodies=self._bodies,
        )
        try:
            self._put(work, files)
        except QueueError as error:
            return _failed(error)
        return work.ticket

    def _encode(self, state: StoredState) -> bytes:
        record = encode_state(state)
        if len(record) > self._settings.max_record:
            raise RecordTooLargeError(
                "notes too large", limit="max_record", maximum=self._settings.max_record
            )
        return record

    def _change_one(self, queue_id: QueueId, change: Callable[[StoredState], None]) -> None:
        self._change_many([find_number(self._store, queue_id)], change)

    def _change_many(self, numbers: Sequence[int], change: Callable[[StoredState], None]) -> None:
        for start in range(0, len(numbers), FLUSH_CHUNK):
            work = StateWork(self._store, numbers[start : start + FLUSH_CHUNK], change)
            self._committer.put(work)
            work.ticket.result()

    def _pull_in(self, now: float) -> None:
        """The clock was set back: what is due absurdly late is due now (spec mta 8.8)."""
        from couriermail.queue.repair import due_after

        limit = micros(now)

        def change(state: StoredState) -> None:
            state.next = min(state.next, limit)

        late = due_after(self._store, micros(now + self._settings.max_delay), arrived_by=limit)
        self._change_many(late, change)

    def _bodies_reader(self, record: MessageRecord) -> bytes | BinaryIO:
        try:
            return read_body(self._store, self._bodies, record)
        except CorruptMessageError as error:
            self._leases.give_up(record.number)
            self._quarantine(record.number, str(error))
            raise

    def _quarantine(self, number: int, reason: str) -> None:
        self._committer.put(QuarantineWork(self._store, number, reason))


def _require_indexes(job: Job, change: Change) -> None:
    count = len(job.envelope.recipients)
    indexes = [*(outcome.index for outcome in change.outcomes), *change.reported]
    if any(not 0 <= index < count for index in indexes):
        raise QueueError(f"{job.id}: an outcome for a recipient that it does not have")


def _as_sequence(submissions: Submission | Sequence[Submission]) -> Sequence[Submission]:
    return (submissions,) if isinstance(submissions, Submission) else submissions


def _failed(error: QueueError) -> Future[None]:
    ticket = Ticket()
    ticket.set_exception(error)
    return ticket


def _done() -> Future[None]:
    ticket = Ticket()
    ticket.set_result(None)
    return ticket
