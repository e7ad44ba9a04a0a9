"""Header blocks: where one ends, what fields it has, byte for byte.

A block is kept as the bytes it came as.  Fields are cut out when they are asked for, and
text is decoded only for the field that is read, so that opening a message costs nothing
per field.  What nobody changed is written back unchanged.

Lines end with LF or CRLF, also mixed; a lone CR is data.  A line that starts with a blank or
a tab continues the field before it.  A line without a colon is kept as a field whose name is
the whole line.  Source: RFC 5322 2.2, spec rfc822 4.10.
"""

from __future__ import annotations

from couriermail.rfc822.errors import HeaderLimitError, MissingFieldError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from typing import Final, TypeVar

    from couriermail.rfc822.address import Address

    T = TypeVar("T")

__all__ = [
    "Field",
    "HeaderReader",
    "Headers",
    "decode_octets",
    "find_body",
    "find_content_fields",
    "find_empty_line",
    "find_fields",
    "split_fields",
]

_WINDOW = 4096  # bytes looked at per step when searching the end of a header in a large file
_MAX_BYTES = 1_048_576
_MAX_FIELDS = 100_000


class Field:
    """One header field as it was read, never changed.

    Attributes:
        raw: its octets with all line ends, the last one included (if the input had it).
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw: Final = raw

    @classmethod
    def make(cls, name: str, value: str) -> Field:
        """Makes a field from a name and a value that is already folded (LF line ends)."""
        return cls(f"{name}: {value}\n".encode("utf-8", "surrogateescape"))

    @property
    def name(self) -> str:
        """The name as spelled, without blanks before the colon.

        The whole line for a line that has no colon.
        """
        return decode_octets(_name_of(self.raw))

    @property
    def key(self) -> bytes:
        """The name in lower case, for comparing."""
        return _name_of(self.raw).lower()

    @property
    def has_colon(self) -> bool:
        """False for a line without a colon, which is no field but is kept."""
        return b":" in self.raw

    @property
    def raw_value(self) -> bytes:
        """Octets behind the colon, without leading blanks and the final line end, still folded."""
        value = self.raw.partition(b":")[2].lstrip(_BLANKS)
        return value.removesuffix(b"\n").removesuffix(b"\r")

    @property
    def unfolded(self) -> bytes:
        """`raw_value` on one line: each line end and the blanks after it become one blank."""
        value = self.raw_value
        return unfold(value) if b"\n" in value else value

    @property
    def value(self) -> str:
        """`unfolded` as text (UTF-8, else Latin-1); encoded words are left as they are."""
        return decode_octets(self.unfolded)

    @property
    def text(self) -> str:
        """`value` with encoded words (RFC 2047) decoded: what a person reads."""
        value = self.value
        if "=?" not in value:
            return value
        from couriermail.rfc822.encoded_word import decode_words

        return decode_words(value)

    def addresses(self) -> list[Address]:
        """The mailboxes in the value, those inside groups too (RFC 5322 3.4)."""
        from couriermail.rfc822.address import parse_addresses

        return parse_addresses(self.value)

    def renamed(self, name: str) -> Field:
        """The same field under another name; the rest stays octet for octet."""
        _, colon, rest = self.raw.partition(b":")
        return Field(name.encode() + colon + rest)

    def __repr__(self) -> str:
        return f"Field({self.raw!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Field):
            return NotImplemented
        return self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Headers:
    """The fields of one header block, in order, found by name in any spelling.

    `headers["Subject"]` is decoded text of the first such field; `headers.get_all` of all;
    `headers.field` and iteration give `Field` values.  Nothing is split or decoded before it
    is asked for.

    Attributes:
        raw: the block as it came, with its empty line if it had one.
    """

    __slots__ = ("_end", "_fields", "_lower", "raw", "separator")

    def __init__(self, block: bytes) -> None:
        """Takes a header block.  Anything behind its first empty line is cut off."""
        end, body = find_body(block)
        self.raw: Final = block if body == len(block) else block[:body]
        self.separator: Final = block[end:body]
        self._end = end
        self._fields: list[Field] | None = None
        self._lower: bytes | None = None

    @property
    def fields(self) -> list[Field]:
        """All fields in order; do not change the list."""
        if self._fields is None:
            self._fields = _split(self.raw, self._end)
        return self._fields

    def field(self, name: str) -> Field | None:
        """The first field of a name, or None."""
        return next(iter(self._find(name, most=1)), None)

    def get_fields(self, name: str) -> list[Field]:
        """All fields of a name, in order."""
        return self._find(name)

    def get(self, name: str, default: T | None = None) -> str | T | None:
        """Decoded text of the first field of a name, or `default`."""
        found = self.field(name)
        return default if found is None else found.text

    def get_all(self, name: str) -> list[str]:
        """Decoded texts of all fields of a name, in order."""
        return [field.text for field in self._find(name)]

    def addresses(self, name: str) -> list[Address]:
        """The mailboxes of all fields of a name, in order, group members included."""
        return [address for field in self._find(name) for address in field.addresses()]

    def positions(self, name: str) -> list[int]:
        """Indexes into `fields` of the fields of a name."""
        key = name.lower().encode()
        return [index for index, field in enumerate(self.fields) if field.key == key]

    def mime_only(self) -> bytes:
        """The block with nothing but Mime-Version and Content-* (spec rfc822 4.10.7)."""
        fields = [
            field.raw
            for field in self
            if field.key == b"mime-version" or field.key.startswith(b"content-")
        ]
        return b"".join(fields) + self.separator

    def __getitem__(self, name: str) -> str:
        """Decoded text of the first field of a name.

        Raises:
            MissingFieldError: there is none (also a `KeyError`).
        """
        found = self.field(name)
        if found is None:
            raise MissingFieldError(f"no header field {name!r}")
        return found.text

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.field(name) is not None

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __bytes__(self) -> bytes:
        return self.raw

    def __repr__(self) -> str:
        return f"<Headers of {len(self.raw)} bytes>"

    def _find(self, name: str, most: int | None = None) -> list[Field]:
        """Searches the block itself, so that a look-up costs no splitting."""
        if self._lower is None:
            self._lower = b"\n" + self.raw.lower()
        return find_fields(
            self.raw, self._lower, name.lower().encode("utf-8", "surrogateescape"), most
        )


class HeaderReader:
    """Collects a header block from pieces, however they are cut.

    Memory is bounded by `max_bytes`, work is linear in the input.

    Attributes:
        is_complete: True once the empty line was seen or `close` was called.
        rest: the octets behind the empty line that came with the last piece: the beginning
            of the body.
    """

    __slots__ = ("_buffer", "_headers", "_max_bytes", "_max_fields", "is_complete", "rest")

    def __init__(self, *, max_bytes: int = _MAX_BYTES, max_fields: int = _MAX_FIELDS) -> None:
        """Makes a reader.

        Args:
            max_bytes: most octets the block may have, its empty line included.
            max_fields: most fields.
        """
        self._max_bytes = max_bytes
        self._max_fields = max_fields
        self._buffer = bytearray()
        self._headers: Headers | None = None
        self.is_complete = False
        self.rest = b""

    def feed(self, data: bytes) -> bool:
        """Takes the next octets.

        Returns:
            True when the header is complete; `rest` then holds what belongs to the body.

        Raises:
            HeaderLimitError: the block is too long or has too many fields.
        """
        if self.is_complete:
            self.rest = data
            return True
        if not self._buffer:
            end, body = find_body(data)
            if body > end:  # all at once, as nearly always
                self._finish(data, body)
                return True
        searched = max(len(self._buffer) - 2, 0)  # an empty line may be cut in two
        self._buffer += data
        end, body = find_body(self._buffer, searched, is_line_start=searched == 0)
        if end == body:
            if len(self._buffer) > self._max_bytes:
                raise self._too_large()
            return False
        self._finish(bytes(self._buffer), body)
        return True

    def close(self) -> None:
        """Says that the input is at its end: a header without an empty line is complete."""
        if not self.is_complete:
            self._finish(bytes(self._buffer), len(self._buffer))

    @property
    def headers(self) -> Headers:
        """The block that was read; what there is of it before the end was seen."""
        return self._headers if self._headers is not None else Headers(bytes(self._buffer))

    def _finish(self, data: bytes, body: int) -> None:
        if body > self._max_bytes:
            raise self._too_large()
        self.rest = data[body:]
        headers = Headers(data[:body])
        if len(headers) > self._max_fields:
            raise HeaderLimitError(
                f"more than {self._max_fields} header fields",
                limit="max_fields",
                maximum=self._max_fields,
            )
        self._headers = headers
        self._buffer.clear()
        self.is_complete = True

    def _too_large(self) -> HeaderLimitError:
        return HeaderLimitError(
            f"header larger than {self._max_bytes} bytes",
            limit="max_bytes",
            maximum=self._max_bytes,
        )


def find_body(
    data: bytes | bytearray | mmap,
    start: int = 0,
    end: int | None = None,
    *,
    is_line_start: bool = True,
) -> tuple[int, int]:
    """Finds the empty line that ends a header block.

    Args:
        data: the message.
        start: where the block (or the part not yet searched) starts.
        end: where to stop; the length of data by default.
        is_line_start: whether `start` is at the beginning of a line.

    Returns:
        Offset of the empty line and offset behind it.  Both are `end` when there is none.
    """
    stop = len(data) if end is None else end
    if is_line_start:
        first = data[start : min(start + 2, stop)]
        if first[:1] == b"\n":
            return start, start + 1
        if first == b"\r\n":
            return start, start + 2
    return find_empty_line(data, start, stop)


def find_empty_line(data: bytes | bytearray | mmap, position: int, stop: int) -> tuple[int, int]:
    """Finds an empty line whose line before it ends at or behind `position`.

    Returns:
        Offset of the empty line and offset behind it.  Both are `stop` when there is none.
    """
    while position < stop:
        # In steps, since the search for the line end that the message does not use would
        # otherwise run through the whole body.
        edge = min(position + _WINDOW, stop)
        lf = data.find(b"\n\n", position, edge)
        stop_crlf = edge if lf < 0 else lf + 1
        # one octet is looked for much faster than three
        if data.find(b"\r", position, stop_crlf) >= 0:
            crlf = data.find(b"\n\r\n", position, stop_crlf)
            if crlf >= 0:
                return crlf + 1, crlf + 3
        if lf >= 0:
            return lf + 1, lf + 2
        if edge == stop:
            break
        position = edge - 2
    return stop, stop


def split_fields(block: bytes) -> list[Field]:
    """Cuts a header block into fields; stops at its empty line.

    `b"".join(field.raw for field in split_fields(block))` and the empty line are the block.
    """
    return _split(block, find_body(block)[0])


def find_fields(block: bytes, lower: bytes, name: bytes, most: int | None = None) -> list[Field]:
    """The fields of a name.

    Args:
        block: a header block.
        lower: the same in lower case with a line feed before it, so that positions in it are
            one higher.
        name: in lower case.
        most: how many are looked for.
    """
    line_start = b"\n" + name
    found: list[Field] = []
    start = lower.find(line_start)
    while start >= 0:
        raw = block[start : _end_of_field(block, start)]
        # Nearly always the colon follows at once; blanks before it are legal only in obsolete
        # syntax (RFC 5322 4.5), and a line may have no colon at all.
        if lower.startswith(b":", start + len(line_start)) or _name_of(raw).lower() == name:
            found.append(Field(raw))
            if len(found) == most:
                break
        start = lower.find(line_start, start + len(raw))
    return found


def find_content_fields(block: bytes, lower: bytes) -> tuple[list[Field], list[Field]]:
    """All Content-Type and all Content-Transfer-Encoding fields, found in one search.

    Args:
        block: a header block.
        lower: as for `find_fields`.
    """
    types: list[Field] = []
    encodings: list[Field] = []
    start = lower.find(_CONTENT_T)
    while start >= 0:
        field = Field(block[start : _end_of_field(block, start)])
        key = field.key
        if key == b"content-type":
            types.append(field)
        elif key == b"content-transfer-encoding":
            encodings.append(field)
        start = lower.find(_CONTENT_T, start + len(field.raw))
    return types, encodings


def unfold(value: bytes) -> bytes:
    """Puts a folded value on one line (spec rfc822 4.10.2)."""
    if b"\n" not in value:
        return value
    lines = value.split(b"\n")
    first = lines[0].removesuffix(b"\r")
    return b" ".join([first, *(line.removesuffix(b"\r").lstrip(b" \t") for line in lines[1:])])


def decode_octets(octets: bytes) -> str:
    """Raw octets of a header as text: UTF-8 (RFC 6532) where valid, else Latin-1."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


_BLANKS = b" \t"
_CONTINUATIONS = (b" ", b"\t")
_CONTENT_T = b"\ncontent-t"  # how both fields begin that say what a part is


def _split(block: bytes, end: int) -> list[Field]:
    fields: list[Field] = []
    append, find = fields.append, block.find
    start = 0
    while start < end:
        stop = find(b"\n", start, end) + 1
        while 0 < stop < end and block[stop] in _BLANKS:
            stop = find(b"\n", stop, end) + 1
        if not stop:
            stop = end
        append(Field(block[start:stop]))
        start = stop
    return fields


def _end_of_field(block: bytes, start: int) -> int:
    stop = block.find(b"\n", start) + 1
    while block.startswith(_CONTINUATIONS, stop) and stop:
        stop = block.find(b"\n", stop) + 1
    return stop or len(block)


def _name_of(raw: bytes) -> bytes:
    name, colon, _ = raw.partition(b":")
    if not colon:
        name = name.removesuffix(b"\n").removesuffix(b"\r")
    return name.strip(_BLANKS)
