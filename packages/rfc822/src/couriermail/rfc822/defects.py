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
    # Not counted by Courier:
    NO_CLOSE = 0x1_0000  # a multipart without its closing delimiter
    BASE64_PADDING = 0x2_0000  # padding is missing, or data follows it
    UNKNOWN_CHARSET = 0x4_0000  # of a text part, a parameter or an encoded word
    BAD_CHARACTER = 0x8_0000  # octets that the charset of a text does not have
    BAD_ENCODED_WORD = 0x10_0000  # damaged, or not finished
    BAD_ADDRESS = 0x20_0000  # something in an address list had to be skipped or guessed
    BAD_DATE = 0x40_0000  # a Date that is none
    NO_FIELD = 0x80_0000  # a line of a header without a colon, or a continuation of nothing
    CONTROL_IN_HEADER = 0x100_0000  # a NUL, or a CR that ends no line
    NO_HEADER_END = 0x200_0000  # the header has no empty line behind it
    DUPLICATE_FIELD = 0x400_0000  # a second field, or parameter, that can stand only once
    BAD_MEDIA_TYPE = 0x800_0000  # Content-Type names no type and subtype
    ENCODED_CONTAINER = 0x1000_0000  # base64 or quoted-printable around parts (RFC 2045 6.4)


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

    @property
    def description(self) -> str:
        """What is wrong, in words."""
        return _DESCRIPTIONS[self.kind]

    def __repr__(self) -> str:
        return f"Defect({self.kind.name}, {self.offset})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Defect):
            return NotImplemented
        return (self.kind, self.offset) == (other.kind, other.offset)

    def __hash__(self) -> int:
        return hash((self.kind, self.offset))


_DESCRIPTIONS = {
    DefectKind.EIGHT_BIT_HEADER: "8-bit header content",
    DefectKind.EIGHT_BIT_CONTENT: ("8-bit content without a Content-Transfer-Encoding declaration"),
    DefectKind.TOO_COMPLEX: "MIME complexity exceeds limits",
    DefectKind.BAD_BOUNDARY: "Non-unique MIME boundary delimiters",
    DefectKind.EIGHT_BIT_IN_QP: "Unencoded 8-bit content in quoted-printable content",
    DefectKind.BAD_HEX_IN_QP: "Bad hexadecimal quoted-printable encoding",
    DefectKind.WRONG_BOUNDARY: "Unexpected MIME boundary delimiter",
    DefectKind.LONG_HEADER: "MIME header field is too long",
    DefectKind.UNKNOWN_ENCODING: "Unknown Content-Transfer-Encoding",
    DefectKind.INVALID_BASE64: "Invalid base64 encoding",
    DefectKind.LONG_QP_LINE: "Quoted-printable text with a very long line",
    DefectKind.DUPLICATE_CONTENT: "Duplicate MIME Content-* header",
    DefectKind.NO_CLOSE: "Multipart without its closing delimiter",
    DefectKind.BASE64_PADDING: "Base64 padding is missing, or data follows it",
    DefectKind.UNKNOWN_CHARSET: "Unknown character set",
    DefectKind.BAD_CHARACTER: "Octets that the character set does not have",
    DefectKind.BAD_ENCODED_WORD: "Damaged encoded word",
    DefectKind.BAD_ADDRESS: "No clean address list",
    DefectKind.BAD_DATE: "Not a date",
    DefectKind.NO_FIELD: "Header line that is no field",
    DefectKind.CONTROL_IN_HEADER: "NUL or lone CR in a header",
    DefectKind.NO_HEADER_END: "No empty line behind the header",
    DefectKind.DUPLICATE_FIELD: "Field or parameter that may stand only once",
    DefectKind.BAD_MEDIA_TYPE: "Content-Type without type and subtype",
    DefectKind.ENCODED_CONTAINER: "Encoded multipart or message",
}
