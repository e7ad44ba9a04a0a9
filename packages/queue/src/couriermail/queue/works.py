"""What is written in one piece: new messages, outcomes, operators' changes, quarantine.

Each class here is a `committer.Work`: its constructor gets finished records, its `apply`
only puts and deletes.  `queue.py` decides when to make which.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import attrs

from couriermail.core.faults import reach
from couriermail.queue.committer import Work
from couriermail.queue.errors import MessageNotFoundError, QueueError
from couriermail.queue.records import BodyRef, number_key
from couriermail.queue.rows import (
    NewMessage,
    add_mark,
    add_message,
    add_shared_body,
    current_due,
    put_state,
    quarantine,
    read_state,
    remove_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import lmdb

    from couriermail.queue.bodies import BodyStore, BodyWriter
    from couriermail.queue.job import Job
    from couriermail.queue.state import Change, StoredState
    from couriermail.queue.store import Store

__all__ = [
    "FinishWork",
    "ForgetWork",
    "NewBody",
    "Prepared",
    "QuarantineWork",
    "ReserveWork",
    "StateWork",
    "SubmitWork",
]

_logger = logging.getLogger("couriermail.queue")


@attrs.frozen
class NewBody:
    """A body in a row or file of its own, ready to be inserted.

    Attributes:
        reference: where it lies.
        data: the octets, empty for a file.
        count: messages that use it.
    """

    reference: BodyRef
    data: bytes
    count: int


@attrs.frozen
class Prepared:
    """A state computed before the transaction, and what it was computed from.

    Attributes:
        raw_before: the record it follows from, None when there was none.
        due_before: the place in the due index that goes with that.
        state: the new state.
        record: the same, encoded.
    """

    raw_before: bytes | None
    due_before: int | None
    state: StoredState
    record: bytes


class LeaseBook(Protocol):
    """Who is told when a lease ends."""

    def end_lease(self, job: Job) -> None:
        """The outcome of `job` is durable and it may be leased again."""


class SubmitWork(Work):
    """Insert messages, all or none."""

    is_new_mail = True
    is_news = True

    def __init__(
        self,
        store: Store,
        messages: Sequence[NewMessage],
        bodies: Sequence[NewBody] = (),
        writers: Sequence[BodyWriter] = (),
        *,
        arrival: int = 0,
    ) -> None:
        super().__init__()
        self._store = store
        self._arrival = arrival
        self._messages = messages
        self._bodies = bodies
        self._writers = writers

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Insert bodies, messages, due entries and marks."""
        db = self._store.db
        for body in self._bodies:
            add_shared_body(transaction, db, body.reference, body.data, body.count)
        for message in self._messages:
            if not add_message(transaction, db, message):
                raise QueueError("a message with this id is queued already")
        for mark in {message.mark for message in self._messages if message.mark}:
            if not add_mark(transaction, db, mark, self._arrival):
                raise QueueError("a message with this mark was queued before")

    def committed(self) -> None:
        """The body files belong to the queue now."""
        for writer in self._writers:
            writer.stored()


