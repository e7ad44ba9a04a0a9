"""Received bytes that wait to be read: as lines, as they are, or not at all.

Work is linear in what arrives whatever the split: it is remembered how far a line end was searched,
and an unfinished line grows in a `bytearray`.  Memory is the largest piece received plus one
line limit; a line above its limit is dropped as it arrives.
"""

from __future__ import annotations

import attrs

from couriermail.smtp.errors import CommandSyntaxError

__all__ = ["LineBuffer"]


@attrs.define
class LineBuffer:
    """A queue of bytes with one reader."""

    _data: bytes | bytearray = b""
    _start: int = 0
    _searched: int = 0
    _is_overlong: bool = False

    def __len__(self) -> int:
        return len(self._data) - self._start

    def peek(self, count: int) -> bytes:
        """The next bytes, at most `count`, which stay."""
        return bytes(self._data[self._start : self._start + count])

    def append(self, data: bytes) -> None:
        """Put received bytes behind those that wait."""
        if self._start == len(self._data):
            self._data, self._start, self._searched = data, 0, 0
            return
        if isinstance(self._data, bytearray):
            del self._data[: self._start]
        else:
            self._data = bytearray(memoryview(self._data)[self._start :])
        self._searched = max(0, self._searched - self._start)
        self._start = 0
        self._data += data

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, or None while there is no whole one.

        Args:
            limit: octets of the longest line, CRLF included.

        Raises:
            CommandSyntaxError: 500, once for a line above the limit, when its end has come.
        """
        start = self._start
        end = self._data.find(b"\r\n", max(start, self._searched))
        if end < 0:
            self._wait_for_line_end(limit)
            return None
        self._start = self._searched = end + 2
        if self._is_overlong or self._start - start > limit:
            self._is_overlong = False
            raise CommandSyntaxError(500, "5.5.6", "Line too long")  # RFC 5321 4.5.3.1.9
        return bytes(self._data[start:end])

    def _wait_for_line_end(self, limit: int) -> None:
        # The last octet may be the CR of the CRLF, so it is searched again.
        self._searched = max(self._start, len(self._data) - 1)
        if len(self) > limit or self._is_overlong:
            self._is_overlong = True
            last = bytes(self._data[-1:])
            self.clear()
            self._data = last

    def take_all(self) -> bytes:
        """Everything that waits."""
        data = self._data
        if self._start or isinstance(data, bytearray):
            data = bytes(memoryview(data)[self._start :])
        self.clear()
        return data

    def clear(self) -> None:
        """Forget everything that waits."""
        self._data, self._start, self._searched = b"", 0, 0
