r"""The structure of a message, found in one pass over its octets.

`PushParser` is a push parser: it takes octets in any pieces and makes the same tree for
all ways of cutting them, since whatever it cannot decide yet it leaves until more has come.
A whole message is the case of one piece, in which nothing is copied.

How it works.  A delimiter line starts with `\n--`, so the parser lets a search in C run
to the next `\n--` and looks at single lines only there; text between is never touched, and
without an open multipart not even searched.  Headers are searched in windows for their empty
line and, before it, for delimiters.  The search always starts at a line feed, the one that
ends the line before, so that "at the start of a line" needs no memory.

Memory: the tree (`Limits.parts`), one header (`Limits.header_bytes`), one delimiter line
(`Limits.boundary_bytes`).  Work is linear.  Source: RFC 2046 5.1, spec rfc822 4.11.
"""

from __future__ import annotations

from couriermail.rfc822.entity import Entity, defect_kinds, read_header
from couriermail.rfc822.headers import find_body, find_empty_line
from couriermail.rfc822.limits import DEFAULT_LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

    from couriermail.rfc822.limits import Limits

__all__ = ["PushParser", "parse_structure"]

_CR = 13
_DASHES = b"\n--"
_WINDOW = 4096
_OVERLAP = 2  # octets of `\n--` and `\n\r\n` that may lie before a cut
_LOOK_BACK = 4  # octets kept before the search position, for the CR of a line end


class _OpenMultipart:
    """A multipart whose closing delimiter has not been seen."""

    __slots__ = ("boundary", "entity")

    def __init__(self, entity: Entity, boundary: bytes) -> None:
        self.entity = entity
        self.boundary = boundary  # in lower case


class _Delimiter:
    """A delimiter line that was recognised."""

    __slots__ = ("end", "level", "line_end", "still_open")

    def __init__(self, level: int, still_open: int, line_end: int, end: int) -> None:
        self.level = level  # index into the stack of open multiparts
        self.still_open = still_open  # multiparts left open: a closing delimiter ends its own
        self.line_end = line_end  # offset of the line end before it, which belongs to it
        self.end = end  # index behind the boundary


