"""A node of a message's structure, and how the header of a part decides what it is.

Source: RFC 2045, RFC 2046, spec rfc822 4.11.
"""

from __future__ import annotations

from couriermail.rfc822.headers import find_content_fields, find_fields
from couriermail.rfc822.params import ContentType
from couriermail.rfc822.tokens import tokenize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.rfc822.defects import Defect, DefectKind
    from couriermail.rfc822.headers import Field
    from couriermail.rfc822.limits import Limits

__all__ = ["Entity", "defect_kinds", "read_header"]

_ASCII = bytes(range(128))
_EMBEDDED = ("rfc822", "global")  # RFC 2046 5.2.1, RFC 6532 3.7
_MIME_VERSION = b"\nmime-version"
_ENCODED = ("quoted-printable", "base64")

# Spellings that need no tokenizer.
_ENCODINGS = {
    b"7bit": "7bit",
    b"8bit": "8bit",
    b"binary": "8bit",
    b"quoted-printable": "quoted-printable",
    b"base64": "base64",
}


class Entity:
    """One part of a message: where it is and what it is, without any of its text.

    Attributes:
        parent: the part around it; None for the message.
        children: parts inside it, in order.
        start: offset of its header.
        body: offset of its body.
        end: offset behind its body.
        depth: 1 for the message, one more for each level.
        number: its place among the children of its parent, from 1.
        is_mime: whether its MIME fields count (spec rfc822 4.11.4).
        encoding: `7bit`, `8bit`, `quoted-printable`, `base64` or `unknown`.
        defects: what is wrong with the structure here, not below.
    """

    __slots__ = (
        "_content_type", "body", "children", "defects", "depth", "encoding", "end", "is_mime",
        "number", "parent", "raw_type", "start",
    )  # fmt: skip

    def __init__(self, parent: Entity | None, start: int) -> None:
        self.parent = parent
        self.children: list[Entity] = []
        self.start = self.body = self.end = start
        self.depth = self.number = 1
        if parent is not None:
            self.depth = parent.depth + 1
            self.number = len(parent.children) + 1
        self.is_mime = False
        self.encoding = "7bit"
        self.defects: list[Defect] = []
        self.raw_type = b""
        self._content_type: ContentType | None = None

    @property
    def content_type(self) -> ContentType:
        """The media type in effect, default included; read from the field on first use."""
        if self._content_type is None:
            self._content_type = self._read_content_type()
        return self._content_type

    @property
    def is_multipart(self) -> bool:
        """True for every multipart type, also when it has no parts."""
        return self.content_type.type == "multipart"

    @property
    def is_message(self) -> bool:
        """True for an embedded message that was read as one (message/rfc822 or global)."""
        found = self.content_type
        return found.type == "message" and found.subtype in _EMBEDDED

    @property
    def section(self) -> str:
        """The number of the part: `1` for the message, `1.2` for its second child."""
        numbers: list[str] = []
        entity: Entity = self
        while entity.parent is not None:
            numbers.append(str(entity.number))
            entity = entity.parent
        return ".".join(["1", *reversed(numbers)])

    def walk(self) -> Iterator[Entity]:
        """This part and all below it, in the order of the document."""
        pending = [self]
        while pending:
            entity = pending.pop()
            yield entity
            if entity.children:
                pending.extend(reversed(entity.children))

    def add_defect(self, kind: DefectKind, offset: int) -> None:
        """Records a defect; the first of a kind is kept."""
        from couriermail.rfc822.defects import Defect

        if all(defect.kind != kind for defect in self.defects):
            self.defects.append(Defect(kind, offset))

    def __repr__(self) -> str:
        return f"<Entity {self.content_type} {self.start}/{self.body}/{self.end}>"

    def _read_content_type(self) -> ContentType:
        found = ContentType.parse(self.raw_type, "") if self.raw_type else ContentType("", {})
        if not found.value:
            found = ContentType(self._default_type(), found.parameters)
        if found.type == "multipart":
            return found
        if found.type == "message" and found.subtype in _EMBEDDED and self.encoding in _ENCODED:
            # RFC 2046 5.2.1 forbids it; the section stays closed (spec rfc822 4.11.7).
            return ContentType("message/octet-stream", found.parameters)
        # looked for in the octets first: most parameters are never read
        if b"boundary" in self.raw_type.lower() and "boundary" in found.parameters:
            kept = {name: value for name, value in found.parameters.items() if name != "boundary"}
            return ContentType(found.value, kept)
        return found

    def _default_type(self) -> str:
        if self.parent is not None and self.parent.content_type.value == "multipart/digest":
            return "message/rfc822"  # RFC 2046 5.1.5
        return "text/plain"


