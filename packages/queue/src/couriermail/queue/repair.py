"""Acting on what `recovery` found, before the scheduler starts (spec mta 8.7)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from couriermail.queue.committer import Work
from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.records import (
    arrival,
    due_key,
    first_due,
    micros,
    number_key,
    split_due_key,
)
from couriermail.queue.recovery import Finding, examine, orphan_files
from couriermail.queue.rows import delete_body, put_state, quarantine, read_state

if TYPE_CHECKING:
    import lmdb

    from couriermail.queue.bodies import BodyStore
    from couriermail.queue.committer import Committer
    from couriermail.queue.store import Store

__all__ = ["due_after", "repair"]

CHUNK = 1000

_logger = logging.getLogger("couriermail.queue")


def repair(store: Store, bodies: BodyStore, committer: Committer, now: float) -> list[Finding]:
    """Find and put right everything; what was found."""
    findings = examine(store, bodies, is_deep=False)
    for start in range(0, len(findings), CHUNK):
        work = RepairWork(store, bodies, findings[start : start + CHUNK], micros(now))
        committer.put(work)
        work.ticket.result()
    orphans = orphan_files(store, bodies)
    for orphan in orphans:
        bodies.remove_path(orphan.path)
    findings += orphans
    for finding in findings:
        _log(finding)
    return findings


def due_after(store: Store, when: int, *, arrived_by: int | None = None) -> list[int]:
    """Numbers of the messages that are due later than `when`.

    With `arrived_by`, those still waiting for their first attempt are left out if they had
    arrived by then: they were submitted to be sent that late.
    """
    with store.read() as transaction, transaction.cursor(store.db.due) as cursor:
        if not cursor.set_range(due_key(when + 1, 0)):
            return []
        places = [split_due_key(key) for key in cursor.iternext(keys=True, values=False)]
        if arrived_by is None:
            return [number for _, number in places]
        return [
            number
            for _, number in places
            if not _is_delayed(transaction, store, number, arrived_by)
        ]


class RepairWork(Work):
    """Puts right a chunk of findings."""

    def __init__(self, store: Store, bodies: BodyStore, findings: list[Finding], now: int) -> None:
        super().__init__()
        self._store = store
        self._bodies = bodies
        self._findings = findings
        self._now = now
        self._files: list[int] = []

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Act on each finding."""
        self._files = []
        for finding in self._findings:
            if finding.kind in {"bad-record", "bad-body"}:
                quarantine(transaction, self._store.db, finding.number, finding.text)
            elif finding.kind == "unused-body":
                self._drop_body(transaction, finding.number)
            elif finding.kind in {"stray-due", "wrong-due"}:
                for key in finding.due_keys:
                    transaction.delete(key, db=self._store.db.due)
            else:
                self._make_due(transaction, finding.number)

    def committed(self) -> None:
        """Unlink the files of the bodies that were dropped."""
        for number in self._files:
            self._bodies.remove(number)

    def _make_due(self, transaction: lmdb.Transaction, number: int) -> None:
        try:
            state, _ = read_state(transaction, self._store.db, number)
        except (KeyError, CorruptMessageError):
            return  # it changed since the examination
        before = state.due
        state.next = self._now
        put_state(transaction, self._store.db, number, before, state)
        if state.due is not None:  # `put_state` trusts that the entry `before` was there
            transaction.put(due_key(state.due, number), b"", db=self._store.db.due)

    def _drop_body(self, transaction: lmdb.Transaction, number: int) -> None:
        delete_body(transaction, self._store.db, number)
        self._files.append(number)  # unlinking a file that never was does no harm


def _is_delayed(transaction: lmdb.Transaction, store: Store, number: int, arrived_by: int) -> bool:
    try:
        state, _ = read_state(transaction, store.db, number)
    except (KeyError, CorruptMessageError):
        return False
    record = transaction.get(number_key(number), db=store.db.msg)
    if record is None or state.rounds or state.next != first_due(record):
        return False
    return arrival(record) <= arrived_by


def _log(finding: Finding) -> None:
    if finding.kind in {"bad-record", "bad-body"}:
        _logger.error("QUEUE FILE CORRUPTION: id=%016X: %s", finding.number, finding.text)
    else:
        _logger.warning("repaired %s: message %016X", finding.kind, finding.number)
