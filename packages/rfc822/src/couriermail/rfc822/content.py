"""What is wrong with the body of a leaf: octets that its transfer encoding does not allow.

Bodies are searched where they are, and decoded in pieces.  Source: spec rfc822 4.13.
"""

from __future__ import annotations

import re

from couriermail.rfc822.body import decode_span, iter_decoded
from couriermail.rfc822.charset import find_codec
from couriermail.rfc822.decoders import Base64Decoder
from couriermail.rfc822.defects import Defect, DefectKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

    from couriermail.rfc822.entity import Entity

__all__ = ["check_content", "check_text"]

_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]{0,998}+\r?\n)")
_LONGEST_LINE = 500  # spec rfc822 4.13
_LONG_LINE = re.compile(rb"[^\n]{501}")

_CHECKS = {
    "7bit": ((_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),),
    "8bit": (),
    "unknown": ((_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),),
    "base64": ((_EIGHT_BIT, DefectKind.EIGHT_BIT_CONTENT),),
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
        found += _check_decoded_lines(data, entity)
    elif entity.encoding == "base64":
        found += _check_base64(data, entity)
    return sorted(found, key=lambda defect: defect.offset)


def _check_decoded_lines(data: bytes | mmap, entity: Entity) -> list[Defect]:
    column = 0
    for piece in iter_decoded(data, entity):
        first, separator, rest = piece.partition(b"\n")
        if column + len(first) > _LONGEST_LINE or _LONG_LINE.search(rest):
            return [Defect(DefectKind.LONG_QP_LINE, entity.body)]
        column = len(rest) - rest.rfind(b"\n") - 1 if separator else column + len(first)
    return []


def _check_base64(data: bytes | mmap, entity: Entity) -> list[Defect]:
    decoder = Base64Decoder(offset=entity.body)
    for _ in decode_span(data, entity.body, entity.end, decoder):
        pass
    return decoder.defects


def check_text(data: bytes | mmap, entity: Entity) -> list[Defect]:
    """Checks the charset of a text part: whether it is known and has all octets of the body."""
    kind = entity.content_type
    if entity.children or kind.type != "text" or not kind.charset:
        return []
    codec = find_codec(kind.charset)
    if codec is None:
        return [Defect(DefectKind.UNKNOWN_CHARSET, entity.body)]
    decoder = codec.incrementaldecoder("strict")
    try:
        for piece in iter_decoded(data, entity):
            decoder.decode(piece)
        decoder.decode(b"", True)  # noqa: FBT003 - the codecs take it by position only
    except UnicodeError:
        return [Defect(DefectKind.BAD_CHARACTER, entity.body)]
    return []
