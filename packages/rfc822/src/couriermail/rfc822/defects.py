"""What is wrong with a message: kinds, places, and what they mean together.

The values are those of spec rfc822 4.13, so that programs which keep them as numbers agree.
"""

from __future__ import annotations

from enum import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["FATAL", "Defect", "DefectKind"]


class DefectKind(Flag):
    """Kinds of defects.  Reading goes on after each of them."""

    EIGHT_BIT_HEADER = 0x0001
    EIGHT_BIT_CONTENT = 0x0002  # without an encoding that allows it
    TOO_COMPLEX = 0x0004  # more parts or levels than the limits
    BAD_BOUNDARY = 0x0008  # missing, or one boundary starts with another
    EIGHT_BIT_IN_QP = 0x0010
    BAD_HEX_IN_QP = 0x0020
    WRONG_BOUNDARY = 0x0040  # an outer boundary ended an inner multipart
    LONG_HEADER = 0x0080  # a MIME field longer than the limit
    UNKNOWN_ENCODING = 0x0100
    INVALID_BASE64 = 0x0200
    LONG_QP_LINE = 0x0400
    DUPLICATE_CONTENT = 0x0800  # two Content-Type or Content-Transfer-Encoding fields
    NO_CLOSE = 0x1_0000  # a multipart without its closing delimiter; not counted by Courier


# Courier: kinds that make it refuse a message.  Here refusing is the caller's policy.
FATAL = (
    DefectKind.TOO_COMPLEX
    | DefectKind.BAD_BOUNDARY
    | DefectKind.WRONG_BOUNDARY
    | DefectKind.UNKNOWN_ENCODING
    | DefectKind.DUPLICATE_CONTENT
)


class Defect:
    """One thing that is wrong, and where.  Never changed.

    Attributes:
        kind: what is wrong.
        offset: octets from the start of the message.
    """

    __slots__ = ("kind", "offset")

    def __init__(self, kind: DefectKind, offset: int) -> None:
        self.kind: Final = kind
        self.offset: Final = offset

    def __repr__(self) -> str:
        return f"Defect({self.kind.name}, {self.offset})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Defect):
            return NotImplemented
        return (self.kind, self.offset) == (other.kind, other.offset)

    def __hash__(self) -> int:
        return hash((self.kind, self.offset))
