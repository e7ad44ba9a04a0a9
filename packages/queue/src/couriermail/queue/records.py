"""Records as octets: how messages, their states and keys look in the database.

Every value starts with a version octet.  The fixed part is a little-endian struct, so that
recovery and lists can read one field without decoding the rest; names and texts follow as
compact JSON (measured: 4 us per envelope, and any tool can read it); the last four octets
are a CRC.  The CRC is zlib's CRC-32 and not CRC-32C: the standard library has only that
one, and both detect the same torn and flipped octets.

A message record is `head, JSON, CRC of both, inline body`; the body has its own CRC in the
head, so that a lease reads no body.  Keys are big-endian, which makes key order number order
and time order.  Times are whole microseconds since the epoch.
"""

from __future__ import annotations

import json
import struct
from typing import Final, Literal, TypeAlias
from zlib import crc32

import attrs

from couriermail.queue.errors import CorruptMessageError, QueueError
from couriermail.queue.message import Envelope, Recipient

__all__ = [
    "BodyRef",
    "MessageRecord",
    "arrival",
    "decode_message",
    "due_key",
    "encode_message",
    "first_due",
    "mark_key",
    "mark_name",
    "micros",
    "number_key",
    "read_packed",
    "seconds",
    "split_due_key",
    "write_packed",
]

VERSION = 1
INLINE: Final = 0
SHARED: Final = 1
FILE: Final = 2
BodyKind: TypeAlias = Literal[0, 1, 2]

# version, body kind, JSON length, arrival, first due, id epoch, id random, uid, body id,
# body size, body CRC
HEAD = struct.Struct("<BBxxIqqQIiQQI")
CRC = struct.Struct("<I")
KEY = struct.Struct(">Q")
DUE_KEY = struct.Struct(">QQ")
TIME = struct.Struct("<q")
ARRIVAL_OFFSET = 8
FIRST_DUE_OFFSET = 16
LATEST = (1 << 63) - 1
MARK_MAX = 500  # octets; LMDB's keys have 511 at most

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


@attrs.frozen
class BodyRef:
    """Where a message's body lies.

    Attributes:
        kind: `INLINE` in the message record, `SHARED` in a row of its own (split messages
            share it), `FILE` in the file system.
        id: number of the shared row or file; 0 for inline.
        size: octets.
        crc: CRC-32 of them.
    """

    kind: BodyKind
    id: int
    size: int
    crc: int


@attrs.frozen
class MessageRecord:
    """The part of a message that never changes, as decoded.

    Attributes:
        number: first part of the id.
        id: the whole queue id.
        arrival: microseconds.
        first_due: microseconds; when it was due before anything happened to it.
        body: where the body lies.
        envelope: the envelope.
        inline_at: offset of an inline body in the record.
    """

    number: int
    id: str
    arrival: int
    first_due: int
    body: BodyRef
    envelope: Envelope
    inline_at: int


def micros(epoch: float) -> int:
    """Seconds since the epoch as whole microseconds, within what a key can hold."""
    if epoch != epoch:  # noqa: PLR0124 - NaN is the one value that is not itself
        return 0
    return int(min(max(epoch, 0.0) * 1e6, float(LATEST - 1024)))


def seconds(value: int) -> float:
    """Whole microseconds as seconds."""
    return value / 1e6


def number_key(number: int) -> bytes:
    """Key of a message, its state or a body."""
    return KEY.pack(number)


def mark_key(name: str) -> bytes:
    """Key of a mark; empty for no mark.

    Raises:
        QueueError: the name is too long for a key.
    """
    key = name.encode("utf-8", "surrogateescape")
    if len(key) > MARK_MAX:
        raise QueueError(f"a mark may have {MARK_MAX} octets")
    return key


def mark_name(key: bytes | memoryview) -> str:
    """The name that a key in `marks` stands for."""
    return bytes(key).decode("utf-8", "surrogateescape")


def due_key(when: int, number: int) -> bytes:
    """Key in the due index: time first, then number, so equals leave in order of arrival."""
    return DUE_KEY.pack(when, number)


def split_due_key(key: bytes | memoryview) -> tuple[int, int]:
    """Time and number of a due index key."""
    when, number = DUE_KEY.unpack(key)
    return when, number


def write_packed(head: bytes, fields: object) -> bytes:
    """`head`, `fields` as JSON and the CRC of both."""
    data = head + _encoder.encode(fields).encode("utf-8", "surrogatepass")
    return data + CRC.pack(crc32(data))


