"""Reading a stored body, wherever it lies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO
from zlib import crc32

from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.records import FILE, INLINE, number_key

if TYPE_CHECKING:
    from couriermail.queue.bodies import BodyStore
    from couriermail.queue.records import MessageRecord
    from couriermail.queue.store import Store

__all__ = ["read_body"]


def read_body(store: Store, bodies: BodyStore, record: MessageRecord) -> bytes | BinaryIO:
    """The octets of a body in the database, or an open file.

    Octets are compared with their checksum; of a file only the size is, because reading it
    twice would double the cost of every delivery (`Queue.check` reads files whole).

    Raises:
        CorruptMessageError: it is missing or damaged.
    """
    if record.body.kind == FILE:
        return _open_file(bodies.path_of(record.body.id), record.body.size)
    with store.read() as transaction:
        if record.body.kind == INLINE:
            row = transaction.get(number_key(record.number), db=store.db.msg)
            data = None if row is None else bytes(row[record.inline_at :])
        else:
            row = transaction.get(number_key(record.body.id), db=store.db.body)
            data = None if row is None else bytes(row)
    if data is None or len(data) != record.body.size or crc32(data) != record.body.crc:
        raise CorruptMessageError("body is missing or damaged")
    return data


def _open_file(path: str, size: int) -> BinaryIO:
    try:
        stream = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise CorruptMessageError(f"body file: {error.strerror}") from error
    if os.fstat(stream.fileno()).st_size != size:
        stream.close()
        raise CorruptMessageError("body file of wrong size")
    return stream
