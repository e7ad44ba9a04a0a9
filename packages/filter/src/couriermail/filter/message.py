"""The plain message: bytes in memory or a mapped file, read without a copy."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

    from couriermail.filter.interfaces import FilterMessage

__all__ = ["BytesMessage", "complete_chunks", "count_lines"]

_CHUNK = 1 << 16


class BytesMessage:
    """A message in memory or in a mapped file.

    Args:
        data: `bytes`, `mmap.mmap` or another buffer with the whole message, LF line ends.
        prefix: header lines put before it (`maildrop -A`), each with its line end.
    """

    __slots__ = ("_body_start", "_prefix", "_view")

    def __init__(self, data: bytes | memoryview | mmap.mmap, *, prefix: bytes = b"") -> None:
        self._view = memoryview(data)
        self._prefix = prefix
        self._body_start = -1

    @property
    def size(self) -> int:
        """Bytes of the whole message."""
        return len(self._prefix) + len(self._view)

    def header_block(self) -> bytes:
        """The header lines with their line ends, without the empty line after them."""
        start = self._start_of_body()
        block = bytes(self._view[:start])
        if block == b"\n" or block.endswith(b"\n\n"):
            block = block[:-1]
        return self._prefix + block

    def body(self) -> memoryview:
        """Everything after the empty line."""
        return self._view[self._start_of_body() :]

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The whole message: the extra headers, then the data as it is."""
        if self._prefix:
            yield self._prefix
        yield self._view

    def _start_of_body(self) -> int:
        if self._body_start < 0:
            self._body_start = _body_offset(self._view)
        return self._body_start


def _body_offset(view: memoryview) -> int:
    if bytes(view[:1]) == b"\n":
        return 1
    last, at = b"", 0
    while at < len(view):  # headers are short: one piece nearly always
        piece = last + bytes(view[at : at + _CHUNK])
        found = piece.find(b"\n\n")
        if found >= 0:
            return at - len(last) + found + 2
        last = piece[-1:]
        at += _CHUNK
    return len(view)


def count_lines(message: FilterMessage) -> int:
    """The lines of the body, a last one without line end included."""
    body = message.body()
    lines, last = 0, 10
    for start in range(0, len(body), _CHUNK):
        piece = bytes(body[start : start + _CHUNK])
        lines += piece.count(b"\n")
        last = piece[-1]
    return lines + (last != 10)


def complete_chunks(message: FilterMessage) -> list[bytes | memoryview]:
    """The message in pieces, with the final line end that it may lack (spec filter 4.13)."""
    chunks = [chunk for chunk in message.chunks() if len(chunk)]
    if chunks and chunks[-1][-1] != 10:
        chunks.append(b"\n")
    return chunks