class FinishWork(Work):
    """Record outcomes, insert reports, and reschedule or remove the message.

    `prepared` is the state that results if nobody else (an operator's cancel or hold, an
    outcome that is still on its way) touched the message; then nothing is decoded inside the
    transaction.  It is None for a removal.

    Fault points: `queue.finish-before-commit`, `queue.finish-after-commit`.
    """

    is_urgent = False

    def __init__(
        self,
        store: Store,
        job: Job,
        change: Change,
        *,
        prepared: Prepared | None,
        new: SubmitWork | None,
        ends_lease: bool,
        leases: LeaseBook,
        bodies: BodyStore,
    ) -> None:
        super().__init__()
        self._store = store
        self._job = job
        self._change = change
        self._prepared = prepared
        self._new = new
        self._ends_lease = ends_lease
        self._leases = leases
        self._bodies = bodies
        self._result: tuple[StoredState, bytes] | None = None
        self._orphan: int | None = None
        self.is_news = new is not None

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Write it."""
        if self._new is not None:
            self._new.apply(transaction)
        if self._prepared is None:
            self._orphan = self._remove(transaction)
        else:
            self._result = self._write_state(transaction, self._prepared)
        reach("queue.finish-before-commit")

    def committed(self) -> None:
        """Show the new state, end the lease and unlink the body file."""
        reach("queue.finish-after-commit")
        if self._result is not None:
            self._job.update(*self._result)
        if self._ends_lease:
            self._leases.end_lease(self._job)
        if self._new is not None:
            self._new.committed()
        if self._orphan is not None:
            self._bodies.remove(self._orphan)

    def _remove(self, transaction: lmdb.Transaction) -> int | None:
        job = self._job
        try:
            return remove_message(transaction, self._store.db, job.number, job.body)
        except KeyError:
            raise MessageNotFoundError(f"{job.id} is not queued") from None

    def _write_state(
        self, transaction: lmdb.Transaction, prepared: Prepared
    ) -> tuple[StoredState, bytes]:
        db = self._store.db
        job = self._job
        raw = transaction.get(number_key(job.number), db=db.state)
        if raw == prepared.raw_before and (raw is not None or self._exists(transaction)):
            state, record = prepared.state, prepared.record
            put_state(transaction, db, job.number, prepared.due_before, state, record=record)
            return state, record
        try:
            state, _ = read_state(transaction, db, job.number)
        except KeyError:
            raise MessageNotFoundError(f"{job.id} is not queued") from None
        before = state.due
        self._change.apply_to(state, was_cancelled=job.cancelled is not None)
        return state, put_state(transaction, db, job.number, before, state)

    def _exists(self, transaction: lmdb.Transaction) -> bool:
        return current_due(transaction, self._store.db, self._job.number) is not None


class StateWork(Work):
    """An operator's change to messages that need not be leased (cancel, hold, flush)."""

    is_news = True

    def __init__(
        self, store: Store, numbers: Sequence[int], change: Callable[[StoredState], None]
    ) -> None:
        super().__init__()
        self._store = store
        self._numbers = numbers
        self._change = change

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Change every message that still exists."""
        for number in self._numbers:
            try:
                state, _ = read_state(transaction, self._store.db, number)
            except KeyError:
                continue
            before = state.due
            self._change(state)
            put_state(transaction, self._store.db, number, before, state)


class QuarantineWork(Work):
    """Move an unreadable message out of the way."""

    is_urgent = False

    def __init__(self, store: Store, number: int, reason: str) -> None:
        super().__init__()
        self._store = store
        self._number = number
        self._reason = reason

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Move its records to `bad` and drop its due entries."""
        quarantine(transaction, self._store.db, self._number, self._reason)

    def committed(self) -> None:
        """Say so once."""
        _logger.error("QUEUE FILE CORRUPTION: id=%016X: %s", self._number, self._reason)


class ForgetWork(Work):
    """Delete marks."""

    is_urgent = False

    def __init__(self, store: Store, keys: Sequence[bytes]) -> None:
        super().__init__()
        self._store = store
        self._keys = keys

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Delete those that exist."""
        for key in self._keys:
            transaction.delete(key, db=self._store.db.marks)


class ReserveWork(Work):
    """Reserve a block of message numbers."""

    def __init__(self, store: Store, count: int, keep: Callable[[int, int], None]) -> None:
        super().__init__()
        self._store = store
        self._count = count
        self._keep = keep
        self._start = 0

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Move the next number of the queue past the block."""
        meta = self._store.db.meta
        found = transaction.get(b"next", db=meta)
        self._start = 1 if found is None else int.from_bytes(found, "big")
        transaction.put(b"next", (self._start + self._count).to_bytes(8, "big"), db=meta)

    def committed(self) -> None:
        """Hand the block over."""
        self._keep(self._start, self._count)
