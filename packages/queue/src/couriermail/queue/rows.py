"""Reading and writing the rows of one message inside a transaction.

These functions keep the invariants that all writers share: a live message has exactly one
`due` entry unless it is on hold, a `bodyref` counts the messages that use the body, and what
is removed is removed everywhere.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs

from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.records import (
    FILE,
    INLINE,
    BodyRef,
    due_key,
    first_due,
    number_key,
)
from couriermail.queue.state import StoredState, decode_state, encode_state, next_due

if TYPE_CHECKING:
    import lmdb

    from couriermail.queue.records import BodyKind
    from couriermail.queue.store import Databases

__all__ = [
    "NewMessage",
    "Quarantined",
    "Reference",
    "add_mark",
    "add_message",
    "add_shared_body",
    "body_reference",
    "current_due",
    "delete_body",
    "drop_body",
    "put_state",
    "quarantine",
    "read_quarantine",
    "read_state",
    "remove_message",
]

REFERENCE = struct.Struct("<BBxxIQI")  # version, kind, count, size, CRC
QUARANTINE = struct.Struct("<BxxxIII")  # version, lengths of reason, message and state
ABSENT = 0xFFFFFFFF
VERSION = 1


@attrs.frozen
class Quarantined:
    """A message moved out of the way.

    Attributes:
        number: first part of its id.
        reason: what was wrong.
        message: its raw `msg` record, or None.
        state: its raw `state` record, or None.
    """

    number: int
    reason: str
    message: bytes | None
    state: bytes | None


@attrs.frozen
class Reference:
    """A `bodyref` row: a body and how many messages use it."""

    kind: BodyKind
    count: int
    size: int
    crc: int


@attrs.frozen
class NewMessage:
    """A message ready to be inserted.

    Attributes:
        number: first part of its id.
        record: ends with the inline body, if it has one.
        due: its place in the due index.
        state: the state record, empty when nothing happened to it yet.
        mark: key in `marks` to set, empty for none.
    """

    number: int
    record: bytes
    due: int
    state: bytes = b""
    mark: bytes = b""


def add_message(transaction: lmdb.Transaction, db: Databases, message: NewMessage) -> bool:
    """Insert a message; False when the number is taken."""
    key = number_key(message.number)
    if not transaction.put(key, message.record, db=db.msg, overwrite=False):
        return False
    if message.state:
        transaction.put(key, message.state, db=db.state)
    transaction.put(due_key(message.due, message.number), b"", db=db.due)
    return True


def add_mark(transaction: lmdb.Transaction, db: Databases, key: bytes, now: int) -> bool:
    """Set a mark with its time in microseconds; False when it is set already."""
    return bool(transaction.put(key, number_key(now), db=db.marks, overwrite=False))


def add_shared_body(
    transaction: lmdb.Transaction, db: Databases, body: BodyRef, data: bytes, count: int
) -> None:
    """Insert a body that `count` messages of this transaction use; `data` unless it is a file."""
    key = number_key(body.id)
    row = REFERENCE.pack(VERSION, body.kind, count, body.size, body.crc)
    transaction.put(key, row, db=db.bodyref)
    if body.kind != FILE:
        transaction.put(key, data, db=db.body)


def body_reference(transaction: lmdb.Transaction, db: Databases, number: int) -> Reference | None:
    """The `bodyref` row of a body, or None.

    Raises:
        CorruptMessageError: it cannot be read.
    """
    row = transaction.get(number_key(number), db=db.bodyref)
    if row is None:
        return None
    try:
        version, kind, count, size, crc = REFERENCE.unpack(row)
    except struct.error as error:
        raise CorruptMessageError("body reference of wrong length") from error
    if version != VERSION:
        raise CorruptMessageError("body reference of unknown version")
    return Reference(kind, count, size, crc)


def read_state(
    transaction: lmdb.Transaction, db: Databases, number: int
) -> tuple[StoredState, bytes | None]:
    """A message's state, and the record it was read from (None when nothing happened yet).

    Raises:
        CorruptMessageError: it cannot be read.
        KeyError: there is no such message.
    """
    raw = transaction.get(number_key(number), db=db.state)
    if raw is not None:
        copy = bytes(raw)
        return decode_state(copy), copy
    record = transaction.get(number_key(number), db=db.msg)
    if record is None:
        raise KeyError(number)
    return StoredState(first_due(record)), None


def put_state(
    transaction: lmdb.Transaction,
    db: Databases,
    number: int,
    before: int | None,
    state: StoredState,
    *,
    record: bytes = b"",
) -> bytes:
    """Store a state whose place in the due index was `before`; the record that was written.

    `record` is `state` encoded, if the caller did that already.
    """
    record = record or encode_state(state)
    transaction.put(number_key(number), record, db=db.state)
    if before != state.due:
        if before is not None:
            transaction.delete(due_key(before, number), db=db.due)
        if state.due is not None:
            transaction.put(due_key(state.due, number), b"", db=db.due)
    return record


def current_due(transaction: lmdb.Transaction, db: Databases, number: int) -> int | None:
    """The message's place in the due index according to its records; None when held."""
    raw = transaction.get(number_key(number), db=db.state)
    if raw is not None:
        return next_due(raw)
    record = transaction.get(number_key(number), db=db.msg)
    return None if record is None else first_due(record)


