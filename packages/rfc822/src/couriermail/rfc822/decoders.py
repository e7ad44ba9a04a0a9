"""Transfer encodings undone piece by piece, in memory that does not grow.

A decoder takes a body in any pieces and gives the same octets for all ways of cutting it.
It never fails: what cannot be decoded is kept or dropped as spec rfc822 4.15 says, and noted
in `defects` with its place.  With `strict` the first defect is an error instead.

How base64 is fast.  `binascii` skips foreign characters itself, so a piece without `=` whose
characters are a multiple of four needs nothing else.  How many octets came out tells how many
foreign characters there were, and a look at the line ends shows whether these were all: only a
piece that fails this test is searched.  Source: RFC 2045 6.7 and 6.8.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp

from couriermail.rfc822.defects import Defect, DefectKind
from couriermail.rfc822.errors import DefectiveMessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Decoder(Protocol):
        """What all decoders can do."""

        defects: list[Defect]

        def feed(self, data: bytes) -> bytes:
            """Takes the next octets and gives what can be decoded now."""

        def finish(self) -> bytes:
            """Says that the input is at its end, and gives the rest."""


__all__ = ["Base64Decoder", "IdentityDecoder", "QuotedPrintableDecoder", "make_decoder"]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = bytes(octet for octet in range(256) if octet not in _ALPHABET and octet != ord("="))
_NOISE = re.compile(rb"[^A-Za-z0-9+/= \t\r\n]")
_BEHIND_PADDING = re.compile(rb"=[^A-Za-z0-9+/]*+([A-Za-z0-9+/])")
_DATA = re.compile(rb"[A-Za-z0-9+/]")

# Blanks between `=` and a line end are padding that a gateway added (RFC 2045 6.7 (3)).  No more
# of them are looked at than a line may have (RFC 5322 2.1.1), so that they can be held.
_BLANKS = rb"[ \t]{0,998}+\r?\n"
_LITERAL_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|" + _BLANKS + rb")")
_PADDED_BREAK = re.compile(rb"=[ \t]{1,998}+\r?\n")
_INCOMPLETE = re.compile(rb"=(?:[0-9A-Fa-f]|[ \t]{0,998}+\r?)\Z")
_LONGEST_INCOMPLETE = 1000
_LONGEST_HELD = 998  # RFC 5322 2.1.1: octets of a line
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")


def make_decoder(encoding: str, *, offset: int = 0, strict: bool = False) -> Decoder:
    """The decoder for a transfer encoding.

    Args:
        encoding: `base64` or `quoted-printable`; all others change nothing.
        offset: where the body starts, for the places of defects.
        strict: True to raise `DefectiveMessageError` at the first defect.
    """
    if encoding == "base64":
        return Base64Decoder(offset=offset, strict=strict)
    if encoding == "quoted-printable":
        return QuotedPrintableDecoder(offset=offset, strict=strict)
    return IdentityDecoder()


class _Recorder:
    """Notes the first defect of each kind, or raises it."""

    __slots__ = ("_strict", "defects")

    def __init__(self, *, strict: bool) -> None:
        self.defects: list[Defect] = []
        self._strict = strict

    def _note(self, kind: DefectKind, offset: int) -> None:
        if self._strict:
            raise DefectiveMessageError([Defect(kind, offset)])
        if all(defect.kind != kind for defect in self.defects):
            self.defects.append(Defect(kind, offset))


class IdentityDecoder(_Recorder):
    """Gives back what it takes: 7bit, 8bit, binary and unknown encodings."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(strict=False)

    def feed(self, data: bytes) -> bytes:
        """Returns the octets."""
        return data

    def finish(self) -> bytes:
        """Returns nothing."""
        return b""


