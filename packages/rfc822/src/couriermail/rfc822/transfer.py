"""Content transfer encodings of whole bodies: decoding never fails, encoding always fits.

`decoders` does the same for bodies that come in pieces.  Source: RFC 2045 6, spec rfc822 4.15
and 4.16.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

__all__ = ["decode_base64", "decode_quoted_printable", "encode_base64", "encode_quoted_printable"]

_LINE_OCTETS = 57  # RFC 2045 6.8: 76 characters
_BLOCK_LINES = 256
_BLOCK_OCTETS = _LINE_OCTETS * _BLOCK_LINES
_cut_block = Struct("76s" * _BLOCK_LINES).unpack
_SOFT_COLUMN = 73  # a character that would start behind this many octets goes on a new line
_WINDOW = 65_536  # octets decoded at a time
_to_escape: re.Pattern[bytes] | None = None


def decode_base64(data: bytes) -> bytes:
    """Decodes base64; foreign characters are ignored.

    `=` ends a quantum, and decoding goes on behind it, as in bodies that were encoded in
    pieces.  Two or three characters that are left over give one or two octets.
    """
    padding = data.find(b"=")
    if padding < 0 or data[padding:] in (b"=", b"=="):
        try:
            return a2b_base64(data)
        except Error:  # something is left over
            pass
    from couriermail.rfc822.decoders import Base64Decoder

    decoder = Base64Decoder()
    pieces = [decoder.feed(data[start : start + _WINDOW]) for start in range(0, len(data), _WINDOW)]
    return b"".join([*pieces, decoder.finish()])


def decode_quoted_printable(data: bytes) -> bytes:
    """Decodes quoted-printable; what is no escape is kept literally.

    Soft line breaks may have blanks before their line end.  A `=` at the end of the data is
    dropped.  Trailing blanks of lines are kept.
    """
    from couriermail.rfc822.decoders import QuotedPrintableDecoder

    decoder = QuotedPrintableDecoder()
    return decoder.feed(data) + decoder.finish()


def encode_base64(data: bytes) -> bytes:
    """Encodes in lines of 76 characters, each ended by LF; nothing for no data."""
    whole = len(data) - len(data) % _BLOCK_OCTETS
    pieces: list[bytes] = []
    for start in range(0, whole, _BLOCK_OCTETS):
        # Cutting many lines by one call of `struct` is twice as fast as line by line.
        encoded = b2a_base64(data[start : start + _BLOCK_OCTETS], newline=False)
        pieces += _cut_block(encoded)
    pieces += [
        b2a_base64(data[start : start + _LINE_OCTETS], newline=False)
        for start in range(whole, len(data), _LINE_OCTETS)
    ]
    return b"\n".join([*pieces, b""]) if pieces else b""


def encode_quoted_printable(data: bytes) -> bytes:
    """Encodes text with LF line ends in lines of at most 76 octets.

    Blanks at the end of a line, TAB, CR and controls are escaped (spec rfc822 4.16).
    """
    return b"\n".join(_encode_line(line) for line in data.split(b"\n"))


def _encode_line(line: bytes) -> bytes:
    escaped = (_to_escape or _compile()).sub(_escape, line)
    if escaped[-1:] == b" ":
        escaped = escaped[:-1] + b"=20"
    if len(escaped) <= _SOFT_COLUMN:
        return escaped
    pieces: list[bytes] = []
    start, length = 0, len(escaped)
    while start < length:
        end = start + _SOFT_COLUMN
        if escaped[end - 1 : end] == b"=":  # never inside an escape
            end += 2
        elif escaped[end - 2 : end - 1] == b"=":
            end += 1
        pieces.append(escaped[start:end])
        start = end
    return b"=\n".join(pieces)


def _compile() -> re.Pattern[bytes]:
    """Compiles on first use, see `tokens`."""
    global _to_escape  # noqa: PLW0603 - compiled once per process
    import re

    _to_escape = re.compile(rb"[^ !-<>-~]")
    return _to_escape


def _escape(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0]