class PushParser:
    """Takes octets, gives the tree of entities.

    Attributes:
        root: the tree as far as it is known; ends are final after `close`.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, strict_mime: bool = True) -> None:
        self._limits = limits
        self._strict_mime = strict_mime
        self._data: bytes | bytearray | mmap = bytearray()
        self._base = 0  # offset of data[0] in the message
        self._position = 0  # index from which the search goes on
        self._is_final = False
        self._parts = 1
        self._open: list[_OpenMultipart] = []
        self._longest = 0  # octets of a delimiter line to compare; 0 without an open multipart
        self.root = self._entity = Entity(None, 0)
        self._header_prefix = b""  # the beginning of a header that is over the limit
        self._in_header = True
        self._in_delimiter = False  # in the rest of a delimiter line
        self._wants_child = False  # a part begins behind that line

    def feed(self, data: bytes) -> None:
        """Takes the next octets."""
        buffer = self._data
        assert isinstance(buffer, bytearray)  # noqa: S101 - only parse_structure sets another
        buffer += data
        self._run()
        self._trim(buffer)

    def close(self) -> Entity:
        """Says that the input is at its end, and returns the root of the tree."""
        self._is_final = True
        self._run()
        self._finish()
        return self.root

    def parse(self, data: bytes | mmap) -> Entity:
        """Reads a whole message, instead of `feed` and `close`."""
        self._data = data
        return self.close()

    def _run(self) -> None:
        while True:
            if self._in_delimiter:
                is_moved = self._skip_delimiter_line()
            elif self._in_header:
                is_moved = self._scan_header()
            else:
                is_moved = self._scan_body()
            if not is_moved:
                return

    def _trim(self, buffer: bytearray) -> None:
        """Drops what no later step looks at."""
        keep = self._position - _LOOK_BACK
        if self._in_header and not self._in_delimiter:
            start = self._entity.start - self._base
            most = self._limits.header_bytes
            if not self._header_prefix and len(buffer) - start > most:
                self._header_prefix = bytes(buffer[start : start + most])
            if not self._header_prefix:
                keep = min(keep, start - _LOOK_BACK)
        if keep > 0:
            del buffer[:keep]
            self._base += keep
            self._position -= keep

    # Each step returns True when it came to a new state, False when it needs more input.

    def _scan_header(self) -> bool:
        data, length = self._data, len(self._data)
        while True:
            position = self._position
            edge = min(position + _WINDOW, length)
            find = find_body if position == self._base == 0 else find_empty_line
            blank, body = find(data, position, edge)
            if self._open and data.find(_DASHES, position, blank + 2) >= 0:
                delimiter, is_undecided = self._find_delimiter(blank)
                if delimiter is not None:
                    self._cut_header(delimiter)
                    return True
                if is_undecided:
                    return False
            if body > blank:
                self._end_header(body)
                return True
            self._position = max(position, edge - _OVERLAP)
            if edge == length:
                break
        if self._is_final:
            self._end_header(length)
        return False

    def _scan_body(self) -> bool:
        length = len(self._data)
        if not self._open:
            self._position = max(self._position, length - _OVERLAP)
            return False
        delimiter, is_undecided = self._find_delimiter(length)
        if delimiter is None:
            if not is_undecided:
                self._position = max(self._position, length - _OVERLAP)
            return False
        self._end_parts(delimiter)
        self._start_delimiter(delimiter)
        return True

    def _skip_delimiter_line(self) -> bool:
        """Leaves out what follows a boundary on its line."""
        line_feed = self._data.find(b"\n", self._position)
        if line_feed < 0 and not self._is_final:
            self._position = len(self._data)
            return False
        self._in_delimiter = False
        self._position = line_feed if line_feed >= 0 else len(self._data)
        if self._wants_child:
            start = line_feed + 1 if line_feed >= 0 else len(self._data)
            self._begin(self._open[-1].entity, start)
        return True

    def _find_delimiter(self, stop: int) -> tuple[_Delimiter | None, bool]:
        """The next delimiter of an open multipart whose line feed is before `stop`.

        The search position moves to what could not be decided.

        Returns:
            The delimiter, and whether the search stopped because more input is needed.
        """
        data, most = self._data, self._longest
        edge = stop + 2
        position = data.find(_DASHES, self._position, edge)
        while position >= 0:
            line = data[position + 3 : position + 3 + most]
            if len(line) < most and not self._is_final and b"\n" not in line:
                self._position = position
                return None, True
            delimiter = self._match(line.lower(), position)
            if delimiter is not None:
                return delimiter, False
            position = data.find(_DASHES, position + 3, edge)
        return None, False

    def _match(self, line: bytes | bytearray, line_feed: int) -> _Delimiter | None:
        """Compares a line behind its dashes: the longest boundary wins, then the innermost.

        Everything that starts with a boundary counts; both Courier generations take
        `--AAsuffix` for a delimiter of AA.
        """
        best, size = -1, 0
        for level, multipart in enumerate(self._open):
            boundary = multipart.boundary
            if line.startswith(boundary) and len(boundary) >= size:
                best, size = level, len(boundary)
        if best < 0:
            return None
        has_cr = line_feed > 0 and self._data[line_feed - 1] == _CR
        line_end = self._base + line_feed - has_cr
        still_open = best if line.startswith(b"--", size) else best + 1
        return _Delimiter(best, still_open, line_end, line_feed + 3 + size)

    def _start_delimiter(self, delimiter: _Delimiter) -> None:
        """Goes on behind a delimiter, inside its multipart or behind it."""
        multipart = self._open[delimiter.level]
        if delimiter.still_open < len(self._open):
            self._close_from(delimiter.still_open)
        self._entity = multipart.entity
        self._in_header = False
        self._in_delimiter = True
        self._position = delimiter.end
        is_closing = delimiter.still_open == delimiter.level
        self._wants_child = not is_closing and self._may_begin(multipart.entity)

    def _end_parts(self, delimiter: _Delimiter) -> None:
        """Ends all parts inside the multipart that a delimiter belongs to."""
        multipart = self._open[delimiter.level].entity
        for inner in self._open[delimiter.level + 1 :]:
            inner.entity.add_defect(defect_kinds().WRONG_BOUNDARY, delimiter.line_end)
        entity, lowest = self._entity, delimiter.line_end
        while entity is not multipart:
            # An empty part starts behind the line end that belongs to the delimiter.
            entity.end = lowest = max(lowest, entity.body)
            parent = entity.parent
            assert parent is not None  # noqa: S101 - the multipart is an ancestor
            entity = parent

    def _cut_header(self, delimiter: _Delimiter) -> None:
        """A delimiter inside a header ends it; the body is empty (spec rfc822 4.11.1)."""
        entity = self._entity
        entity.body = max(delimiter.line_end, entity.start)
        self._read_header(entity.body - self._base)
        self._end_parts(delimiter)
        self._start_delimiter(delimiter)

    def _end_header(self, body: int) -> None:
        entity = self._entity
        may_have_parts = self._read_header(body)
        entity.body = self._base + body
        self._in_header = False
        self._position = max(body - 1, 0)  # the line feed of the empty line
        if not may_have_parts:
            return
        if entity.is_message:
            if self._may_begin(entity):
                self._begin(entity, body)
        else:
            self._open_multipart(entity)

    def _read_header(self, end: int) -> bool:
        entity, limits = self._entity, self._limits
        start = entity.start - self._base
        stop = min(end, start + limits.header_bytes)
        block = self._header_prefix[: end - start] or bytes(self._data[start:stop])
        self._header_prefix = b""
        return read_header(entity, block, limits, strict_mime=self._strict_mime)

    def _open_multipart(self, entity: Entity) -> None:
        boundary = entity.content_type.boundary.lower()
        if entity.encoding == "base64":
            entity.add_defect(defect_kinds().INVALID_BASE64, entity.start)
        if not boundary or len(boundary) > self._limits.boundary_bytes:
            entity.add_defect(defect_kinds().BAD_BOUNDARY, entity.start)
            return
        for outer in self._open:
            if outer.boundary.startswith(boundary) or boundary.startswith(outer.boundary):
                entity.add_defect(defect_kinds().BAD_BOUNDARY, entity.start)
        self._open.append(_OpenMultipart(entity, boundary))
        self._longest = max(self._longest, len(boundary) + 2)

    def _close_from(self, level: int) -> None:
        """Forgets the open multiparts from a level on."""
        del self._open[level:]
        self._longest = max([len(left.boundary) + 2 for left in self._open], default=0)

    def _may_begin(self, parent: Entity) -> bool:
        if parent.depth < self._limits.depth and self._parts < self._limits.parts:
            return True
        parent.add_defect(defect_kinds().TOO_COMPLEX, self._base + self._position)
        return False

    def _begin(self, parent: Entity, start: int) -> None:
        self._parts += 1
        self._entity = Entity(parent, self._base + start)
        parent.children.append(self._entity)
        self._in_header = True

    def _finish(self) -> None:
        end = self._base + len(self._data)
        for multipart in self._open:
            multipart.entity.add_defect(defect_kinds().NO_CLOSE, end)
        entity: Entity | None = self._entity
        while entity is not None:
            entity.end = end
            entity = entity.parent


def parse_structure(
    data: bytes | mmap, limits: Limits = DEFAULT_LIMITS, *, strict_mime: bool = True
) -> Entity:
    """The tree of a whole message.

    Args:
        data: the message.
        limits: when to stop going deeper.
        strict_mime: False to follow Content-Type without a Mime-Version field.
    """
    return PushParser(limits, strict_mime=strict_mime).parse(data)