def remove_message(
    transaction: lmdb.Transaction, db: Databases, number: int, body: BodyRef
) -> int | None:
    """Delete a message everywhere; the number of the body file to unlink after the commit.

    Raises:
        KeyError: it is gone already; its body must not be counted down twice.
    """
    key = number_key(number)
    due = current_due(transaction, db, number)
    if due is not None:
        transaction.delete(due_key(due, number), db=db.due)
    transaction.delete(key, db=db.state)
    if not transaction.delete(key, db=db.msg):
        raise KeyError(number)
    return None if body.kind == INLINE else drop_body(transaction, db, body.id)


def drop_body(transaction: lmdb.Transaction, db: Databases, number: int) -> int | None:
    """Count one user less; the number of the file to unlink when it was the last."""
    reference = body_reference(transaction, db, number)
    if reference is None:
        return None
    if reference.count > 1:
        count = reference.count - 1
        row = REFERENCE.pack(VERSION, reference.kind, count, reference.size, reference.crc)
        transaction.put(number_key(number), row, db=db.bodyref)
        return None
    delete_body(transaction, db, number)
    return number if reference.kind == FILE else None


def delete_body(transaction: lmdb.Transaction, db: Databases, number: int) -> None:
    """Delete a body's rows, whoever uses it."""
    transaction.delete(number_key(number), db=db.bodyref)
    transaction.delete(number_key(number), db=db.body)


def quarantine(transaction: lmdb.Transaction, db: Databases, number: int, reason: str) -> None:
    """Move a message's raw records to `bad`; its body stays where it is."""
    key = number_key(number)
    message = transaction.get(key, db=db.msg)
    state = transaction.get(key, db=db.state)
    for due in _due_entries(transaction, db, number):
        transaction.delete(due, db=db.due)
    if message is None and state is None:
        return  # it was removed meanwhile, or never was more than a due entry
    words = reason.encode("utf-8", "replace")
    head = QUARANTINE.pack(
        VERSION,
        len(words),
        ABSENT if message is None else len(message),
        ABSENT if state is None else len(state),
    )
    row = b"".join((head, words, message or b"", state or b""))
    transaction.put(key, row, db=db.bad)
    transaction.delete(key, db=db.msg)
    transaction.delete(key, db=db.state)


def read_quarantine(number: int, row: bytes | memoryview) -> Quarantined:
    """A `bad` row as a value; a row that is itself damaged gives what is left of it."""
    data = bytes(row)
    if len(data) < QUARANTINE.size or data[0] != VERSION:
        return Quarantined(number, "quarantine record damaged", data, None)
    _, words, message, state = QUARANTINE.unpack_from(data)
    at = QUARANTINE.size + words
    reason = data[QUARANTINE.size : at].decode("utf-8", "replace")
    after = at + (0 if message == ABSENT else message)
    return Quarantined(
        number,
        reason,
        None if message == ABSENT else data[at:after],
        None if state == ABSENT else data[after:],
    )


def _due_entries(transaction: lmdb.Transaction, db: Databases, number: int) -> list[bytes]:
    """Every due entry of a message whose records cannot be trusted to name it (a scan)."""
    suffix = number_key(number)
    with transaction.cursor(db.due) as cursor:
        keys = (bytes(key) for key in cursor.iternext(keys=True, values=False))
        return [key for key in keys if key[8:] == suffix]
