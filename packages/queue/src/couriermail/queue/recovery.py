"""Looking for what does not fit together, and putting it right (spec mta 8.7).

`examine` reads the whole queue and returns findings; `repair` acts on them.  The scheduler
does both when it starts, an operator may `check` at any time.

| found | kind | done about it |
| --- | --- | --- |
| message without `due` entry, not on hold | `not-due` | due now |
| `due` entry without message | `stray-due` | removed |
| `due` entry that differs from the state | `wrong-due` | removed, the right one stands |
| all recipients finished, message present | `finished` | due now: the scheduler completes it |
| body file without reference, temporary file | `orphan` | removed once its owner is gone |
| reference that no message uses | `unused-body` | removed with its file |
| reference without file, wrong size or checksum | `bad-body` | message quarantined |
| undecodable record | `bad-record` | message quarantined |

Leases need no recovery, they die with their scheduler.  A database that cannot be read at
all is a `QueueDamagedError` when it is opened.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING
from zlib import crc32

import attrs

from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.records import (
    FILE,
    INLINE,
    decode_message,
    due_key,
    number_key,
    split_due_key,
)
from couriermail.queue.rows import body_reference
from couriermail.queue.state import StoredState, decode_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from couriermail.queue.bodies import BodyStore
    from couriermail.queue.records import BodyRef, MessageRecord
    from couriermail.queue.store import Store

__all__ = ["Finding", "examine", "orphan_files"]

READ_SIZE = 1 << 18


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that does not fit.

    Attributes:
        kind: a word of the table in this module's docstring.
        number: the message or body concerned; 0 for files.
        text: for the log.
        path: of an orphan file.
        due_keys: of the stray due entries.
    """

    kind: str
    number: int = 0
    text: str = ""
    path: str = ""
    due_keys: tuple[bytes, ...] = ()


