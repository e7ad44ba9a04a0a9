"""What the parts of MIME/PGP look like: which parts are ones, and how new ones are written.

Source: RFC 1847 2, RFC 3156, spec rfc822 4.27.
"""

from __future__ import annotations

from couriermail.rfc822.boundary import starts_line
from couriermail.rfc822.folding import fold_parameters
from couriermail.rfc822.headers import Field, find_body, split_fields
from couriermail.rfc822.line_ends import CrlfIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from mmap import mmap

    from couriermail.rfc822.entity import Entity

__all__ = [
    "ENCRYPTED_CONTROL", "RESULT", "RESULT_REPORT", "SIGNATURE", "SplitHeader", "breaks_out",
    "canonical_pieces", "container_pieces", "decoded_status", "has_mimegpg", "has_result_type",
    "is_multipart_encrypted", "is_multipart_signed", "line_end_of", "signed_span", "splice",
    "windows", "with_line_end",
]  # fmt: skip

SIGNATURE = "application/pgp-signature"  # RFC 3156 5
ENCRYPTED_CONTROL = "application/pgp-encrypted"  # RFC 3156 4
RESULT = "multipart/x-mimegpg"
RESULT_REPORT = "text/x-gpg-output"

_CIPHERTEXT = "application/octet-stream"
_PREAMBLE = b"This is a message in MIME format; its parts follow."
_WINDOW = 262_144
_VERSION = b"Mime-Version: 1.0"


def is_multipart_signed(entity: Entity) -> bool:
    """True for a multipart/signed of OpenPGP with both its parts (RFC 3156 5)."""
    children = entity.children
    return (
        _is_container(entity, "multipart/signed", SIGNATURE)
        and str(children[1].content_type) == SIGNATURE
    )


def is_multipart_encrypted(entity: Entity) -> bool:
    """True for a multipart/encrypted of OpenPGP with both its parts (RFC 3156 4)."""
    children = entity.children
    return (
        _is_container(entity, "multipart/encrypted", ENCRYPTED_CONTROL)
        and str(children[0].content_type) == ENCRYPTED_CONTROL
        and str(children[1].content_type) == _CIPHERTEXT
    )


def has_mimegpg(entity: Entity) -> bool:
    """True when the part, or one inside it, is signed or encrypted by OpenPGP."""
    return any(is_multipart_signed(part) or is_multipart_encrypted(part) for part in entity.walk())


def decoded_status(entity: Entity) -> int | None:
    """The status of a part that `unlock_message` made; None for others.

    Only in a message that went through `unlock_message` it is worth anything: everybody can
    write such a part.
    """
    if str(entity.content_type) != RESULT or not entity.children:
        return None
    digits = entity.content_type.get("xpgpstatus") or ""
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 10
    has_report = str(entity.children[0].content_type) == RESULT_REPORT
    return int(digits) if is_number and has_report else None


def has_result_type(field: Field) -> bool:
    """True for a field that calls a part the result of unlocking."""
    from couriermail.rfc822.params import ContentType

    return field.key == b"content-type" and str(ContentType.parse(field.unfolded)) == RESULT


def _is_container(entity: Entity, content_type: str, protocol: str) -> bool:
    found = entity.content_type
    return (
        str(found) == content_type
        and len(entity.children) > 1
        and (found.get("protocol") or "").lower() == protocol
    )


class SplitHeader:
    """The header of a part: what goes inside a new container, and what stays outside.

    Attributes:
        inner: the fields that say what the content is (`Content-...`).
        outer: all others, with a Mime-Version where the part is a message.
    """

    __slots__ = ("inner", "outer")

    def __init__(self, data: bytes | mmap, entity: Entity, line_end: bytes) -> None:
        """Reads the header of a part."""
        inner: list[Field] = []
        outer: list[Field] = []
        for field in split_fields(data[entity.start : entity.body]):
            raw = field.raw
            if not raw.endswith(b"\n"):  # nor may a CR be left that would make an empty line
                raw = raw.rstrip(b"\r") and raw.rstrip(b"\r") + line_end
            (inner if field.key.startswith(b"content-") else outer).append(Field(raw))
        is_message = entity.parent is None or entity.parent.is_message
        if is_message and not any(field.key == b"mime-version" for field in outer):
            # Courier: writes none, and what it makes is no MIME message (RFC 2045 4).
            outer.append(Field(_VERSION + line_end))
        self.inner = b"".join(field.raw for field in inner)
        self.outer = b"".join(field.raw for field in outer)