def read_packed(record: bytes | memoryview, head_size: int, end: int) -> bytes:
    """The JSON of a packed record that ends (with its CRC) at offset `end`.

    Raises:
        CorruptMessageError: wrong CRC, wrong length or a version of the future.
    """
    view = memoryview(record)
    if end > len(view) or end < head_size + CRC.size or view[0] != VERSION:
        raise CorruptMessageError("record of unknown form")
    data = bytes(view[: end - CRC.size])
    if CRC.unpack_from(view, end - CRC.size)[0] != crc32(data):
        raise CorruptMessageError("record with wrong checksum")
    return data[head_size:]


def encode_message(
    id_epoch: int,
    id_random: int,
    arrived: int,
    envelope: Envelope,
    body: BodyRef,
) -> bytes:
    """The record of a new message, without its inline body (append that)."""
    text = _encoder.encode(_envelope_fields(envelope)).encode("utf-8", "surrogatepass")
    head = HEAD.pack(
        VERSION,
        body.kind,
        len(text),
        arrived,
        min(arrived + micros(envelope.delay), LATEST),
        id_epoch,
        id_random,
        envelope.uid if -1 <= envelope.uid < 1 << 31 else -1,
        body.id,
        body.size,
        body.crc,
    )
    data = head + text
    return data + CRC.pack(crc32(data))


def arrival(record: bytes | memoryview) -> int:
    """When a message came, in microseconds; reads eight octets.

    Raises:
        CorruptMessageError: the record is too short.
    """
    return _time_at(record, ARRIVAL_OFFSET)


def first_due(record: bytes | memoryview) -> int:
    """When a message was due before anything happened to it; reads eight octets.

    Raises:
        CorruptMessageError: the record is too short.
    """
    return _time_at(record, FIRST_DUE_OFFSET)


def decode_message(number: int, record: bytes | memoryview) -> MessageRecord:
    """Read a message record.

    Raises:
        CorruptMessageError: it is not what `encode_message` wrote.
    """
    try:
        (_, kind, length, arrived, due, id_epoch, id_random, _, body_id, size, crc) = (
            HEAD.unpack_from(record)
        )
        end = HEAD.size + length + CRC.size
        text = read_packed(record, HEAD.size, end)
        envelope = _envelope(json.loads(text.decode("utf-8", "surrogatepass")))
    except (struct.error, ValueError, TypeError, KeyError, IndexError) as error:
        raise CorruptMessageError(f"message record: {type(error).__name__}") from error
    if kind == INLINE and len(record) - end != size:
        raise CorruptMessageError("inline body of wrong length")
    return MessageRecord(
        number,
        f"{number:016X}.{id_epoch:016X}.{id_random:08X}",
        arrived,
        due,
        BodyRef(kind, body_id, size, crc),
        envelope,
        end,
    )


def _time_at(record: bytes | memoryview, offset: int) -> int:
    if len(record) < HEAD.size:
        raise CorruptMessageError("record cut short")
    (value,) = TIME.unpack_from(record, offset)
    return min(max(int(value), 0), LATEST)


_PLAIN_FIELDS = tuple(
    (field.name, field.default)
    for field in attrs.fields(Envelope)
    if field.name not in {"sender", "recipients", "options"}
)


def _envelope_fields(envelope: Envelope) -> dict[str, object]:
    """What differs from the defaults: most messages have five fields, not nineteen."""
    fields: dict[str, object] = {
        "sender": envelope.sender,
        "recipients": [
            [recipient.address]
            if recipient.original is None and not recipient.notify
            else [recipient.address, recipient.original, recipient.notify]
            for recipient in envelope.recipients
        ],
    }
    for name, default in _PLAIN_FIELDS:
        value = getattr(envelope, name)
        if value != default:
            fields[name] = value
    if envelope.options:
        fields["options"] = dict(envelope.options)
    return fields


def _envelope(fields: dict[str, object]) -> Envelope:
    recipients = fields.pop("recipients")
    if not isinstance(recipients, list):
        raise CorruptMessageError("message record without recipients")
    # The CRC vouches that these are the fields which `_envelope_fields` wrote.
    return Envelope(recipients=tuple(map(_recipient, recipients)), **fields)  # type: ignore[arg-type]


def _recipient(row: list[str]) -> Recipient:
    if len(row) == 1:
        return Recipient(address=row[0])
    address, original, notify = row
    return Recipient(address=address, original=original, notify=notify)
