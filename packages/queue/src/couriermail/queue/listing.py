"""What an operator sees: messages by id, the list of the queue, the quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from couriermail.queue.errors import CorruptMessageError, MessageNotFoundError
from couriermail.queue.message import QueueId, Summary, parse_number
from couriermail.queue.records import decode_message, mark_name, number_key, seconds
from couriermail.queue.rows import Quarantined, read_quarantine
from couriermail.queue.state import StoredState, decode_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from couriermail.queue.records import MessageRecord
    from couriermail.queue.store import Store

__all__ = ["find_number", "iter_summaries", "list_marks", "list_quarantine", "read_summary"]

CHUNK = 256  # messages per read transaction: long ones would pin freed pages (spec mta 8.5)


def find_number(store: Store, queue_id: QueueId) -> int:
    """The number of the message with exactly this id.

    Raises:
        MessageNotFoundError: there is none.
    """
    number = parse_number(queue_id)
    with store.read() as transaction:
        raw = None if number is None else transaction.get(number_key(number), db=store.db.msg)
        if number is None or raw is None or _id_of(number, raw) != queue_id:
            raise MessageNotFoundError(f"{queue_id!r} is not in the queue")
    return number


def read_summary(store: Store, queue_id: QueueId) -> Summary:
    """One message.

    Raises:
        MessageNotFoundError: there is none with this id.
        CorruptMessageError: its records cannot be read.
    """
    number = find_number(store, queue_id)
    with store.read() as transaction:
        raw = transaction.get(number_key(number), db=store.db.msg)
        if raw is None:
            raise MessageNotFoundError(f"{queue_id!r} is not in the queue")
        return _summary(store, transaction, decode_message(number, raw))


def iter_summaries(store: Store, uid: int | None) -> Iterator[Summary]:
    """Every readable message, of one submitter or of all, in order of number."""
    start: int | None = 0
    while start is not None:
        chunk, start = _read_chunk(store, start, uid)
        yield from chunk


def list_quarantine(store: Store) -> list[Quarantined]:
    """What was moved out of the way."""
    with store.read() as transaction, transaction.cursor(store.db.bad) as cursor:
        return [read_quarantine(int.from_bytes(key, "big"), row) for key, row in cursor]


def list_marks(store: Store) -> dict[str, float]:
    """Every mark and when it was set."""
    with store.read() as transaction, transaction.cursor(store.db.marks) as cursor:
        return {mark_name(key): seconds(int.from_bytes(when, "big")) for key, when in cursor}


def _id_of(number: int, raw: bytes | memoryview) -> str:
    try:
        return decode_message(number, raw).id
    except CorruptMessageError:
        return ""


def _read_chunk(store: Store, start: int, uid: int | None) -> tuple[list[Summary], int | None]:
    """Summaries from number `start` on, and where to go on (None at the end)."""
    found: list[Summary] = []
    with store.read() as transaction, transaction.cursor(store.db.msg) as cursor:
        if not cursor.set_range(number_key(start)):
            return found, None
        for count, (key, raw) in enumerate(cursor.iternext(keys=True, values=True)):
            number = int.from_bytes(key, "big")
            if count >= CHUNK:
                return found, number
            try:
                record = decode_message(number, raw)
                if uid is None or record.envelope.uid == uid:
                    found.append(_summary(store, transaction, record))
            except CorruptMessageError:
                continue  # `Queue.check` names it
    return found, None


def _summary(store: Store, transaction: lmdb.Transaction, record: MessageRecord) -> Summary:
    raw = transaction.get(number_key(record.number), db=store.db.state)
    state = StoredState(record.first_due) if raw is None else decode_state(bytes(raw))
    envelope = record.envelope
    return Summary(
        id=record.id,
        arrival=seconds(record.arrival),
        size=record.body.size,
        sender=envelope.sender,
        user=envelope.user,
        uid=envelope.uid,
        label=envelope.label,
        expires=envelope.expires,
        options=envelope.options,
        next_due=None if state.due is None else seconds(state.due),
        rounds=state.rounds,
        states=state.states(envelope.recipients),
        held=state.held,
        cancelled=state.cancelled,
    )
