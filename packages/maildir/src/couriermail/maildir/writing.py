"""Writing a message that comes in parts, without joining them.

A delivery agent has a few header lines of its own and a large body that it holds already;
`writev` puts both into the file by one call.
"""

from __future__ import annotations

import os

from couriermail.core.durable import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO, TypeAlias

    from couriermail.maildir.virtualsize import VirtualSize

    Chunks: TypeAlias = bytes | memoryview | Iterable[bytes | memoryview] | BinaryIO
    """A message: whole, in parts, or a binary file that is read to its end."""
else:
    Chunks = object

__all__ = ["Chunks", "iter_chunks", "message_size", "write_message"]

_PARTS_PER_CALL = 512  # IOV_MAX is 1024 on Linux
_READ_SIZE = 256 * 1024


def message_size(chunks: Chunks) -> int | None:
    """The size in octets, or None when only writing the message will tell."""
    if isinstance(chunks, (bytes, memoryview)):
        return len(chunks)
    if isinstance(chunks, (list, tuple)):
        return sum(map(len, chunks))
    return None


def write_message(descriptor: int, chunks: Chunks, virtual: VirtualSize | None = None) -> int:
    """Write a whole message and return its size in octets.

    Args:
        descriptor: the open file.
        chunks: the message.
        virtual: counts the parts as they pass, so that nothing is read again.

    Raises:
        OSError: the system refused.
    """
    if isinstance(chunks, (bytes, memoryview)):
        if virtual is not None:
            virtual.feed(chunks)
        write_all(descriptor, chunks)
        return len(chunks)
    if isinstance(chunks, (list, tuple)):
        if virtual is not None:
            for part in chunks:
                virtual.feed(part)
        return _write_parts(descriptor, chunks)
    size = 0
    for chunk in iter_chunks(chunks):
        if virtual is not None:
            virtual.feed(chunk)
        write_all(descriptor, chunk)
        size += len(chunk)
    return size


def iter_chunks(chunks: Chunks) -> Iterable[bytes | memoryview]:
    """The parts of a message, however it was given."""
    if isinstance(chunks, (bytes, memoryview)):
        return (chunks,)
    read = getattr(chunks, "read", None)  # a file's own iterator would give line after line
    return chunks if read is None else iter(lambda: read(_READ_SIZE), b"")


def _write_parts(descriptor: int, parts: Sequence[bytes | memoryview]) -> int:
    total = 0
    for start in range(0, len(parts), _PARTS_PER_CALL):
        group = parts[start : start + _PARTS_PER_CALL]
        size = sum(map(len, group))
        written = os.writev(descriptor, group)
        if written < size:
            _write_rest(descriptor, group, written)
        total += size
    return total


def _write_rest(descriptor: int, parts: Sequence[bytes | memoryview], written: int) -> None:
    for part in parts:
        if written >= len(part):
            written -= len(part)
        else:
            write_all(descriptor, memoryview(part)[written:])
            written = 0