def signed_span(data: bytes | mmap, entity: Entity) -> tuple[int, int]:
    """What the signature of a part is about: all of it but the line end before the delimiter.

    In a part with nothing in it that line end is inside the part (RFC 1847 2.1, RFC 2046 5.1.1).
    """
    start, end = entity.start, entity.end
    if end > start and data[end - 1 : end] == b"\n" and data[end : end + 2] == b"--":
        end -= 1
        if end > start and data[end - 1 : end] == b"\r":
            end -= 1
    return start, end


def canonical_pieces(
    data: bytes | mmap, start: int, end: int, header: bytes = b""
) -> Iterator[bytes]:
    """A range with CRLF line ends, behind a header: what is signed and encrypted."""
    if header:  # RFC 3156 5: both are in canonical form
        yield with_line_end(header, b"\r\n")
    yield from CrlfIndex(data, start, end).chunks()


def container_pieces(
    header: bytes,
    content_type: str,
    parameters: Sequence[str],
    parts: Sequence[Iterable[bytes]],
    *,
    boundary: str,
    line_end: bytes,
) -> Iterator[bytes]:
    """A multipart.

    Args:
        header: its other fields.
        content_type: without parameters.
        parameters: all but the boundary.
        parts: each with its header, in pieces.
        boundary: starts no line of a part.
        line_end: LF or CRLF.
    """
    kind = fold_parameters("Content-Type", content_type, [*parameters, f'boundary="{boundary}"'])
    yield header + with_line_end(kind.raw, line_end) + line_end + _PREAMBLE + line_end
    delimiter = b"--" + boundary.encode()
    for part in parts:
        yield line_end + delimiter + line_end
        yield from part
    yield line_end + delimiter + b"--" + line_end


def with_line_end(octets: bytes, line_end: bytes) -> bytes:
    """Text with all its line ends made LF or CRLF."""
    lines = octets.replace(b"\r\n", b"\n")
    return lines if line_end == b"\n" else lines.replace(b"\n", line_end)


def line_end_of(data: bytes | mmap) -> bytes:
    """The line end that the header of a message uses."""
    header = data[: find_body(data)[1]]
    return b"\r\n" if b"\r\n" in header else b"\n"


def breaks_out(octets: bytes, entity: Entity) -> bool:
    """True when octets in the place of a part would end a multipart around it."""
    outer = entity.parent
    while outer is not None:
        boundary = outer.content_type.boundary if outer.is_multipart else b""
        if boundary and starts_line(octets, b"--" + boundary):
            return True
        outer = outer.parent
    return False


def splice(
    data: bytes | mmap, replacements: Sequence[tuple[int, int, bytes]], line_end: bytes
) -> Iterator[bytes]:
    """Data with some of its ranges replaced, in pieces; all else is copied.

    Args:
        data: the message.
        replacements: start, end and new octets, in order and without overlaps.
        line_end: put before a replacement that would not start on a line of its own.
    """
    position = 0
    for start, end, octets in replacements:
        yield from windows(data, position, start)
        if start > position and data[start - 1 : start] != b"\n":
            yield line_end
        yield octets
        position = end
    yield from windows(data, position, len(data))


def windows(data: bytes | mmap, start: int, end: int) -> Iterator[bytes]:
    """A range of data, in pieces."""
    for position in range(start, end, _WINDOW):
        yield data[position : min(position + _WINDOW, end)]
