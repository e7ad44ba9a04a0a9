r"""The courierfilter protocol, both sides, without I/O (spec filter 4.19, 4.20).

One exchange on a stream connection: the mail system writes the path of the message's body file,
the paths of its control files and an empty line; the filter reads all of it, answers with one
SMTP-style reply and closes.

    >>> request = FilterRequest("/q/D1", ("/q/C1",))
    >>> RequestReader().feed(request.to_bytes()) == request
    True
    >>> FilterReply.parse(b"550-Not here.\n550 Try elsewhere.\n").verdict
    <Verdict.REFUSED: 'refused'>

Both readers take pieces of any size, do work linear in the octets and hold no more than their
limit.  Paths keep their octets: those that are no UTF-8 travel as surrogates (`os.fsencode`).
"""

from __future__ import annotations

import enum
import os
import re

import attrs

from couriermail.core.reply import Reply
from couriermail.filter.courierfilter.errors import FilterProtocolError

__all__ = ["FilterReply", "FilterRequest", "ReplyReader", "RequestReader", "Verdict"]

MAX_REQUEST = 4 << 20
"""Octets of a request: 10,000 control files (a million recipients) with long names."""

MAX_REPLY = 64 << 10
"""Octets of a reply: far more than a client shows to anybody."""


class Verdict(enum.Enum):
    """What a filter's reply means for the message (spec filter 4.19)."""

    PASSED = "passed"
    """No objection: the next filter is asked."""
    ACCEPTED = "accepted"
    """Take it, and ask no other filter."""
    REFUSED = "refused"
    """The reply goes to the client."""


@attrs.frozen
class FilterRequest:
    """What a filter is asked about.

    Attributes:
        body: path of the file with the whole message, header and body.
        controls: paths of its control files, one for each batch of recipients.
    """

    body: str
    controls: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The request as it is written to the filter's socket.

        Raises:
            FilterProtocolError: a path is empty or holds a line feed; it cannot be said.
        """
        paths = [os.fsencode(path) for path in (self.body, *self.controls)]
        if any(not path or b"\n" in path for path in paths):
            raise FilterProtocolError("a path in a filter request must be one line of text")
        return b"\n".join((*paths, b"", b""))


@attrs.define(eq=False)
class RequestReader:
    """The filter's side: bytes in, one request out."""

    _buffer: bytearray = attrs.field(factory=bytearray, init=False)
    _is_done: bool = attrs.field(default=False, init=False)

    def feed(self, data: bytes) -> FilterRequest | None:
        """Take the next octets; the request, once its empty line was read.

        Raises:
            FilterProtocolError: it begins with the empty line, is too long or has no end.
        """
        if self._is_done:
            raise FilterProtocolError("a connection brings one request")
        seen = len(self._buffer)
        self._buffer += data
        end = self._end(max(0, seen - 1))
        if end < 0:
            if len(self._buffer) > MAX_REQUEST:
                raise FilterProtocolError("the request is too long")
            return None
        self._is_done = True
        paths = self._buffer[:end].split(b"\n")
        self._buffer = bytearray()
        return _request([os.fsdecode(bytes(path)) for path in paths])

    def _end(self, start: int) -> int:
        """Where the lines before the empty line end; -1 while it is missing."""
        if self._buffer.startswith(b"\n"):
            return 0
        return self._buffer.find(b"\n\n", start)

    def close(self) -> None:
        """The caller has closed its side.

        Raises:
            FilterProtocolError: there was no whole request.
        """
        if not self._is_done:
            raise FilterProtocolError("the connection ended within a request")


def _request(paths: list[str]) -> FilterRequest:
    if not paths[0] or any("\0" in path for path in paths):
        raise FilterProtocolError("the request names no file")
    return FilterRequest(paths[0], tuple(paths[1:]))


@attrs.frozen
class FilterReply:
    """A filter's answer.

    Attributes:
        code: three digits, as text: some begin with `0`.
        lines: the text of each line, without its code.
    """

    code: str
    lines: tuple[str, ...]

    @classmethod
    def parse(cls, data: bytes) -> FilterReply:
        """Read a whole answer.

        Raises:
            FilterProtocolError: it is empty, or does not begin with a three-digit code.
        """
        reader = ReplyReader()
        return reader.feed(data) or reader.close()

    @property
    def verdict(self) -> Verdict:
        """What it means for the message."""
        if self.code.startswith("0"):
            return Verdict.ACCEPTED
        return Verdict.REFUSED if self.code[0] in "45" else Verdict.PASSED

    @property
    def reply(self) -> Reply:
        """The reply for the client; what is not printable was replaced.

        An enhanced code in front of every line (RFC 2034 4) is taken as such.
        """
        lines = [_printable(line) for line in self.lines]
        found = re.match(rf"{self.code[0]}\.[0-9]{{1,3}}\.[0-9]{{1,3}} ", lines[0])
        if found is None or not all(line.startswith(found[0]) for line in lines):
            return Reply(int(self.code), "\n".join(lines))
        text = "\n".join(line.removeprefix(found[0]) for line in lines)
        return Reply(int(self.code), text, enhanced=found[0].rstrip())

    def to_bytes(self) -> bytes:
        """The answer as the filter writes it."""
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{' ' if number == last else '-'}{text}\n"
            for number, text in enumerate(self.lines)
        ).encode("utf-8", "surrogateescape")


@attrs.define(eq=False)
class ReplyReader:
    """The mail system's side: bytes in, one reply out."""

    _buffer: bytearray = attrs.field(factory=bytearray, init=False)
    _scanned: int = attrs.field(default=0, init=False)  # lines before it are continued

    def feed(self, data: bytes) -> FilterReply | None:
        """Take the next octets; the reply, once its last line was read.

        Raises:
            FilterProtocolError: it is too long, or does not begin with a three-digit code.
        """
        searched = max(self._scanned, len(self._buffer))
        self._buffer += data
        while (end := self._buffer.find(b"\n", searched)) >= 0:
            line = self._buffer[self._scanned : end]
            self._scanned = searched = end + 1
            if not _is_continued(line):
                return _reply(self._buffer[: end + 1])
        if len(self._buffer) > MAX_REPLY:
            raise FilterProtocolError("the filter's reply is too long")
        return None

    def close(self) -> FilterReply:
        """The filter has closed; that ends a reply too (spec filter 4.19).

        Raises:
            FilterProtocolError: there was none, or it does not begin with a three-digit code.
        """
        return _reply(self._buffer)


def _is_continued(line: bytes | bytearray) -> bool:
    return line[:3].isdigit() and line[3:4] == b"-"


def _reply(data: bytes | bytearray) -> FilterReply:
    # Courier: a first line without a code refuses and is shown to the client; here it counts as no
    # answer at all (spec filter 4.19 T): a broken filter's garbage must not bounce mail.
    lines = [line.rstrip(b"\r").decode("utf-8", "surrogateescape") for line in data.splitlines()]
    first = lines[0] if lines else ""
    if not _has_code(first):
        raise FilterProtocolError("the filter's reply does not begin with a three-digit code")
    return FilterReply(first[:3], tuple(line[4:] if _has_code(line) else line for line in lines))


def _has_code(line: str) -> bool:
    code = line[:3]
    is_number = len(code) == 3 and code.isascii() and code.isdigit()
    return is_number and line[3:4] in ("", " ", "-")


def _printable(text: str) -> str:
    """Only what may stand in a reply: a filter must not write lines of its own to the client."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)
