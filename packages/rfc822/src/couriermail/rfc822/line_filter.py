"""Bodies line by line, in pieces of any size: line ends, and From_ lines of mail files.

A mail file separates messages by lines that start with `From `; lines of a body that look
the same get a `>` when it is written and lose one when it is read.  Work is linear in the
input; held back between two pieces is at most the beginning of one line.  Source: spec rfc822
2.4, RFC 4155.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Final

__all__ = ["LineFilter"]

_MOST_HELD = 4096  # a line with more `>` than this is not looked at any further
_FROM = b"From "


class LineFilter:
    """Normalises the lines of a body.

    One CR before each LF is dropped, and a last line without line end gets one.
    """

    __slots__ = ("_held", "_is_line_start", "_line_end", "_pattern", "_replacement")

    def __init__(
        self, *, crlf: bool = False, quote_from: bool = False, unquote_from: bool = False
    ) -> None:
        """Makes a filter for one body.

        Args:
            crlf: end lines with CRLF instead of LF.
            quote_from: put `>` before lines that start with `From ` or `>From `, `>>From `, ...
            unquote_from: take one `>` from lines that start with `>From `, `>>From `, ...
        """
        self._line_end: Final = b"\r\n" if crlf else b"\n"
        self._pattern: re.Pattern[bytes] | None = None
        self._replacement = b""
        self._held = b""
        self._is_line_start = True
        if quote_from or unquote_from:
            import re

            self._pattern = re.compile(rb"\n(?=>*+From )" if quote_from else rb"\n>(?=>*+From )")
            self._replacement = b"\n>" if quote_from else b"\n"

    def feed(self, data: bytes) -> bytes:
        """Takes the next octets and returns what is ready."""
        if self._held:
            data = self._held + data
        ready = len(data) - self._undecided(data)
        self._held = data[ready:]
        return self._convert(data[:ready] if self._held else data)

    def close(self) -> bytes:
        """What is left when the input is at its end."""
        rest, self._held = self._held.removesuffix(b"\r"), b""
        text = self._convert(rest)
        return text if self._is_line_start else text + self._line_end

    def _undecided(self, data: bytes) -> int:
        """How many octets at the end may mean different things with what follows."""
        if self._pattern is not None:
            start = data.rfind(b"\n") + 1
            if (start or self._is_line_start) and len(data) - start <= _MOST_HELD:
                line = data[start:].lstrip(b">")
                if _FROM.startswith(line):
                    return len(data) - start
        return data.endswith(b"\r")

    def _convert(self, data: bytes) -> bytes:
        if not data:
            return b""
        text = data.replace(b"\r\n", b"\n")
        if self._pattern is not None:
            # The pattern looks for line feeds, so the one before the first line is lent to it.
            lent = b"\n" if self._is_line_start else b""
            text = self._pattern.sub(self._replacement, lent + text)[len(lent) :]
        self._is_line_start = text.endswith(b"\n")
        return text if self._line_end == b"\n" else text.replace(b"\n", self._line_end)