class Base64Decoder(_Recorder):
    """Decodes base64; holds at most the beginning of a line.

    Foreign characters are ignored.  `=` ends a quantum, and decoding goes on behind it, as in
    bodies that were encoded in pieces.  Two or three characters that are left over give one or
    two octets.

    Attributes:
        defects: the first of each kind: INVALID_BASE64 for foreign characters and a single
            character that is left over, BASE64_PADDING for padding that is missing or not last.
    """

    __slots__ = ("_end", "_held", "_is_padded")

    def __init__(self, *, offset: int = 0, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._end = offset  # of what was taken
        self._held = b""  # the beginning of a line, or of a quantum
        self._is_padded = False  # a `=` was seen

    def feed(self, data: bytes) -> bytes:
        """Takes the next octets and gives what can be decoded now."""
        self._end += len(data)
        if self._held:
            data = self._held + data
        # Lines nearly always hold whole quanta, so that a cut behind one needs no second try.
        edge = data.rfind(b"\n") + 1 or len(data) & ~3
        if len(data) - edge > _LONGEST_HELD:
            edge = len(data)
        self._held = data[edge:]
        return self._decode_piece(data[:edge] if edge < len(data) else data)

    def finish(self) -> bytes:
        """Decodes the characters that are left over."""
        held, self._held = self._held, b""
        decoded = self._decode_piece(held)
        rest, self._held = self._held, b""
        if rest and not self._is_padded:
            self._note(DefectKind.BASE64_PADDING, self._end)
        return decoded + self._decode(rest, self._end)

    def _decode_piece(self, data: bytes) -> bytes:
        """Decodes up to the last whole quantum; what is behind it goes before what is held."""
        tail = self._held
        start = self._end - len(tail) - len(data)
        if not self._is_padded and b"=" not in data:
            try:
                decoded = a2b_base64(data)
            except Error:  # no multiple of four
                pass
            else:
                self._check_noise(data, len(decoded) // 3 * 4, start)
                return decoded
        clean = data.translate(None, _FOREIGN)
        self._check_noise(data, len(clean), start)
        self._check_padding(data, start)
        *ended, last = clean.split(b"=")
        kept = len(last) - len(last) % 4
        self._held = last[kept:] + tail
        pieces = [self._decode(piece, start) for piece in ended]
        return b"".join([*pieces, a2b_base64(last[:kept])])

    def _check_noise(self, data: bytes, characters: int, start: int) -> None:
        foreign = len(data) - characters
        if not foreign or _is_regular(data, foreign):
            return
        for blank in (b"\n", b"\r", b" ", b"\t"):
            foreign -= data.count(blank)
            if not foreign:
                return
        noise = _NOISE.search(data) if foreign else None
        if noise is not None:
            self._note(DefectKind.INVALID_BASE64, start + noise.start())

    def _check_padding(self, data: bytes, start: int) -> None:
        behind = _DATA.search(data) if self._is_padded else None
        if behind is None:
            found = _BEHIND_PADDING.search(data)
            place = -1 if found is None else found.start(1)
        else:
            place = behind.start()
        if place >= 0:
            self._note(DefectKind.BASE64_PADDING, start + place)
        self._is_padded = self._is_padded or b"=" in data

    def _decode(self, characters: bytes, place: int) -> bytes:
        rest = len(characters) % 4
        if rest == 1:  # six bits are no octet
            self._note(DefectKind.INVALID_BASE64, place)
            characters = characters[:-1]
        elif rest:
            characters += b"=" * (4 - rest)
        return a2b_base64(characters)


def _is_regular(data: bytes, foreign: int) -> bool:
    """True when lines have one length and all foreign characters are their line feeds."""
    first = data.find(b"\n")
    line_ends = data[first :: first + 1] if first >= 0 else b""
    return len(line_ends) == foreign and not line_ends.strip(b"\n")


class QuotedPrintableDecoder(_Recorder):
    """Decodes quoted-printable; holds at most an escape, or a soft break with its blanks.

    What is no escape is kept literally.  Soft line breaks may have blanks before their line
    end.  A `=` at the end of the data is dropped.  Trailing blanks of lines are kept.

    Attributes:
        defects: the first of each kind: BAD_HEX_IN_QP and EIGHT_BIT_IN_QP.
    """

    __slots__ = ("_held", "_offset")

    def __init__(self, *, offset: int = 0, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._offset = offset  # of what is held
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Takes the next octets and gives what can be decoded now."""
        if self._held:
            data = self._held + data
        edge = data.rfind(b"=", max(len(data) - _LONGEST_INCOMPLETE, 0))
        if edge >= 0 and _INCOMPLETE.match(data, edge):
            self._held = data[edge:]
            data = data[:edge]
        else:
            self._held = b""
        return self._decode(data)

    def finish(self) -> bytes:
        """Decodes what was held."""
        held, self._held = self._held, b""
        if not held:
            return b""
        self._note(DefectKind.BAD_HEX_IN_QP, self._offset)
        if held == b"=":  # spec rfc822 4.15: dropped
            return b""
        return self._decode(held)

    def _decode(self, data: bytes) -> bytes:
        start = self._offset
        self._offset = start + len(data)
        if not data.isascii():
            raw = _EIGHT_BIT.search(data)
            assert raw is not None  # noqa: S101 - not ASCII
            self._note(DefectKind.EIGHT_BIT_IN_QP, start + raw.start())
        if b"=" not in data:
            return data
        literal = _LITERAL_EQUALS.search(data)
        if literal is not None:
            self._note(DefectKind.BAD_HEX_IN_QP, start + literal.start())
            data = _LITERAL_EQUALS.sub(b"=3D", data)
        if _PADDED_BREAK.search(data):
            data = _PADDED_BREAK.sub(b"=\n", data)
        return a2b_qp(data)
