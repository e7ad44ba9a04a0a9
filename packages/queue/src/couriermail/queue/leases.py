"""Leases: which due message the scheduler has in hand.

A lease is an entry in the memory of the one process that holds `<queue>/scheduler.lock`
(flock; the kernel drops it with the process, however that ends).  Nothing about leases is on
disk: a restart finds every message of the dead scheduler due as it was, its attempt not
counted, and a lease costs no commit.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from typing import TYPE_CHECKING

from couriermail.queue.errors import (
    CorruptMessageError,
    QueueBusyError,
    QueueError,
    disk_error,
)
from couriermail.queue.job import Job
from couriermail.queue.records import decode_message, micros, number_key, split_due_key
from couriermail.queue.state import StoredState, decode_state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import BinaryIO

    import lmdb

    from couriermail.queue.records import MessageRecord
    from couriermail.queue.store import Store

__all__ = ["LeaseBook", "SchedulerLock"]

LOCK_NAME = "scheduler.lock"

_logger = logging.getLogger("couriermail.queue")


class SchedulerLock:
    """The lock that makes a process the scheduler of a queue.

    Args:
        directory: the queue's directory.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, LOCK_NAME)
        self._descriptor = -1

    @property
    def is_held(self) -> bool:
        """True when this object holds it."""
        return self._descriptor >= 0

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            QueueBusyError: another process, or another queue object of this one, has it.
        """
        if self._descriptor >= 0:
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise disk_error(error, "cannot open", self._path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise QueueBusyError(f"{self._path}: another scheduler is running") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class LeaseBook:
    """The leases of the scheduler.

    Args:
        store: the database.
        read_body: how a job gets at its body.
        report_broken: called for a message whose records cannot be read.
    """

    def __init__(
        self,
        store: Store,
        read_body: Callable[[MessageRecord], bytes | BinaryIO],
        report_broken: Callable[[int, str], None],
    ) -> None:
        self._store = store
        self._read_body = read_body
        self._report_broken = report_broken
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._broken: set[int] = set()

    def lease(self, limit: int, now: float, excluded: Collection[int]) -> list[Job]:
        """Up to `limit` messages due at `now` that are neither leased nor excluded."""
        # `end_lease` runs after the commit and needs this lock: whatever is no longer in the
        # book when the snapshot is taken is in the snapshot as it was committed.
        with self._lock, self._store.read() as transaction:
            numbers = self._due_numbers(transaction, limit, micros(now), excluded)
            jobs, broken = self._load_all(transaction, numbers)
            self._jobs.update((job.number, job) for job in jobs)
            self._broken.update(number for number, _ in broken)
        for number, reason in broken:
            self._report_broken(number, reason)
        return jobs

    def require(self, job: Job) -> None:
        """Check that `job` is leased.

        Raises:
            QueueError: it was finished or released before, or belongs to another queue.
        """
        if self._jobs.get(job.number) is not job:
            raise QueueError(f"{job.id} is not leased")

    def end_lease(self, job: Job) -> None:
        """The job's outcome is durable, or it was given back."""
        with self._lock:
            self._jobs.pop(job.number, None)

    def give_up(self, number: int) -> None:
        """The message is on its way to quarantine: neither leased nor leasable."""
        with self._lock:
            self._broken.add(number)
            self._jobs.pop(number, None)

    def next_due(self) -> int | None:
        """When the next message that is not leased is due."""
        due = self._store.db.due
        with self._lock, self._store.read() as transaction, transaction.cursor(due) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                when, number = split_due_key(key)
                if number not in self._jobs and number not in self._broken:
                    return when
        return None

    def __len__(self) -> int:
        return len(self._jobs)

    def _due_numbers(
        self, transaction: lmdb.Transaction, limit: int, now: int, excluded: Collection[int]
    ) -> list[int]:
        found: list[int] = []
        with transaction.cursor(self._store.db.due) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                when, number = split_due_key(key)
                if when > now or len(found) >= limit:
                    break
                if not (number in self._jobs or number in excluded or number in self._broken):
                    found.append(number)
        return found

    def _load_all(
        self, transaction: lmdb.Transaction, numbers: list[int]
    ) -> tuple[list[Job], list[tuple[int, str]]]:
        jobs: list[Job] = []
        broken: list[tuple[int, str]] = []
        for number in numbers:
            try:
                jobs.append(self._load(transaction, number))
            except CorruptMessageError as error:
                broken.append((number, str(error)))
        return jobs, broken

    def _load(self, transaction: lmdb.Transaction, number: int) -> Job:
        key = number_key(number)
        raw = transaction.get(key, db=self._store.db.msg)
        if raw is None:
            raise CorruptMessageError("due entry without message")
        record = decode_message(number, raw)
        raw_state = transaction.get(key, db=self._store.db.state)
        if raw_state is None:
            return Job(record, StoredState(record.first_due), None, self._read_body)
        copy = bytes(raw_state)
        return Job(record, decode_state(copy), copy, self._read_body)
