"""Content transfer encodings: decoding that never fails, encoding that always fits.

Source: RFC 2045 6, spec rfc822 4.15 and 4.16.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp, b2a_base64

__all__ = ["decode_base64", "decode_quoted_printable", "encode_base64", "encode_quoted_printable"]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = bytes(octet for octet in range(256) if octet not in _ALPHABET and octet != ord("="))
_LINE_OCTETS = 57  # RFC 2045 6.8: 76 characters

# `=` that is neither an escape nor a soft break; the last `=` of the data is dropped.
_LITERAL_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+\r?\n|\Z)")
# RFC 2045 6.7 (3): blanks before a line end are padding that a gateway added.
_PADDED_BREAK = re.compile(rb"=[ \t]++\r?\n")

_TO_ESCAPE = re.compile(rb"[^ !-<>-~]")
_SOFT_COLUMN = 73  # a character that would start behind this many octets goes on a new line


def decode_base64(data: bytes) -> bytes:
    """Decodes base64; foreign characters are ignored.

    `=` ends a quantum, and decoding goes on behind it, as in bodies that were encoded in
    pieces.  Two or three characters that are left over give one or two octets.
    """
    clean = data.translate(None, _FOREIGN)
    body = clean.rstrip(b"=")
    if b"=" not in body:
        return _decode_quanta(body)
    return b"".join(_decode_quanta(piece) for piece in body.split(b"="))


def decode_quoted_printable(data: bytes) -> bytes:
    """Decodes quoted-printable; what is no escape is kept literally.

    Soft line breaks may have blanks before their line end.  A `=` at the end of the data is
    dropped.  Trailing blanks of lines are kept.
    """
    if b"=" not in data:
        return data
    if _LITERAL_EQUALS.search(data):
        data = _LITERAL_EQUALS.sub(b"=3D", data)
    if _PADDED_BREAK.search(data):
        data = _PADDED_BREAK.sub(b"=\n", data)
    return a2b_qp(data)


def encode_base64(data: bytes) -> bytes:
    """Encodes in lines of 76 characters, each ended by LF; nothing for no data."""
    return b"".join(
        b2a_base64(data[start : start + _LINE_OCTETS])
        for start in range(0, len(data), _LINE_OCTETS)
    )


def encode_quoted_printable(data: bytes) -> bytes:
    """Encodes text with LF line ends in lines of at most 76 octets.

    Blanks at the end of a line, TAB, CR and controls are escaped (spec rfc822 4.16).
    """
    return b"\n".join(_encode_line(line) for line in data.split(b"\n"))


def _decode_quanta(clean: bytes) -> bytes:
    rest = len(clean) % 4
    if rest == 1:  # six bits are no octet
        clean = clean[:-1]
    elif rest:
        clean += b"=" * (4 - rest)
    return a2b_base64(clean)


def _encode_line(line: bytes) -> bytes:
    escaped = _TO_ESCAPE.sub(_escape, line)
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


def _escape(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0]
