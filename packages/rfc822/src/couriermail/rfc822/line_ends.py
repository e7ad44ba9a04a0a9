"""A message as if every line ended with CRLF, which is how IMAP counts and sends it.

`CrlfIndex` remembers where it was every 64 KiB, so that sizes of parts and partial fetches
cost one step of searching and not a pass over the message.  Source: spec rfc822 1.1.5 and 4.12.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

__all__ = ["CrlfIndex", "count_bare_line_feeds", "read_crlf"]

_STEP = 65_536


class CrlfIndex:
    """Sizes and pieces of a range, counted with CRLF line ends.

    The index of a range is built on first use, in one pass; it holds one number per step.

    Attributes:
        start: where the range starts in the data.
        end: where it ends.
    """

    __slots__ = ("_data", "_extra", "_step", "end", "start")

    def __init__(
        self, data: bytes | mmap, start: int = 0, end: int | None = None, *, step: int = _STEP
    ) -> None:
        """Takes a range of a message.

        Args:
            data: the message, with LF or CRLF line ends, mixed or not.
            start: offset of the range.
            end: offset behind it; the end of the data by default.
            step: octets between two marks.
        """
        self._data = data
        self.start = start
        self.end = len(data) if end is None else end
        self._step = max(step, 1)
        self._extra: list[int] | None = None  # CRs to add before each mark

    def __len__(self) -> int:
        """Octets of the range with CRLF line ends."""
        return self.virtual(self.end)

    def size(self, start: int, end: int) -> int:
        """Octets between two physical offsets in the range, with CRLF line ends."""
        return self.virtual(end) - self.virtual(start)

    def virtual(self, offset: int) -> int:
        """Where a physical offset is when every line before it ends with CRLF."""
        marks = self._marks()
        number = min((offset - self.start) // self._step, len(marks) - 1)
        mark = self.start + number * self._step
        extra = marks[number] + count_bare_line_feeds(self._data, mark, offset)
        return offset - self.start + extra

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` octets from a virtual offset on; fewer only at the end."""
        return b"".join(self.chunks(offset, count))

    def chunks(self, offset: int = 0, count: int | None = None) -> Iterator[bytes]:
        """`read` in pieces."""
        left = len(self) - offset if count is None else count
        position, skip = self._find(offset)
        while left > 0 and position < self.end:
            edge = min(position + self._step, self.end)
            piece = _with_crlf(self._data, position, edge)[skip : skip + left]
            left -= len(piece)
            position, skip = edge, 0
            if piece:
                yield piece

    def _find(self, offset: int) -> tuple[int, int]:
        """The mark before a virtual offset, and how far behind it that is."""
        from bisect import bisect_right

        marks = self._marks()
        step = self._step
        number = bisect_right(range(len(marks)), offset, key=lambda n: n * step + marks[n]) - 1
        number = max(number, 0)
        return self.start + number * step, offset - (number * step + marks[number])

    def _marks(self) -> list[int]:
        if self._extra is None:
            self._extra = [0]
            for position in range(self.start, self.end, self._step):
                edge = min(position + self._step, self.end)
                bare = count_bare_line_feeds(self._data, position, edge)
                self._extra.append(self._extra[-1] + bare)
        return self._extra


def read_crlf(data: bytes | mmap, start: int, end: int, offset: int, count: int) -> bytes:
    """Octets of a range as if every LF in it had a CR before it.

    Args:
        data: the message.
        start: where the range starts.
        end: where it ends.
        offset: octets to skip, counted with CRLF line ends.
        count: octets to return at most.
    """
    return CrlfIndex(data, start, end).read(offset, count)


def count_bare_line_feeds(data: bytes | mmap, start: int, end: int) -> int:
    """LF octets in a range that no CR stands before."""
    bare = 0
    for position in range(start, end, _STEP):
        edge = min(position + _STEP, end)
        # the CR of a line end may lie before the window, and before the range
        window = data[max(position - 1, 0) : edge]
        bare += data[position:edge].count(b"\n") - window.count(b"\r\n")
    return bare


def _with_crlf(data: bytes | mmap, start: int, end: int) -> bytes:
    piece = data[start:end]
    had_cr = start > 0 and data[start - 1 : start] == b"\r" and piece[:1] == b"\n"
    piece = piece.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return piece[1:] if had_cr else piece
