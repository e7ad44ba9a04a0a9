"""What is wrong with the headers of a message, field by field.

Reading a header records nothing but what concerns the structure; this looks at everything, for
those who show defects, refuse them, or judge a message by them.  Each defect has the offset of
the field or of the octet.  Source: spec rfc822 7, RFC 5322 3.6.
"""

from __future__ import annotations

import re

from couriermail.rfc822.charset import find_codec
from couriermail.rfc822.defects import Defect, DefectKind
from couriermail.rfc822.header_text import is_address_field
from couriermail.rfc822.headers import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.headers import Field

__all__ = ["check_header"]

# RFC 5322 3.6 and RFC 2045: fields that stand at most once.  Content-Type and
# Content-Transfer-Encoding are found while the structure is read.
_ONCE = frozenset(
    (
        b"date", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"message-id",
        b"in-reply-to", b"references", b"subject", b"mime-version", b"content-disposition",
        b"content-id", b"content-description",
    )
)  # fmt: skip
_ADDRESSES = frozenset((b"sender", b"reply-to"))
_PARAMETERS = frozenset((b"content-type", b"content-disposition"))
_CONTROL = re.compile(rb"\0|\r(?!\n)")
_PARAMETER = re.compile(rb";[ \t\r\n]*+([^\s;=*\"]++)[ \t]*+=")
_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"|\((?:[^()\\]++|\\.)*+\)', re.DOTALL)


def check_header(block: bytes, entity: Entity) -> list[Defect]:
    """Everything that is wrong with a header, in the order of its octets.

    Args:
        block: the header of the part, as much of it as the limits allow.
        entity: the part.
    """
    headers = Headers(block)
    found = list(_check_block(headers, entity))
    seen: set[bytes] = set()
    place = entity.start
    for field in headers:
        found += (Defect(kind, place + index) for kind, index in _check_field(field, seen))
        place += len(field.raw)
    found.sort(key=lambda defect: defect.offset)
    return found


def _check_block(headers: Headers, entity: Entity) -> Iterator[Defect]:
    raw = headers.raw
    control = _CONTROL.search(raw)
    if control is not None:
        yield Defect(DefectKind.CONTROL_IN_HEADER, entity.start + control.start())
    if not headers.separator and entity.parent is None and entity.body - entity.start == len(raw):
        yield Defect(DefectKind.NO_HEADER_END, entity.body)
    if not entity.is_mime:
        return
    kind = entity.content_type
    if kind.value and "/".join((kind.type, kind.subtype)) != kind.value.split(" ")[0]:
        yield Defect(DefectKind.BAD_MEDIA_TYPE, entity.start)
    is_container = kind.type in ("multipart", "message")
    if is_container and entity.encoding in ("base64", "quoted-printable"):
        yield Defect(DefectKind.ENCODED_CONTAINER, entity.start)


def _check_field(field: Field, seen: set[bytes]) -> Iterator[tuple[DefectKind, int]]:
    """Defects of one field and where in it they are."""
    key = field.key
    if not field.has_colon or field.raw[:1] in (b" ", b"\t"):
        is_from_line = field.raw.startswith((b"From ", b">From "))
        if field.raw.strip() and not is_from_line:
            yield DefectKind.NO_FIELD, 0
        return
    if key in _ONCE and key in seen:
        yield DefectKind.DUPLICATE_FIELD, 0
    seen.add(key)
    value = field.value
    start = len(field.raw) - len(field.raw.partition(b":")[2].lstrip(b" \t"))
    if "=?" in value:
        yield from _check_words(value, start)
    name = key.decode("latin-1")
    if (is_address_field(name) and name != "in-reply-to") or key in _ADDRESSES:
        yield from _check_addresses(value, start)
    elif key == b"date":
        yield from _check_date(value, start)
    elif key in _PARAMETERS:
        yield from _check_parameters(field, start)


def _check_words(value: str, start: int) -> Iterator[tuple[DefectKind, int]]:
    from couriermail.rfc822.encoded_word import decode_words

    places: dict[int, str] = {}

    def note(index: int, what: str) -> None:
        places.setdefault(index, what)

    decode_words(value, note)
    for index, what in places.items():
        is_charset = what.startswith("unknown charset")
        kind = DefectKind.UNKNOWN_CHARSET if is_charset else DefectKind.BAD_ENCODED_WORD
        yield kind, start + index


def _check_addresses(value: str, start: int) -> Iterator[tuple[DefectKind, int]]:
    from couriermail.rfc822.address import parse_address_list

    places: list[int] = []
    parse_address_list(value, places.append)
    if places:
        yield DefectKind.BAD_ADDRESS, start + min(places)


def _check_date(value: str, start: int) -> Iterator[tuple[DefectKind, int]]:
    from couriermail.rfc822.dates import parse_date

    if parse_date(value) is None:
        yield DefectKind.BAD_DATE, start


def _check_parameters(field: Field, start: int) -> Iterator[tuple[DefectKind, int]]:
    from couriermail.rfc822.params import parse_parameters

    raw = field.raw_value
    bare = _QUOTED.sub(lambda found: b" " * len(found[0]), raw)
    names: set[bytes] = set()
    for found in _PARAMETER.finditer(bare):
        name = found[1].lower()
        if name in names:
            yield DefectKind.DUPLICATE_FIELD, start + found.start(1)
        names.add(name)
    for parameter in parse_parameters(raw).parameters.values():
        if parameter.charset and find_codec(parameter.charset) is None:
            yield DefectKind.UNKNOWN_CHARSET, start
