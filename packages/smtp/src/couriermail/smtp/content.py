"""The bytes of a message: finding its end, taking the dots out, judging bare CR and LF.

Theory of operation.  Only CRLF.CRLF ends a message (RFC 5321 4.1.1.4, 4.5.2); software that
believed in other line ends let one message smuggle in a second.  `DotReader` therefore thinks of
the stream as following the CRLF that ended the command, looks for the five octets
CRLF.CRLF, and keeps back at most the four last octets of what arrived when they could be the
beginning of them.  So no CRLF and no CRLF-dot is ever cut in two: the kept octets go in front of
the next piece, and everything else is done with whole pieces by `find`, `replace` and `count`,
whose work is linear and in C.  `ChunkReader` does the same for BDAT (RFC 3030), where the octets
are counted and only a CR at the very end must be kept.

Both promise: the joined output is the same however the input was cut; what they keep is
at most four octets; they never look at an octet more than a fixed number of times.
"""

from __future__ import annotations

import attrs

from couriermail.smtp.config import BarePolicy, LineEnds

__all__ = ["ChunkReader", "Content", "DotReader"]

_END = b"\r\n.\r\n"


@attrs.define
class Content:
    """Judges and converts line ends of pieces that never end between CR and LF.

    Attributes:
        line_ends: `lf` or `crlf`, what comes out.
        bare: what to do with bare CR, bare LF and NUL.
        size: octets seen so far, counted with CRLF (RFC 1870 3).
        is_refused: `bare` is `reject` and there was something to reject.
    """

    line_ends: LineEnds
    bare: BarePolicy
    size: int = 0
    is_refused: bool = False

    def convert(self, piece: bytes) -> bytes:
        """The piece as the caller wants it."""
        self.size += len(piece)
        lines = piece.replace(b"\r\n", b"\n")
        line_ends = len(piece) - len(lines)
        if b"\r" in lines or b"\0" in lines or lines.count(b"\n") != line_ends:
            return self._convert_odd(piece, lines)
        return lines if self.line_ends == "lf" else piece

    def _convert_odd(self, piece: bytes, lines: bytes) -> bytes:
        if self.bare == "keep":
            return lines if self.line_ends == "lf" else piece
        if self.bare == "reject":
            self.is_refused = True
            return b""
        lines = lines.replace(b"\r", b"\n").replace(b"\0", b"")
        return lines if self.line_ends == "lf" else lines.replace(b"\n", b"\r\n")


@attrs.define
class DotReader:
    """Reads one message of the DATA command.

    Attributes:
        content: line-end policy and counts.
        rest: the bytes behind the end of the message; None until the end was found.
    """

    content: Content
    rest: bytes | None = None
    # The message begins as if behind a CRLF, so that a dot in its first line is a dot at
    # the beginning of a line; these two octets are not part of the message.
    _kept: bytes = b"\r\n"
    _is_first: bool = True

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and give what is certain; may be empty."""
        data = self._kept + data
        if b"\r\n." in data:
            end = data.find(_END)
            if end >= 0:
                self.rest = data[end + 5 :]
                self._kept = b""
                return self._finish_piece(data[: end + 2].replace(b"\r\n.", b"\r\n"))
            keep = _tail_length(data)
            # RFC 5321 4.5.2: one dot at the beginning of a line is taken away
            piece = data[: len(data) - keep].replace(b"\r\n.", b"\r\n")
        else:
            keep = _tail_length(data)
            piece = data[: len(data) - keep] if keep else data
        self._kept = data[len(data) - keep :]
        return self._finish_piece(piece)

    def _finish_piece(self, piece: bytes) -> bytes:
        if self._is_first and piece:  # then it holds the whole CRLF: see _tail_length
            self._is_first = False
            piece = piece[2:]
        return self.content.convert(piece) if piece else piece


@attrs.define
class ChunkReader:
    """Reads the messages of BDAT commands; `is_last` says that a message has no more chunks.

    Attributes:
        content: line-end policy and counts.
        remaining: octets of the current chunk still to come.
        is_last: the current chunk is the last one.
    """

    content: Content
    remaining: int = 0
    is_last: bool = False
    _kept: bytes = b""

    def start_chunk(self, size: int, *, is_last: bool) -> None:
        """Begin the octets of the next BDAT command."""
        self.remaining = size
        self.is_last = is_last

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take octets; gives what is certain of the chunk, and what lies behind it."""
        rest = data[self.remaining :]
        data = self._kept + data[: self.remaining]
        self.remaining -= len(data) - len(self._kept)
        self._kept = b""
        if data.endswith(b"\r") and not (self.is_last and self.remaining == 0):
            self._kept = b"\r"
            data = data[:-1]
        return (self.content.convert(data) if data else b""), rest


def _tail_length(data: bytes) -> int:
    """How many octets at the end of `data` may be the beginning of CRLF.CRLF."""
    if data[-1:] not in (b"\r", b"\n", b"."):
        return 0
    for length in (4, 3, 2, 1):
        if data.endswith(_END[:length]):
            return length
    return 0
