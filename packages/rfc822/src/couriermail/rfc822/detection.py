"""Which transfer encoding a body needs.

One pass over pieces, in constant memory.  Source: RFC 2045 6, spec rfc822 4.16.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

__all__ = ["BodyKind", "detect_encoding"]

_LONGEST_COLUMN = 990
_COSTLY = bytes(octet for octet in range(256) if octet < 32 and octet not in b"\t\r\n") + bytes(
    range(128, 256)
)


class BodyKind:
    """What detection found.  Never changed.

    Attributes:
        encoding: `7bit`, `8bit`, `quoted-printable` or `base64`.
        is_binary: True when a NUL was found: this is no text.
        has_long_lines: True when a line is longer than a line of mail may be.
    """

    __slots__ = ("encoding", "has_long_lines", "is_binary")

    def __init__(self, encoding: str, *, is_binary: bool, has_long_lines: bool) -> None:
        self.encoding: Final = encoding
        self.is_binary: Final = is_binary
        self.has_long_lines: Final = has_long_lines

    def __repr__(self) -> str:
        return f"BodyKind({self.encoding!r}, is_binary={self.is_binary})"


def detect_encoding(data: bytes | Iterable[bytes], *, seven_bit: bool = False) -> BodyKind:
    """Finds the encoding for a body.

    Args:
        data: the body, whole or in pieces; reading stops at the first NUL.
        seven_bit: True when what comes out must be 7-bit.

    Returns:
        `base64` for a body with a NUL.  `7bit` or `8bit` for text with lines of up to 990
        columns, in which octets that quoted-printable escapes count as three.  For others (and
        8-bit text where it must be 7-bit) `quoted-printable`, or `base64` when more than a
        tenth of the octets would be escaped.
    """
    total = costly = column = 0
    is_long = False
    for piece in (data,) if isinstance(data, bytes) else data:
        if b"\0" in piece:
            return BodyKind("base64", is_binary=True, has_long_lines=is_long)
        total += len(piece)
        costly += len(piece) - len(piece.translate(None, _COSTLY))
        if not is_long:
            column, is_long = _measure(piece, column)
    if is_long or (seven_bit and costly):
        encoding = "base64" if costly * 10 > total else "quoted-printable"
    else:
        encoding = "8bit" if costly else "7bit"
    return BodyKind(encoding, is_binary=False, has_long_lines=is_long)


def _measure(piece: bytes, column: int) -> tuple[int, bool]:
    """The column at the end of a piece, and whether a line in it is too long."""
    if column + 3 * len(piece) <= _LONGEST_COLUMN and b"\n" not in piece:
        return column + _columns(piece), False
    for line in piece.split(b"\n"):
        if column + 3 * len(line) > _LONGEST_COLUMN:
            column += _columns(line)
            if column > _LONGEST_COLUMN:
                return column, True
        elif line:
            column += _columns(line)
        last, column = column, 0
    return last, False


def _columns(line: bytes) -> int:
    return len(line) + 2 * (len(line) - len(line.translate(None, _COSTLY)))
