"""Which transfer encoding some content needs.

Source: spec rfc822 4.16, RFC 2045 2.7 and 2.8.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

__all__ = ["choose_encoding"]

_LONGEST_LINE = 990  # columns; RFC 5322 2.1.1 allows 998 octets
_WINDOW = 262_144
_COLUMNS_OF_ESCAPE = 3
_SEVEN_BIT = bytes(octet for octet in range(128) if octet >= 0x20 or octet in b"\t\r\n")


def choose_encoding(data: bytes | mmap, *, seven_bit: bool = False) -> tuple[str, bool]:
    """The encoding that content needs.

    Args:
        data: with LF line ends if it is text.
        seven_bit: True when 8-bit text is not allowed.

    Returns:
        `7bit`, `8bit`, `quoted-printable` or `base64`, and whether the content is binary,
        which is what a NUL in it means.
    """
    if data.find(b"\0") >= 0:
        return "base64", True
    special, has_long_line = _measure(data)
    if has_long_line or (seven_bit and special):
        return ("base64" if special * 10 > len(data) else "quoted-printable"), False
    return ("8bit" if special else "7bit"), False


def _measure(data: bytes | mmap) -> tuple[int, bool]:
    """How many octets are 8-bit or controls, and whether a line is too long."""
    special = column = 0
    has_long_line = False
    for start in range(0, len(data), _WINDOW):
        window = data[start : start + _WINDOW]
        special += len(window.translate(None, _SEVEN_BIT))
        if not has_long_line:
            has_long_line, column = _scan_lines(window, column)
    return special, has_long_line


def _scan_lines(window: bytes, column: int) -> tuple[bool, int]:
    """Whether a line grows too long, and the column at the end of the window."""
    for line in window.split(b"\n"):
        width = len(line)
        if column + width * _COLUMNS_OF_ESCAPE > _LONGEST_LINE:  # only then look closely
            width += (_COLUMNS_OF_ESCAPE - 1) * len(line.translate(None, _SEVEN_BIT))
            if column + width > _LONGEST_LINE:
                return True, 0
        column = 0
        last = width
    return False, last
