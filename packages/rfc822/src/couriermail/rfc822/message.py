"""Messages: mapped or in memory, looked at on demand.

Opening a message reads nothing.  Asking for `headers` finds the end of the header; `walk`
finds the parts in one pass (see `structure`); bodies are copied and decoded only by the methods
that return them.  No octets make anything here raise.

Files of up to 64 KiB are read at once.  A larger one that is cut shorter while it is mapped ends
the process with SIGBUS: open only files that others replace by renaming, as mail stores do.
"""

from __future__ import annotations

import errno
import os
import stat

from couriermail.rfc822.headers import Headers, find_body
from couriermail.rfc822.limits import DEFAULT_LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from types import TracebackType

    from couriermail.rfc822.address import Address
    from couriermail.rfc822.body import BodyReader
    from couriermail.rfc822.defects import Defect, DefectKind
    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.imap_section import ImapSection
    from couriermail.rfc822.limits import Limits
    from couriermail.rfc822.message_editor import MessageEditor
    from couriermail.rfc822.params import ContentType, ParameterizedValue

__all__ = ["Message", "Part"]

_WINDOW = 262_144  # octets copied at a time out of a mapped file
_SMALL = 65_536  # octets of a file that is read, which is faster than mapping it


class Part:
    """One part of a message: the message itself, or what is inside it.

    Attributes:
        message: the message it belongs to.
        entity: its place in the structure.
    """

    __slots__ = ("_headers", "entity", "message")

    def __init__(self, message: Message, entity: Entity) -> None:
        self.message = message
        self.entity = entity
        self._headers: Headers | None = None

    @property
    def headers(self) -> Headers:
        """The part's own header, as much of it as `Limits.header_bytes` allows."""
        if self._headers is None:
            message, entity = self.message, self.entity
            stop = min(entity.body, entity.start + message.limits.header_bytes)
            self._headers = Headers(message.data[entity.start : stop])
        return self._headers

    @property
    def section(self) -> str:
        """Its number: `1` for the message, `1.2` for the second part inside it."""
        return self.entity.section

    @property
    def content_type(self) -> ContentType:
        """The media type in effect, default included."""
        return self.entity.content_type

    @property
    def encoding(self) -> str:
        """`7bit`, `8bit`, `quoted-printable`, `base64` or `unknown`."""
        return self.entity.encoding

    @property
    def span(self) -> tuple[int, int]:
        """Offsets of its header and behind its body."""
        return self.entity.start, self.entity.end

    @property
    def body_span(self) -> tuple[int, int]:
        """Offsets of its body and behind it."""
        return self.entity.body, self.entity.end

    @property
    def is_multipart(self) -> bool:
        """True for multipart types."""
        return self.entity.is_multipart

    @property
    def children(self) -> list[Part]:
        """The parts inside it."""
        return [Part(self.message, entity) for entity in self.entity.children]

    @property
    def parent(self) -> Part | None:
        """The part around it."""
        parent = self.entity.parent
        return None if parent is None else Part(self.message, parent)

    @property
    def defects(self) -> list[Defect]:
        """What is wrong with its structure; see `content_defects` for its body."""
        return list(self.entity.defects)

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order of the document."""
        message = self.message
        return (Part(message, entity) for entity in self.entity.walk())

    def body(self) -> bytes:
        """Its body as it is in the message."""
        return self.message.data[self.entity.body : self.entity.end]

    def decoded(self) -> bytes:
        """Its body with the transfer encoding undone; that of a container is unchanged."""
        if self.entity.children or self.encoding not in ("base64", "quoted-printable"):
            return self.body()
        return b"".join(self.iter_decoded())

    def iter_decoded(self, *, strict: bool = False) -> Iterator[bytes]:
        """`decoded` in pieces: memory does not grow with the body.

        Args:
            strict: raise `DefectiveMessageError` at the first octet that the encoding does
                not allow.
        """
        from couriermail.rfc822.body import iter_decoded

        return iter_decoded(self.message.data, self.entity, strict=strict)

    def open(self) -> BodyReader:
        """`decoded` as a binary file to read once."""
        from couriermail.rfc822.body import BodyReader

        return BodyReader(self.iter_decoded())

    def text(self) -> str:
        """Its body as text with LF line ends; octets its charset does not have are `<HH>`."""
        from couriermail.rfc822.charset import decode_charset, decode_unlabelled

        octets, charset = self.decoded(), self.content_type.charset
        text = decode_charset(octets, charset)[0] if charset else decode_unlabelled(octets)
        return text.replace("\r\n", "\n")

    def iter_text(self) -> Iterator[str]:
        """`text` in pieces: memory does not grow with the body."""
        from couriermail.rfc822.body import iter_text

        return iter_text(self.message.data, self.entity)

    @property
    def disposition(self) -> ParameterizedValue | None:
        """Content-Disposition (RFC 2183), the last one if there are several; or None."""
        fields = self.headers.get_fields("content-disposition")
        if not fields:
            return None
        from couriermail.rfc822.params import parse_parameters

        return parse_parameters(fields[-1].unfolded)

    @property
    def filename(self) -> str | None:
        """The name a sender gave to the part; may contain anything, directories too."""
        disposition = self.disposition
        name = None
        if disposition is not None:
            name = disposition.get("filename") or disposition.get("name")
        return name or self.content_type.get("name")

    @property
    def content_id(self) -> str | None:
        """Content-ID without its brackets, or None."""
        field = self.headers.field("content-id")
        if field is None:
            return None
        from couriermail.rfc822.msgid import parse_message_ids

        return next(iter(parse_message_ids(field.value)), None)

    @property
    def line_count(self) -> int:
        """Lines of header and body; a last line without line end counts."""
        return self.message.count_lines(*self.span)

    @property
    def body_line_count(self) -> int:
        """Lines of the body; a last line without line end counts."""
        return self.message.count_lines(*self.body_span)

    @property
    def body_line_ends(self) -> int:
        """Line ends in the body, which is what IMAP calls its lines."""
        return self.message.count_line_ends(*self.body_span)[0]

    def size_with_crlf(self) -> int:
        """Octets of header and body when every line ended with CRLF (IMAP RFC822.SIZE)."""
        start, end = self.span
        line_ends, crlf = self.message.count_line_ends(start, end)
        return end - start + line_ends - crlf

    def content_defects(self) -> list[Defect]:
        """Reads the body of a leaf and says what is wrong with its encoding and charset."""
        if self.entity.children:
            return []
        from couriermail.rfc822.content import check_content, check_text

        data, entity = self.message.data, self.entity
        return check_content(data, entity) + check_text(data, entity)

    def header_defects(self) -> list[Defect]:
        """Reads all of the header and says what is wrong with its fields."""
        from couriermail.rfc822.header_check import check_header

        return check_header(self.headers.raw, self.entity)

    def __repr__(self) -> str:
        return f"<Part {self.section} {self.content_type} {self.span}>"


class Message:
    """A message.

    ```
    with Message.open("mail.eml") as message:
        print(message.headers["Subject"])
        for part in message.walk():
            print(part.section, part.content_type)
    ```

    Attributes:
        data: its octets: `bytes`, or a mapped file.
        limits: when looking for parts stops.
    """

    __slots__ = ("_body", "_headers", "_root", "_strict_mime", "data", "limits")

    def __init__(
        self,
        data: bytes | mmap,
        *,
        limits: Limits = DEFAULT_LIMITS,
        strict_mime: bool = True,
        structure: Entity | None = None,
    ) -> None:
        """Makes a message of octets.

        Args:
            data: the octets, with LF or CRLF line ends.
            limits: when looking for parts stops.
            strict_mime: False to follow Content-Type without a Mime-Version field.
            structure: what a `PushParser` found while these octets arrived.
        """
        self.data = data
        self.limits = limits
        self._strict_mime = strict_mime
        self._body: int | None = None
        self._headers: Headers | None = None
        self._root = None if structure is None else Part(self, structure)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        limits: Limits = DEFAULT_LIMITS,
        strict_mime: bool = True,
    ) -> Message:
        """Opens a file; a large one is mapped and not read.

        Raises:
            MessageFileError: it cannot be opened or mapped, or is no regular file.
        """
        return cls(_map_file(path), limits=limits, strict_mime=strict_mime)

    @property
    def headers(self) -> Headers:
        """The header of the message; its structure is not looked at.

        What lies behind `Limits.header_bytes` is left out.
        """
        if self._headers is None:
            stop = min(self._find_body(), self.limits.header_bytes)
            self._headers = Headers(self.data[:stop])
        return self._headers

    @property
    def root(self) -> Part:
        """The message as a part; finds the structure on first use."""
        if self._root is None:
            from couriermail.rfc822.structure import parse_structure

            entity = parse_structure(self.data, self.limits, strict_mime=self._strict_mime)
            self._root = Part(self, entity)
        return self._root

    @property
    def body_span(self) -> tuple[int, int]:
        """Offsets of the body and of the end; the structure is not looked at."""
        return self._find_body(), len(self.data)

    @property
    def content_type(self) -> ContentType:
        """The media type of the whole message."""
        return self.root.content_type

    def walk(self) -> Iterator[Part]:
        """The message and all its parts, in the order of the document."""
        return self.root.walk()

    def find(self, section: str) -> Part | None:
        """The part with a number such as `1.2`, or None (spec rfc822 4.12)."""
        numbers = section.split(".")
        if not all(number.isascii() and number.isdigit() for number in numbers):
            return None
        # More digits than a part can have are not worth converting.
        if max(map(len, numbers)) > 9 or int(numbers[0]) != 1:
            return None
        entity = self.root.entity
        for number in map(int, numbers[1:]):
            if not 1 <= number <= len(entity.children):
                return None
            entity = entity.children[number - 1]
        return Part(self, entity)

    def text(self) -> str:
        """The text of the first text/plain part, else of the first text part, else empty."""
        texts = [p for p in self.walk() if p.content_type.type == "text" and not p.entity.children]
        plain = [part for part in texts if part.content_type.subtype == "plain"]
        return next((part.text() for part in plain or texts), "")

    def addresses(self, name: str) -> list[Address]:
        """The mailboxes of all header fields of a name."""
        return self.headers.addresses(name)

    def defects(self, *, with_content: bool = False, with_headers: bool = False) -> list[Defect]:
        """What is wrong with the message, all parts together, in the order of the document.

        Args:
            with_content: read the bodies too and check their encodings and charsets.
            with_headers: read all fields too and check their syntax.
        """
        found: list[Defect] = []
        for part in self.walk():
            found += part.defects
            if with_headers:
                found += part.header_defects()
            if with_content:
                found += part.content_defects()
        return found

    def fatal_defects(self) -> list[Defect]:
        """The defects of its structure for which Courier refuses a message.

        Here refusing is the caller's policy; the tree is complete all the same.
        """
        from couriermail.rfc822.defects import FATAL, DefectKind

        # In the structure this kind stands for a multipart in base64 (spec rfc822 4.11.14).
        kinds = FATAL | DefectKind.INVALID_BASE64
        return [defect for part in self.walk() for defect in part.defects if defect.kind in kinds]

    def validate(self, tolerated: DefectKind | None = None) -> None:
        """Strict reading: reads everything and raises when anything is wrong.

        Args:
            tolerated: kinds of defects that do not count.

        Raises:
            DefectiveMessageError: with all other defects and their places.
        """
        from couriermail.rfc822.errors import DefectiveMessageError

        found = self.defects(with_content=True, with_headers=True)
        if tolerated is not None:
            found = [defect for defect in found if defect.kind not in tolerated]
        if found:
            raise DefectiveMessageError(found)

    def edit(self) -> MessageEditor:
        """Collects changes to the message; the rest of it stays octet for octet."""
        from couriermail.rfc822.message_editor import MessageEditor

        return MessageEditor(self)

    def find_imap(self, section: str = "") -> ImapSection | None:
        """The section with an IMAP name such as `1.2`, `HEADER` or `2.MIME`, or None."""
        from couriermail.rfc822.imap_section import find_imap_section

        return find_imap_section(self, section)

    def count_line_ends(self, start: int, end: int) -> tuple[int, int]:
        """LF octets in a range, and how many of them follow a CR."""
        line_ends = crlf = 0
        for position in range(start, end, _WINDOW):
            edge = min(position + _WINDOW, end)
            line_ends += self.data[position:edge].count(b"\n")
            crlf += self.data[position : min(edge + 1, end)].count(b"\r\n")
        return line_ends, crlf

    def count_lines(self, start: int, end: int) -> int:
        """Lines in a range; a last one without line end counts (spec rfc822 4.12)."""
        line_ends = self.count_line_ends(start, end)[0]
        return line_ends + (end > start and self.data[end - 1 : end] != b"\n")

    def _find_body(self) -> int:
        if self._body is None:
            self._body = find_body(self.data)[1]
        return self._body

    def close(self) -> None:
        """Unmaps the file.  Parts of the message cannot be read any more."""
        if not isinstance(self.data, bytes):
            self.data.close()

    def __bytes__(self) -> bytes:
        """The message, octet for octet."""
        return self.data if isinstance(self.data, bytes) else self.data[:]

    def __len__(self) -> int:
        return len(self.data)

    def __enter__(self) -> Message:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Message of {len(self.data)} bytes>"


def _map_file(path: str | os.PathLike[str]) -> bytes | mmap:
    try:
        # without waiting for the writer of a pipe, which is no message anyway
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            if status.st_size <= _SMALL:
                return os.read(descriptor, _SMALL)
            from mmap import ACCESS_READ, mmap

            return mmap(descriptor, 0, access=ACCESS_READ)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        from couriermail.rfc822.errors import MessageFileError

        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise MessageFileError(f"cannot open the message: {reason}", path=str(path)) from error
