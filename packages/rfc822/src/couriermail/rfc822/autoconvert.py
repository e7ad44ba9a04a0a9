"""Rewriting a message: missing MIME fields are added, transfer encodings changed.

How it works.  Every part is looked at once and gets a plan: nothing, or new fields and a new
encoding.  A container has a plan when something inside it has one.  What has no plan is copied
octet for octet, so that signatures outside the changed parts stay good; signed and encrypted
parts never get a plan.  A multipart that changes gets a new boundary, since decoding can make
text that looks like the old one.

Only transfer encodings change, never characters.  Source: RFC 2045, RFC 6152 3, spec rfc822
4.19 and 4.20.
"""

from __future__ import annotations

from couriermail.rfc822.body import iter_decoded
from couriermail.rfc822.boundary import pick_boundary
from couriermail.rfc822.detection import detect_encoding
from couriermail.rfc822.headers import split_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from mmap import mmap

    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.headers import Field
    from couriermail.rfc822.message import Message

    RewriteHeader = Callable[[Entity, Field], bytes]

__all__ = ["MODES", "Autoconvert"]

MODES = ("standardize", "sevenbit", "signable", "eightbit", "eightbit_always")

_PREAMBLE = b"This is a message in MIME format; its parts follow."
_OPAQUE = frozenset(("multipart/signed", "multipart/encrypted", "application/pkcs7-mime"))
_LONGEST_LINE = 500  # octets with the line end; spec rfc822 4.13
_WINDOW = 262_144
_VERSION = b"Mime-Version: 1.0"
_TYPE = b"content-type"
_ENCODING = b"content-transfer-encoding"
_IDENTITY = ("7bit", "8bit")
# Blanks at the end of a line, `From ` at its start, CR alone, NUL.
_FRAGILE = rb"[ \t]\r?(?:\n|\Z)|(?m:^)From |\r(?!\n)|\0"


class _Plan:
    """What is to happen to one part.

    Attributes:
        old: its encoding now.
        new: the encoding it gets; the same to change only its header.
        content_type: a new line for Content-Type, or None to keep what there is.
        adds_version: whether Mime-Version is missing.
    """

    __slots__ = ("adds_version", "content_type", "new", "old")

    def __init__(self, old: str = "", new: str = "") -> None:
        self.old = old
        self.new = new
        self.content_type: bytes | None = None
        self.adds_version = False