class Examination:
    """One walk through the queue.

    Args:
        store: the database.
        bodies: the body files.
        is_deep: read every body and compare checksums.
    """

    def __init__(self, store: Store, bodies: BodyStore, *, is_deep: bool) -> None:
        self._store = store
        self._bodies = bodies
        self._is_deep = is_deep
        self._due: dict[int, list[int]] = {}
        self._used: set[int] = set()
        self._is_anybody_quarantined = False

    def run(self) -> Iterator[Finding]:
        """Findings, in the order of the walk."""
        with self._store.read() as transaction:
            # One snapshot: findings about several rows must not be artefacts of a commit
            # that fell between two reads.
            with transaction.cursor(self._store.db.due) as cursor:
                for key in cursor.iternext(keys=True, values=False):
                    when, number = split_due_key(key)
                    self._due.setdefault(number, []).append(when)
            with transaction.cursor(self._store.db.msg) as cursor:
                for key, raw in cursor:
                    number = int.from_bytes(key, "big")
                    yield from self._message(transaction, number, raw)
            for number, times in self._due.items():
                keys = tuple(due_key(when, number) for when in times)
                yield Finding(kind="stray-due", number=number, due_keys=keys)
            yield from self._references(transaction)

    def _message(
        self, transaction: lmdb.Transaction, number: int, raw: memoryview | bytes
    ) -> Iterator[Finding]:
        times = self._due.pop(number, [])
        try:
            record = decode_message(number, raw)
            raw_state = transaction.get(number_key(number), db=self._store.db.state)
            state = (
                StoredState(record.first_due)
                if raw_state is None
                else decode_state(bytes(raw_state))
            )
        except CorruptMessageError as error:
            self._is_anybody_quarantined = True
            yield Finding(kind="bad-record", number=number, text=str(error))
            return
        self._used.add(record.body.id)
        problem = self._body_problem(transaction, record, raw)
        if problem:
            yield Finding(kind="bad-body", number=number, text=problem)
            return
        yield from self._timing(record, state, times)

    @staticmethod
    def _timing(record: MessageRecord, state: StoredState, times: list[int]) -> Iterator[Finding]:
        wrong = tuple(due_key(when, record.number) for when in times if when != state.due)
        if wrong:
            yield Finding(kind="wrong-due", number=record.number, due_keys=wrong)
        if state.due is not None and state.due not in times:
            yield Finding(kind="not-due", number=record.number)
        elif state.due is not None and state.is_finished(len(record.envelope.recipients)):
            yield Finding(kind="finished", number=record.number)

    def _body_problem(
        self, transaction: lmdb.Transaction, record: MessageRecord, raw: memoryview | bytes
    ) -> str:
        body = record.body
        if body.kind == INLINE:
            is_bad = self._is_deep and crc32(raw[record.inline_at :]) != body.crc
            return "body with wrong checksum" if is_bad else ""
        try:
            reference = body_reference(transaction, self._store.db, body.id)
        except CorruptMessageError as error:
            return str(error)
        if reference is None:
            return "body reference is missing"
        if (reference.kind, reference.size, reference.crc) != (body.kind, body.size, body.crc):
            return "body reference of another body"
        if body.kind == FILE:
            return self._file_problem(body)
        row = transaction.get(number_key(body.id), db=self._store.db.body)
        if row is None or len(row) != body.size:
            return "body is missing or of wrong size"
        is_bad = self._is_deep and crc32(row) != body.crc
        return "body with wrong checksum" if is_bad else ""

    def _file_problem(self, body: BodyRef) -> str:
        path = self._bodies.path_of(body.id)
        try:
            if os.stat(path).st_size != body.size:
                return "body file of wrong size"
            is_bad = self._is_deep and checksum_of(path) != body.crc
        except OSError as error:
            return f"body file: {error.strerror}"
        return "body file with wrong checksum" if is_bad else ""

    def _references(self, transaction: lmdb.Transaction) -> Iterator[Finding]:
        if self._is_anybody_quarantined or transaction.stat(self._store.db.bad)["entries"]:
            return  # the body may be what is left of a message whose record cannot be read
        with transaction.cursor(self._store.db.bodyref) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                number = int.from_bytes(key, "big")
                if number not in self._used:
                    yield Finding(kind="unused-body", number=number)


def examine(store: Store, bodies: BodyStore, *, is_deep: bool) -> list[Finding]:
    """Everything in the database that does not fit together."""
    findings = list(Examination(store, bodies, is_deep=is_deep).run())
    with store.read() as transaction:
        # A file is looked at later than the snapshot was taken: a message delivered in
        # between has lost its file rightly.
        return [
            finding
            for finding in findings
            if finding.kind != "bad-body"
            or transaction.get(number_key(finding.number), db=store.db.msg) is not None
        ]


def orphan_files(store: Store, bodies: BodyStore) -> list[Finding]:
    """Body files that nobody refers to and whose owner is gone.

    Courier removes them by age (48 hours).  The owner's lock is the better witness: a clock
    that jumps could make a file look old which is about to be committed.
    """
    found = [
        Finding(kind="orphan", path=path)
        for path in bodies.temporary_files()
        if _is_abandoned(path)
    ]
    for number, path in bodies.files():
        # The order matters: the owner lets go of the file after its commit.  Once the lock
        # is free, the reference is either visible or will never come.
        if _is_abandoned(path) and not _is_referenced(store, number):
            found.append(Finding(kind="orphan", number=number, path=path))
    return found


def checksum_of(path: str) -> int:
    """CRC-32 of a file, in pieces."""
    value = 0
    with open(path, "rb", buffering=0) as stream:
        while piece := stream.read(READ_SIZE):
            value = crc32(piece, value)
    return value


def _is_referenced(store: Store, number: int) -> bool:
    with store.read() as transaction:
        return transaction.get(number_key(number), db=store.db.bodyref) is not None


def _is_abandoned(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # it went while we looked, or is none of ours
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
