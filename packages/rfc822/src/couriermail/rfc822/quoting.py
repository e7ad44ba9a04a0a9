"""The text of a message inside another one: quoted in an answer, or passed on.

Source: spec rfc822 4.22, RFC 3676.
"""

from __future__ import annotations

from couriermail.rfc822.charset import encode_charset
from couriermail.rfc822.flowed import (
    FlowedLine,
    parse_flowed,
    parse_quoted,
    rewrap,
    write_flowed,
)
from couriermail.rfc822.headers import Headers
from couriermail.rfc822.params import ContentType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.rfc822.message import Part

__all__ = ["TextPart", "find_plain_text", "read_lines"]

_DEFAULT_HEADER = 'Content-Type: text/plain; format=flowed; delsp=yes; charset="%s"\n'
_OWN_FIELDS = (b"content-transfer-encoding", b"mime-version")


class TextPart:
    """The part of a new message that holds its text.

    Attributes:
        fields: its MIME fields, without the transfer encoding.
        charset: what its text is in.
    """

    __slots__ = ("_delsp", "_flowed", "charset", "fields")

    def __init__(self, header: bytes = b"", charset: str = "utf-8") -> None:
        """Makes the header.

        Args:
            header: MIME fields that came with the text, or nothing for flowed text in `charset`.
            charset: used where the fields name none.
        """
        block = header.rstrip(b"\r\n") or (_DEFAULT_HEADER % charset).encode().rstrip(b"\n")
        fields = [field.raw for field in Headers(block) if field.key not in _OWN_FIELDS]
        kind_field = Headers(block).field("content-type")
        kind = ContentType.parse(kind_field.unfolded if kind_field else b"")
        self.charset: str = kind.charset or charset
        self._flowed = is_flowed(kind)
        self._delsp = (kind.get("delsp") or "").lower() == "yes"
        self.fields: bytes = b"".join(raw if raw.endswith(b"\n") else raw + b"\n" for raw in fields)

    @property
    def header(self) -> bytes:
        """All its fields, with the empty line behind them."""
        return self.fields + b"Content-Transfer-Encoding: 8bit\n\n"

    def write(self, lines: Iterator[FlowedLine]) -> bytes:
        """Logical lines as this part writes them: long ones wrapped, in its charset."""
        if self._flowed:
            text = write_flowed(rewrap(lines), delsp=self._delsp)
        else:
            text = write_flowed(
                FlowedLine(line.depth, (piece.rstrip(" "),))
                for line in rewrap(lines)
                for piece in line.pieces
            )
        return self.encode(text)

    def encode(self, text: str) -> bytes:
        """Text in the charset of the part; what it does not have becomes `<HH>`."""
        return encode_charset(text, self.charset)


def find_plain_text(part: Part) -> Part | None:
    """The first text/plain part in a part."""
    for inner in part.walk():
        if not inner.entity.children and str(inner.content_type) == "text/plain":
            return inner
    return None


def read_lines(part: Part, *, deeper: int = 0) -> Iterator[FlowedLine]:
    """The logical lines of a text part.

    In text that is not flowed `>` at the start of a line is taken for a quote mark.

    Args:
        part: the part.
        deeper: how many quote marks are added.
    """
    kind = part.content_type
    text = part.text()
    if is_flowed(kind):
        lines = parse_flowed(text, delsp=(kind.get("delsp") or "").lower() == "yes")
    else:
        lines = parse_quoted(text)
    return (FlowedLine(line.depth + deeper, line.pieces) for line in lines)


def is_flowed(kind: ContentType) -> bool:
    """True for `format=flowed` (RFC 3676 4)."""
    return (kind.get("format") or "").lower() == "flowed"