def read_header(entity: Entity, block: bytes, limits: Limits, *, strict_mime: bool) -> bool:
    """Fills in what the header says about a part.

    Args:
        entity: a part whose `start` is set.
        block: its header, or as much of it as the limits allow.
        limits: for the length of fields.
        strict_mime: False to follow Content-Type without a Mime-Version field.

    Returns:
        True when the part may have parts of its own.
    """
    if not block.isascii():
        first = len(block) - len(block.lstrip(_ASCII))
        entity.add_defect(defect_kinds().EIGHT_BIT_HEADER, entity.start + first)
    lower = b"\n" + block.lower()
    parent = entity.parent
    is_mime = (parent is not None and parent.is_multipart) or _has_version_one(block, lower)
    if not is_mime and strict_mime:
        return False
    types, encodings = find_content_fields(block, lower)
    if not is_mime and not types:
        return False
    entity.is_mime = True
    if types:
        entity.raw_type = _last_value(entity, block, types, limits)
    if encodings:
        value = _last_value(entity, block, encodings, limits)
        if not _read_encoding(entity, value):
            place = _place(entity, block, encodings[-1])
            entity.add_defect(defect_kinds().UNKNOWN_ENCODING, place)
    return _may_have_parts(entity)


def defect_kinds() -> type[DefectKind]:
    """The kinds of defects, imported when there is one: most messages never need `enum`."""
    from couriermail.rfc822.defects import DefectKind

    return DefectKind


def _may_have_parts(entity: Entity) -> bool:
    """Looks at the first letters only, so that the type of a leaf is not parsed."""
    kind = entity.raw_type.lstrip(b" \t")[:9].lower()
    if kind[:1].isalpha() and not kind.startswith((b"multipart", b"message")):
        return False
    return entity.is_multipart or entity.is_message


def _has_version_one(block: bytes, lower: bytes) -> bool:
    """Whether one of the Mime-Version fields says `1`."""
    start = lower.find(_MIME_VERSION)
    if start < 0:
        return False
    # nearly always; no field need be cut out then
    if lower.startswith(b": 1", start + len(_MIME_VERSION)):
        return True
    return any(map(_is_version_one, find_fields(block, lower, b"mime-version")))


def _is_version_one(field: Field) -> bool:
    """RFC 2045 4: comments may stand around the number."""
    value = field.unfolded.strip(b" \t")
    if value[:1] == b"1":
        return True
    if b"(" not in value:
        return False
    words = [token for token in tokenize(value.decode("latin-1")) if token.kind == "atom"]
    return bool(words) and words[0].text.startswith("1")


def _place(entity: Entity, block: bytes, field: Field) -> int:
    """Offset of a field that is the last of its kind."""
    return entity.start + block.rfind(field.raw)


def _last_value(entity: Entity, block: bytes, fields: list[Field], limits: Limits) -> bytes:
    """The value that counts: of two it is the last one (spec rfc822 4.11.15)."""
    field = fields[-1]
    if len(fields) > 1:
        entity.add_defect(defect_kinds().DUPLICATE_CONTENT, _place(entity, block, field))
    value = field.unfolded
    if len(value) > limits.field_bytes:
        entity.add_defect(defect_kinds().LONG_HEADER, _place(entity, block, field))
        value = value[: limits.field_bytes]
    return value.translate(None, b"\r\0") if b"\r" in value or b"\0" in value else value


def _read_encoding(entity: Entity, value: bytes) -> bool:
    """Sets the encoding; False when it is not known."""
    known = _ENCODINGS.get(value.strip(b" \t").lower())
    if known is None:
        tokens = tokenize(value.decode("latin-1"))
        words = (token.text for token in tokens if token.kind in ("atom", "quoted"))
        known = _encoding_name(next(words, "").lower())
    entity.encoding = known
    return known != "unknown"


def _encoding_name(word: str) -> str:
    """By the first letter, as Courier does: `7-bit` and `quotedprintable` are common."""
    if word[:2] == "bi":
        return "8bit"
    letters = {"7": "7bit", "8": "8bit", "q": "quoted-printable", "b": "base64", "": "7bit"}
    return letters.get(word[:1], "unknown")
