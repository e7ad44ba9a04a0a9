"""What is wrong with the body of a leaf: octets that its transfer encoding does not allow.

Bodies are searched where they are; only quoted-printable text with an unusual length is
decoded.  Source: spec rfc822 4.13.
"""

from __future__ import annotations

import re

from couriermail.rfc822.defects import Defect, DefectKind
from couriermail.rfc822.transfer import decode_quoted_printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

    from couriermail.rfc822.entity import Entity

__all__ = ["check_content"]

_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/= \t\r\n]")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+\r?\n)")
_LONG_LINE = re.compile(rb"[^\n]{501}")  # spec rfc822 4.13: 500 octets

_CHECKS = {
    "7bit": ((_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),),
    "8bit": (),
    "unknown": ((_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),),
    "base64": (
        (_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),
        (_NOT_BASE64, DefectKind.INVALID_BASE64),
    ),
    "quoted-printable": (
        (_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),
        (_EIGHT_BIT, DefectKind.EIGHT_BIT_IN_QP),
        (_BAD_ESCAPE, DefectKind.BAD_HEX_IN_QP),
    ),
}  # fmt: skip


def check_content(data: bytes | mmap, entity: Entity) -> list[Defect]:
    """Checks the body of a leaf; the place of the first defect of each kind is given."""
    start, end = entity.body, entity.end
    found = [
        Defect(kind, match.start())
        for pattern, kind in _CHECKS[entity.encoding]
        if (match := pattern.search(data, start, end))
    ]
    if entity.encoding == "quoted-printable":
        found += _check_decoded_lines(data[start:end], start)
    return found


def _check_decoded_lines(body: bytes, start: int) -> list[Defect]:
    if _LONG_LINE.search(decode_quoted_printable(body)):
        return [Defect(DefectKind.LONG_QP_LINE, start)]
    return []
