"""Lines of all parts of a message, counted in one pass.

Parts lie inside each other, so counting each for itself would read a message as often as it
is deep.  Source: spec rfc822 4.12.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

    from couriermail.rfc822.entity import Entity

__all__ = ["LineCounts"]

_WINDOW = 65_536  # octets copied at a time out of a mapped file


class LineCounts:
    """Knows the number of line ends before each edge of each part."""

    __slots__ = ("_before", "_data")

    def __init__(self, data: bytes | mmap, root: Entity) -> None:
        """Reads the message once.

        Args:
            data: the message.
            root: its structure.
        """
        self._data = data
        edges = {0}
        for entity in root.walk():
            edges.update((entity.start, entity.body, entity.end))
        self._before: dict[int, int] = {}
        count = last = 0
        for edge in sorted(edges):
            count += self._count_line_ends(last, edge)
            self._before[edge] = count
            last = edge

    def count(self, start: int, end: int) -> int:
        """Lines between two edges; a last one without line end counts."""
        line_ends = self._before[end] - self._before[start]
        return line_ends + (end > start and self._data[end - 1 : end] != b"\n")

    def _count_line_ends(self, start: int, end: int) -> int:
        data = self._data
        if isinstance(data, bytes):
            return data.count(b"\n", start, end)
        return sum(
            data[position : min(position + _WINDOW, end)].count(b"\n")
            for position in range(start, end, _WINDOW)
        )
