"""Changing a message: header fields, bodies and parts; all else stays octet for octet.

An editor collects changes and writes the message anew.  What no change touches is copied from
the original, so that signatures over it stay good, and large messages are not held in memory.
Source: RFC 5322 2.2, RFC 2046 5.1.
"""

from __future__ import annotations

from couriermail.rfc822.errors import EditError
from couriermail.rfc822.headers import Field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.message import Message, Part

__all__ = ["MessageEditor"]

_WINDOW = 65_536
_ENCODED = frozenset({"base64", "quoted-printable"})


class MessageEditor:
    """Changes to one message.

    ```
    editor = MessageEditor(message)
    editor.set_field("Subject", "Grüße")
    editor.set_text(message.root.children[0], "new text")
    editor.remove_part(message.root.children[2])
    changed = bytes(editor)
    ```

    Parts are those of the original, also after changes; a part that is removed takes the changes
    inside it along.  Line ends of what is new are those of the original's first line.
    """

    __slots__ = ("_bodies", "_fields", "_line_end", "_made_mime", "_removed", "_root", "message")

    def __init__(self, message: Message) -> None:
        """Takes the message to change; it stays as it is."""
        self.message = message
        self._root = message.root.entity
        self._fields: dict[Entity, list[Field]] = {}
        self._bodies: dict[Entity, bytes] = {}
        self._removed: set[Entity] = set()
        self._made_mime: set[Entity] = set()
        first_line_end = message.data.find(b"\n", 0, _WINDOW)
        is_crlf = first_line_end > 0 and message.data[first_line_end - 1 : first_line_end] == b"\r"
        self._line_end = b"\r\n" if is_crlf else b"\n"

    def set_field(self, name: str, text: str, part: Part | None = None) -> None:
        """Changes the first field of a name and removes the others; adds it where there is none.

        Args:
            name: the field's name.
            text: plain text; encoded and folded as needed.
            part: whose header; that of the message by default.

        Raises:
            EditError: the name is none, or the header too large to be read.
        """
        new = self._make_field(name, text)
        fields = self._fields_of(part)
        places = _places(fields, name)
        if not places:
            self._append(fields, new)
            return
        fields[places[0]] = new
        for place in reversed(places[1:]):
            del fields[place]

    def add_field(self, name: str, text: str, part: Part | None = None) -> None:
        """Adds a field behind all others.

        Args:
            name: the field's name.
            text: plain text; encoded and folded as needed.
            part: whose header; that of the message by default.

        Raises:
            EditError: the name is none.
        """
        self._append(self._fields_of(part), self._make_field(name, text))

    def remove_field(self, name: str, part: Part | None = None) -> int:
        """Removes all fields of a name and says how many there were."""
        fields = self._fields_of(part)
        places = _places(fields, name)
        for place in reversed(places):
            del fields[place]
        return len(places)

    def replace_fields(
        self, rewrite: Callable[[Field], Field | None], part: Part | None = None
    ) -> None:
        """Passes each field through a function, which gives it back, another one, or None.

        Args:
            rewrite: gets a field with its octets; `Field` values are written as they are.
            part: whose header; that of the message by default.
        """
        fields = self._fields_of(part)
        fields[:] = [new for field in fields if (new := rewrite(field)) is not None]

    def set_text(self, part: Part, text: str) -> None:
        """Gives a text part another text, in its own charset where that has all of it.

        The type keeps its parameters; charset and transfer encoding change only when they must.

        Raises:
            EditError: the part is no leaf, or no text.
        """
        from couriermail.rfc822.charset import find_codec

        kind = part.content_type
        if kind.type != "text":
            raise EditError(f"part {part.section} is no text")
        charset = kind.charset or "us-ascii"
        codec = find_codec(charset)
        lines = text.replace("\r\n", "\n")
        try:
            octets = codec.encode(lines)[0] if codec else None
        except UnicodeError:
            octets = None
        if octets is None:
            octets, charset = lines.encode("utf-8", "replace"), "utf-8"
            self._set_charset(part, charset)
        self.set_content(part, octets)

    def set_content(self, part: Part, octets: bytes) -> None:
        """Gives a leaf another content; its transfer encoding stays where it can.

        Args:
            part: a part without parts inside it.
            octets: the decoded content, with LF line ends if it is text.

        Raises:
            EditError: the part is no leaf.
        """
        from couriermail.rfc822.transfer import encode_base64, encode_quoted_printable

        entity = part.entity
        self._check_leaf(part)
        encoding = self._encoding_for(entity, octets)
        if encoding == "base64":
            body = encode_base64(octets)
        elif encoding == "quoted-printable":
            body = encode_quoted_printable(octets)
            if self._has_delimiter(entity, body):
                body, encoding = encode_base64(octets), "base64"
        else:
            body = octets
        if encoding != entity.encoding:
            self._make_mime(part)
            self.set_field("Content-Transfer-Encoding", encoding, part)
        self._set_body(entity, body)

    def _encoding_for(self, entity: Entity, octets: bytes) -> str:
        """The transfer encoding of a new content; the one that the part has where it can be."""
        from couriermail.rfc822.detection import detect_encoding

        if self._has_delimiter(entity, octets):
            return "base64"
        encoding = entity.encoding if entity.encoding != "unknown" else "8bit"
        if encoding in _ENCODED:
            return encoding
        if octets.count(b"\r") > octets.count(b"\r\n"):
            return "quoted-printable"  # RFC 2045 2.7: one at the end would be the delimiter's
        found = detect_encoding(octets)
        is_enough = found.encoding == "7bit" or (found.encoding == encoding == "8bit")
        return encoding if encoding == "binary" or is_enough else found.encoding

    def set_body(self, part: Part, octets: bytes) -> None:
        """Replaces a body as it is: what is given is not encoded.

        Raises:
            EditError: it has a line that is a delimiter of a multipart around it, or the part
                has parts inside it.
        """
        self._check_leaf(part)
        if self._has_delimiter(part.entity, octets):
            raise EditError(f"the body of part {part.section} would end its multipart")
        self._bodies[part.entity] = octets

    def remove_part(self, part: Part) -> None:
        """Takes a part out of its multipart, with its delimiter.

        Raises:
            EditError: it is not inside a multipart.
        """
        parent = part.entity.parent
        if parent is None or not parent.is_multipart:
            raise EditError(f"part {part.section} is not inside a multipart")
        self._removed.add(part.entity)

    def chunks(self) -> Iterator[bytes]:
        """The changed message, in pieces; what was not changed is copied."""
        position = 0
        for start, end, octets in self._replacements():
            yield from self._copy(position, start)
            if octets:
                yield octets
            position = end
        yield from self._copy(position, len(self.message.data))

    def __bytes__(self) -> bytes:
        """The changed message."""
        return b"".join(self.chunks())

    def _copy(self, start: int, end: int) -> Iterator[bytes]:
        for position in range(start, end, _WINDOW):
            yield self.message.data[position : min(position + _WINDOW, end)]

    def _replacements(self) -> Iterator[tuple[int, int, bytes]]:
        """Ranges of the original and what stands there now, in order; none overlap."""
        pending = [self._root]
        while pending:
            entity = pending.pop()
            if entity in self._removed:  # and all that is inside it
                yield (*self._span_with_delimiter(entity), b"")
                continue
            if entity in self._fields:
                yield self._header_change(entity)
            if entity in self._bodies:
                yield entity.body, entity.end, self._whole_body(entity)
            pending.extend(reversed(entity.children))

    def _header_change(self, entity: Entity) -> tuple[int, int, bytes]:
        original = self._part(entity).headers
        start = entity.start
        return (
            start,
            start + len(original.raw) - len(original.separator),
            b"".join(field.raw for field in self._fields[entity]),
        )

    def _span_with_delimiter(self, entity: Entity) -> tuple[int, int]:
        """From the delimiter line before a part to its end, so that the next one follows."""
        data, end = self.message.data, entity.end
        parent = entity.parent
        assert parent is not None  # noqa: S101 - remove_part looked
        before = parent.children[entity.number - 2].end if entity.number > 1 else parent.body
        start = data.rfind(b"\n", 0, max(entity.start - 1, 0))  # before the delimiter line
        if start < before:  # that line feed belongs to what stands before
            start = before
        elif data[start - 1 : start] == b"\r" and start > before:
            start -= 1
        if self._lacks_line_end(end):  # the line end before the next delimiter stays
            end -= 1
            if data[end - 1 : end] == b"\r":
                end -= 1
        return start, max(end, start)

    def _whole_body(self, entity: Entity) -> bytes:
        """A new body with the line ends that an empty part does not have around it."""
        header, body = self._part(entity).headers, self._bodies[entity]
        before = b""
        if not header.separator:
            is_open = header.raw and not header.raw.endswith(b"\n")
            before = (
                self._line_end * 2 if is_open and entity not in self._fields else self._line_end
            )
        return before + body + (self._line_end if self._lacks_line_end(entity.end) else b"")

    def _lacks_line_end(self, end: int) -> bool:
        """True when the delimiter behind a part uses a line end of the part itself."""
        data = self.message.data
        return data[end : end + 2] == b"--" and data[end - 1 : end] == b"\n"

    def _fields_of(self, part: Part | None) -> list[Field]:
        entity = self._root if part is None else part.entity
        fields = self._fields.get(entity)
        if entity.body - entity.start > self.message.limits.header_bytes:
            raise EditError("the header is larger than the limits allow to read")
        if fields is None:
            fields = self._fields[entity] = list(self._part(entity).headers.fields)
        return fields

    def _part(self, entity: Entity) -> Part:
        from couriermail.rfc822.message import Part

        return Part(self.message, entity)

    def _append(self, fields: list[Field], new: Field) -> None:
        if fields and not fields[-1].raw.endswith(b"\n"):
            fields[-1] = Field(fields[-1].raw + self._line_end)
        fields.append(new)

    def _make_field(self, name: str, text: str) -> Field:
        from couriermail.rfc822.encoded_word import encode_words
        from couriermail.rfc822.folding import fold_text

        if not name.isascii() or not name.isprintable() or not name or set(name) & set(" :"):
            raise EditError(f"not the name of a header field: {name[:40]!r}")
        encoded = text if text.isascii() else encode_words(text)
        raw = fold_text(name, encoded).raw
        return Field(raw.replace(b"\n", self._line_end))

    def _set_charset(self, part: Part, charset: str) -> None:
        from couriermail.rfc822.folding import fold_parameters
        from couriermail.rfc822.params import format_parameter

        self._make_mime(part)
        kind = part.content_type
        pieces = [f"charset={charset}"]
        for name, parameter in kind.parameters.items():
            if name != "charset":
                pieces += format_parameter(name, parameter.value)
        raw = fold_parameters("Content-Type", str(kind), pieces).raw
        new = Field(raw.replace(b"\n", self._line_end))
        fields = self._fields_of(part)
        places = _places(fields, "Content-Type")
        if places:
            fields[places[-1]] = new
        else:
            self._append(fields, new)

    def _make_mime(self, part: Part) -> None:
        if part.entity.is_mime or part.entity in self._made_mime:
            return
        self._made_mime.add(part.entity)
        # fields that did not count must not begin to
        for name in ("Content-Type", "Content-Transfer-Encoding"):
            self.remove_field(name, part)
        self.set_field("Mime-Version", "1.0", part)
        self.set_field("Content-Type", "text/plain", part)

    def _set_body(self, entity: Entity, body: bytes) -> None:
        if self._line_end == b"\r\n" and not (entity.encoding == "8bit" and b"\r\n" in body):
            body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self._bodies[entity] = body

    def _check_leaf(self, part: Part) -> None:
        if part.entity.children or part.is_multipart:
            raise EditError(f"part {part.section} has parts of its own")

    def _has_delimiter(self, entity: Entity, octets: bytes) -> bool:
        """Whether a line of a body starts with a boundary of a multipart around it."""
        if b"--" not in octets:
            return False
        lowered = b"\n" + octets.lower()
        outer = entity.parent
        while outer is not None:
            boundary = outer.content_type.boundary.lower() if outer.is_multipart else b""
            if boundary and b"\n--" + boundary in lowered:
                return True
            outer = outer.parent
        return False


def _places(fields: list[Field], name: str) -> list[int]:
    key = name.lower().encode()
    return [place for place, field in enumerate(fields) if field.key == key]