class Autoconvert:
    """A message on its way to another form.

    ```
    conversion = Autoconvert(Message(data), "sevenbit")
    if conversion.is_needed:
        output.writelines(conversion.pieces())
    ```
    """

    def __init__(
        self,
        message: Message,
        mode: str = "standardize",
        *,
        charset: str = "utf-8",
        agent: str = "",
        add_version: bool = False,
        rewrite_field: RewriteHeader | None = None,
        stable: bool = False,
    ) -> None:
        """Looks at a message.

        Args:
            message: what to convert.
            mode: `standardize` adds missing fields and corrects `8bit` that is 7-bit;
                `sevenbit` also encodes 8-bit content and long lines; `signable` also what
                transports change (RFC 3156 3); `eightbit` also decodes
                quoted-printable unless that makes long lines, `eightbit_always` even then.
            charset: named in fields that are added.
            agent: who converted, for X-Mime-Autoconverted; empty to leave it out.
            add_version: make MIME messages of those that are none; False touches these only
                where 7-bit modes must.  Read the message with `strict_mime=False` for this:
                Content-Type is in effect once Mime-Version is there.
            rewrite_field: gets every other field of the header of a part, and returns what is
                written in its place.
            stable: make the same boundaries for the same message.
        """
        self._message = message
        self._data: bytes | mmap = message.data
        self._mode = mode
        self._is_seven_bit = mode in ("sevenbit", "signable")
        self._charset = charset
        self._agent = agent
        self._add_version = add_version
        self._rewrite_field = rewrite_field
        self._stable = stable
        root = message.root.entity
        self._plans: dict[Entity, _Plan] = {}
        self._make_plans(root)
        self._line_end = b"\r\n" if self._data[: root.body].find(b"\r\n") >= 0 else b"\n"

    @property
    def is_needed(self) -> bool:
        """Whether `pieces` gives anything else than the message."""
        return bool(self._plans) or self._rewrite_field is not None

    def pieces(self) -> Iterator[bytes]:
        """The converted message."""
        return self._write(self._message.root.entity)

    # -- planning --------------------------------------------------------------------------

    def _make_plans(self, root: Entity) -> None:
        """Plans for all parts, inner ones first, since those of containers follow from them."""
        visited = []
        pending = [root]
        while pending:
            entity = pending.pop()
            if str(entity.content_type) in _OPAQUE:
                continue
            visited.append(entity)
            pending += entity.children
        for entity in reversed(visited):
            plan = self._plan_container(entity) if entity.children else self._plan_leaf(entity)
            if plan is not None:
                self._plans[entity] = plan

    def _plan_container(self, entity: Entity) -> _Plan | None:
        plan = _Plan()
        plan.adds_version = self._lacks_version(entity, self._fields(entity))
        is_changed = plan.adds_version or any(child in self._plans for child in entity.children)
        return plan if is_changed else None

    def _plan_leaf(self, entity: Entity) -> _Plan | None:
        if entity.encoding == "unknown":
            return None  # of a kind that cannot be touched
        has_eight_bit = self._has_eight_bit(entity)
        fields = self._fields(entity)
        adds_version = self._lacks_version(entity, fields)
        if not entity.is_mime and not adds_version:
            if not self._is_seven_bit or not (has_eight_bit or self._is_fragile(entity)):
                return None
            adds_version = True
        if entity.is_multipart and not adds_version:
            return None  # without parts
        declared = any(field.key == _ENCODING for field in fields)
        actual = "8bit" if has_eight_bit else "7bit"
        old = entity.encoding if declared else actual
        plan = _Plan(old, old)
        if entity.is_mime or not declared:  # an encoding that was void until now is kept
            plan.new = self._choose(entity, old, has_eight_bit=has_eight_bit)
        plan.adds_version = adds_version
        plan.content_type = self._new_type(entity, fields)
        is_same = declared and plan.new == old and not self._is_rewrapped(entity)
        return None if is_same and plan.content_type is None and not adds_version else plan

    def _lacks_version(self, entity: Entity, fields: list[Field]) -> bool:
        """Whether Mime-Version is missing where it is wanted: in messages, not in parts."""
        if not self._add_version:
            return False
        parent = entity.parent
        if parent is not None and parent.is_multipart:
            return not entity.is_mime
        return not any(field.key == b"mime-version" for field in fields)

    def _choose(self, entity: Entity, old: str, *, has_eight_bit: bool) -> str:
        if old in _IDENTITY:
            if self._is_seven_bit and (has_eight_bit or self._is_unsafe(entity)):
                return self._seven_bit_encoding(entity)
            return "7bit" if not has_eight_bit else old
        if old == "quoted-printable":
            return self._choose_for_quoted(entity)
        return old

    def _choose_for_quoted(self, entity: Entity) -> str:
        is_wanted = self._mode == "eightbit_always" or (
            self._mode == "eightbit" and not self._has_long_line(entity)
        )
        if not is_wanted:
            return entity.encoding
        is_ascii = all(piece.isascii() for piece in iter_decoded(self._data, entity))
        return "7bit" if is_ascii else "8bit"

    def _seven_bit_encoding(self, entity: Entity) -> str:
        """Text stays readable; other content takes what is shorter (spec rfc822 4.19.3)."""
        if entity.content_type.type == "text":
            return "quoted-printable"
        kind = detect_encoding(self._body_pieces(entity), seven_bit=True)
        return "base64" if kind.encoding == "base64" else "quoted-printable"

    def _is_rewrapped(self, entity: Entity) -> bool:
        """Whether what is encoded already has to be encoded anew."""
        if not self._is_seven_bit:
            return False
        if entity.encoding == "base64":
            return self._is_unsafe(entity)
        return entity.encoding == "quoted-printable" and self._is_fragile(entity)

    def _new_type(self, entity: Entity, fields: list[Field]) -> bytes | None:
        """A new Content-Type line where there is none, or none with a charset for text."""
        present = [field for field in fields if field.key == _TYPE]
        charset = self._charset.encode("ascii", "replace")
        if not present:
            if str(entity.content_type) != "text/plain":
                return None  # the default inside a digest
            return b"Content-Type: text/plain; charset=" + charset
        content_type = entity.content_type
        if content_type.type != "text" or "charset" in content_type.parameters:
            return None
        if not content_type.value.startswith("text/"):
            return None  # not a type at all; what is written there is kept
        line = present[-1].raw.rstrip(b" \t\r\n;")
        return line + b"; charset=" + charset

    def _has_eight_bit(self, entity: Entity) -> bool:
        return not all(piece.isascii() for piece in self._body_pieces(entity))

    def _is_unsafe(self, entity: Entity) -> bool:
        return self._has_long_line(entity) or self._is_fragile(entity)

    def _is_fragile(self, entity: Entity) -> bool:
        """Whether a transport may change the body, which a signature would not survive."""
        if self._mode != "signable":
            return False
        import re

        return re.search(_FRAGILE, self._data[entity.body : entity.end]) is not None

    def _has_long_line(self, entity: Entity) -> bool:
        """Whether a line is too long, or a decoded one where there is something to decode."""
        if _has_long_line(self._body_pieces(entity)):
            return True
        return entity.encoding == "quoted-printable" and _has_long_line(
            iter_decoded(self._data, entity)
        )

    def _body_pieces(self, entity: Entity) -> Iterator[bytes]:
        for start in range(entity.body, entity.end, _WINDOW):
            yield self._data[start : min(start + _WINDOW, entity.end)]

    def _fields(self, entity: Entity) -> list[Field]:
        return split_fields(self._data[entity.start : entity.body])

    # -- writing ---------------------------------------------------------------------------

    def _write(self, entity: Entity) -> Iterator[bytes]:
        plan = self._plans.get(entity)
        if plan is None:
            yield from self._copy(entity)
        elif not entity.children:
            yield self._leaf_header(entity, plan)
            yield from self._leaf_body(entity, plan)
        elif not any(child in self._plans for child in entity.children):
            yield self._container_header(entity)
            yield from self._body_pieces(entity)
        elif entity.is_multipart:
            yield from self._write_multipart(entity)
        else:
            yield self._container_header(entity)
            yield from self._write(entity.children[0])

    def _copy(self, entity: Entity) -> Iterator[bytes]:
        start = entity.start
        if self._rewrite_field is not None:
            yield self._copied_header(entity)
            start = entity.body
        for position in range(start, entity.end, _WINDOW):
            yield self._data[position : min(position + _WINDOW, entity.end)]

    def _write_multipart(self, entity: Entity) -> Iterator[bytes]:
        boundary = self._pick_boundary(entity)
        line_end = self._line_end
        yield self._container_header(entity, boundary)
        yield _PREAMBLE + line_end
        for child in entity.children:
            yield line_end + b"--" + boundary + line_end
            yield from self._write(child)
        yield line_end + b"--" + boundary + b"--" + line_end

    def _pick_boundary(self, entity: Entity) -> bytes:
        """Looks at the text as it is and as it will be decoded (spec rfc822 4.20)."""
        texts: list[bytes | mmap] = [self._data]
        texts += [
            b"".join(iter_decoded(self._data, part))
            for part in entity.walk()
            if part.encoding == "quoted-printable" and not part.children
        ]
        return pick_boundary(texts, stable=self._stable).encode()

    def _container_header(self, entity: Entity, boundary: bytes = b"") -> bytes:
        """The header of a part whose inner parts change; a multipart gets its new boundary."""
        fields = [field for field in self._fields(entity) if not self._is_outdated(field)]
        last = {field.key: index for index, field in enumerate(fields)}
        lines: list[bytes] = []
        for index, field in enumerate(fields):
            if field.key != _TYPE or not boundary:
                lines.append(self._rewritten(entity, field))
            elif last[_TYPE] == index:
                lines.append(self._with_boundary(entity, boundary))
        if self._plans[entity].adds_version:
            lines.append(_VERSION + self._line_end)
        return b"".join(map(self._ended, lines)) + self._line_end

    def _is_outdated(self, field: Field) -> bool:
        """A label `8bit` on a container says nothing true once all inside is 7-bit."""
        return self._is_seven_bit and field.key == _ENCODING

    def _with_boundary(self, entity: Entity, boundary: bytes) -> bytes:
        from couriermail.rfc822.params import format_parameter

        found = entity.content_type
        pieces = [f'Content-Type: {found}; boundary="{boundary.decode()}"']
        for parameter in found.parameters.values():
            if parameter.name != "boundary":
                charset = parameter.charset or "utf-8"
                pieces += format_parameter(
                    parameter.name, parameter.value, charset, parameter.language
                )
        line = ";\n  ".join(pieces) + "\n"
        return line.encode("utf-8", "surrogateescape").replace(b"\n", self._line_end)

    def _leaf_header(self, entity: Entity, plan: _Plan) -> bytes:
        """Replaced fields stand where the last of their kind stood, new ones at the end."""
        new: dict[bytes, bytes] = {_ENCODING: b"Content-Transfer-Encoding: " + plan.new.encode()}
        if plan.content_type is not None:
            new[_TYPE] = plan.content_type
        fields = self._fields(entity)
        last = {field.key: index for index, field in enumerate(fields)}
        lines: list[bytes] = []
        for index, field in enumerate(fields):
            key = field.key
            if key not in (_TYPE, _ENCODING):
                lines.append(self._ended(self._rewritten(entity, field)))
            elif last[key] == index:  # of two only the one that counted is kept
                line = new.pop(key, None)
                if line is None or (key == _ENCODING and plan.new == entity.encoding):
                    lines.append(self._ended(field.raw))
                else:
                    lines.append(line + self._line_end)
        if plan.adds_version:
            lines.append(_VERSION + self._line_end)
        lines += [new[key] + self._line_end for key in (_TYPE, _ENCODING) if key in new]
        if plan.new != plan.old and self._agent:
            note = f"X-Mime-Autoconverted: from {plan.old} to {plan.new} by {self._agent}"
            lines.append(note.encode() + self._line_end)
        return b"".join(lines) + self._line_end

    def _leaf_body(self, entity: Entity, plan: _Plan) -> Iterator[bytes]:
        if plan.new == plan.old and not self._is_rewrapped(entity):
            yield from self._body_pieces(entity)
        elif plan.new in _IDENTITY:
            yield from iter_decoded(self._data, entity)
        else:
            yield from self._encoded(entity, plan.new)

    def _encoded(self, entity: Entity, encoding: str) -> Iterator[bytes]:
        from couriermail.rfc822.sections import encode_pieces

        content = b"".join(iter_decoded(self._data, entity))
        if encoding == "quoted-printable" and self._line_end == b"\r\n":
            content = content.replace(b"\r\n", b"\n")
        pieces: Iterable[bytes] = encode_pieces(content, encoding)
        if encoding == "quoted-printable" and self._mode == "signable":
            pieces = [_escape_from(b"".join(pieces))]
        for piece in pieces:
            yield piece if self._line_end == b"\n" else piece.replace(b"\n", b"\r\n")

    def _copied_header(self, entity: Entity) -> bytes:
        block = self._data[entity.start : entity.body]
        if self._rewrite_field is None:
            return block
        fields = split_fields(block)
        separator = block[sum(len(field.raw) for field in fields) :]
        return b"".join(self._rewritten(entity, field) for field in fields) + separator

    def _rewritten(self, entity: Entity, field: Field) -> bytes:
        return field.raw if self._rewrite_field is None else self._rewrite_field(entity, field)

    def _ended(self, line: bytes) -> bytes:
        return line if line.endswith(b"\n") or not line else line + self._line_end


def _escape_from(encoded: bytes) -> bytes:
    """Quoted-printable without lines that mailboxes would change (RFC 3156 3)."""
    if not encoded.startswith(b"From ") and b"\nFrom " not in encoded:
        return encoded
    lines = (
        # a soft line break, for the line may be as long as a line can be
        b"=46rom =\n" + line[5:] if line.startswith(b"From ") else line
        for line in encoded.split(b"\n")
    )
    return b"\n".join(lines)


def _has_long_line(pieces: Iterator[bytes]) -> bool:
    column = 0
    for piece in pieces:
        position = 0
        while True:
            line_end = piece.find(b"\n", position)
            edge = len(piece) if line_end < 0 else line_end + 1
            column += edge - position
            if column > _LONGEST_LINE:
                return True
            if line_end < 0:
                break
            position, column = edge, 0
            # Most text has short lines: the last line end within reach is looked for next.
            jump = piece.rfind(b"\n", position, position + _LONGEST_LINE)
            position = jump + 1 if jump >= 0 else position
    return False
