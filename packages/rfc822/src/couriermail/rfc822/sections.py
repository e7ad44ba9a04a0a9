"""Composing MIME sections: one from content, a multipart from sections, one more section.

A section is a header, an empty line and a body, as it stands between two delimiters.  Nothing
is copied that need not be: results come as iterators of pieces, so that mapped files are
never in memory as a whole.  Source: RFC 2045, RFC 2046 5.1, spec rfc822 2.3.
"""

from __future__ import annotations

from couriermail.rfc822.boundary import pick_boundary
from couriermail.rfc822.detection import detect_encoding
from couriermail.rfc822.errors import EncodingError
from couriermail.rfc822.headers import find_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from mmap import mmap

    Source = bytes | mmap

__all__ = ["ENCODINGS", "SectionWriter", "add_section", "digest_pieces", "encode_pieces"]

ENCODINGS = ("7bit", "8bit", "quoted-printable", "base64")
_PREAMBLE = b"This is a message in MIME format; its parts follow.\n"
_WINDOW = 57 * 4096  # whole lines of base64
_AUTO = "auto"


class SectionWriter:
    """Writes sections with the same extra fields, boundary policy and encoding.

    Attributes:
        fields: header lines put before Content-Type, without line ends.
        encoding: one of `ENCODINGS`, or empty to choose by the content.
        charset: the charset parameter, or empty.
        name: the name parameter, or empty.
        name_charset: what the name is encoded in.
        boundary: wanted boundary, or empty.
        stable: make the same boundary for the same input.
    """

    __slots__ = ("boundary", "charset", "encoding", "fields", "name", "name_charset", "stable")

    def __init__(
        self,
        *,
        fields: Sequence[bytes] = (),
        encoding: str = "",
        charset: str = "",
        name: str = "",
        name_charset: str = "utf-8",
        boundary: str = "",
        stable: bool = False,
    ) -> None:
        self.fields = fields
        self.encoding = encoding
        self.charset = charset
        self.name = name
        self.name_charset = name_charset
        self.boundary = boundary
        self.stable = stable

    def leaf(
        self, content: Source, content_type: str = "application/octet-stream"
    ) -> Iterator[bytes]:
        """A section of some content.

        Args:
            content: with LF line ends if it is text.
            content_type: a media type, with parameters if it has any; `auto` for text/plain, or
                application/octet-stream when the content is binary.

        Raises:
            EncodingError: the name cannot be written in its charset.
        """
        encoding, charset = self.encoding, self.charset.translate({ord('"'): None, ord("\\"): None})
        if not encoding or content_type == _AUTO:
            kind = detect_encoding(_windows(content, 0, len(content)))
            encoding = encoding or kind.encoding
            if content_type == _AUTO:
                content_type = "application/octet-stream" if kind.is_binary else "text/plain"
                charset = "" if kind.is_binary else charset
        parts = [f'; charset="{charset}"'] if charset else []
        if self.name:
            from couriermail.rfc822.params import format_parameter

            pieces = format_parameter("name", self.name, self.name_charset)
            parts += [f";\n  {piece}" for piece in pieces]
        yield self._header(content_type + "".join(parts), encoding)
        yield from encode_pieces(content, encoding)

    def multipart(self, first: Source, content_type: str = "multipart/mixed") -> Iterator[bytes]:
        """A multipart with one section in it.

        Args:
            first: the section.
            content_type: without boundary.
        """
        boundary = pick_boundary([first, _PREAMBLE], wanted=self.boundary, stable=self.stable)
        header = self._header(f'{content_type}; boundary="{boundary}"', self.encoding or "8bit")
        yield b"%s%s\n--%s\n" % (header, _PREAMBLE, boundary.encode())
        yield from _windows(first, 0, len(first))
        yield b"\n--%s--\n" % boundary.encode()

    def append(self, multipart: Source, section: Source) -> Iterator[bytes]:
        """A multipart with one more section at its end, and a new boundary.

        Args:
            multipart: a multipart section.  The first line of its body that starts with `--`
                says what its old boundary is; what follows its closing delimiter is dropped.
            section: the new last part.

        Raises:
            EncodingError: the first section has no Content-Type field.
        """
        boundary = pick_boundary([multipart, section], wanted=self.boundary, stable=self.stable)
        yield from add_section(multipart, section, boundary.encode())

    def _header(self, content_type: str, encoding: str) -> bytes:
        lines = [
            *self.fields,
            f"Content-Type: {content_type}".encode("utf-8", "surrogateescape"),
            f"Content-Transfer-Encoding: {encoding}".encode(),
        ]
        return b"\n".join(lines) + b"\n\n"


def add_section(multipart: Source, section: Source, boundary: bytes) -> Iterator[bytes]:
    """Rewrites a multipart with a new boundary and one more part; see `SectionWriter.append`."""
    end, body = find_body(multipart)
    yield _with_boundary(multipart[:end], boundary) + b"\n"
    delimiter = b"--" + boundary + b"\n"
    old = b""
    position = last = body
    length = len(multipart)
    while position < length:
        line_end = multipart.find(b"\n", position) + 1 or length
        if multipart[position : position + 2] == b"--":
            line = multipart[position:line_end].rstrip(b" \t\r\n").lower()
            old = old or (line[:2] + line[2:].removesuffix(b"--"))
            if len(old) > 2 and line.startswith(old):
                yield from _windows(multipart, last, position)
                last = line_end
                if line[len(old) : len(old) + 2] == b"--":
                    break
                yield delimiter
        found = multipart.find(b"\n--", max(line_end - 1, position))
        position = found + 1 if found >= 0 else length
    else:
        yield from _windows(multipart, last, length)
        if length > body and multipart[length - 1 : length] != b"\n":
            yield b"\n"
    yield delimiter
    yield from _windows(section, 0, len(section))
    yield b"\n--%s--\n" % boundary


def digest_pieces(messages: Sequence[Source], *, stable: bool = False) -> Iterator[bytes]:
    """A multipart/digest (RFC 2046 5.1.5) of messages, each octet for octet.

    Args:
        messages: at least one.
        stable: make the same boundary for the same messages.
    """
    boundary = pick_boundary(messages, stable=stable).encode()
    yield b'Mime-Version:1.0\nContent-Type: multipart/digest; boundary="%s"\n\n' % boundary
    yield _PREAMBLE
    for message in messages:
        kind = b"message/global" if _has_global_header(message) else b"message/rfc822"
        yield b"\n--%s\nContent-Type: %s\n\n" % (boundary, kind)
        yield from _windows(message, 0, len(message))
    yield b"\n--%s--\n" % boundary


def _has_global_header(message: Source) -> bool:
    """Whether any header in a message has 8-bit octets (RFC 6532 3.7)."""
    if all(piece.isascii() for piece in _windows(message, 0, len(message))):
        return False
    from couriermail.rfc822.structure import parse_structure

    return not all(
        message[entity.start : entity.body].isascii() for entity in parse_structure(message).walk()
    )


def encode_pieces(content: Source, encoding: str) -> Iterator[bytes]:
    """Content in a transfer encoding, in pieces.

    Args:
        content: the octets.
        encoding: one of `ENCODINGS`.
    """
    if encoding == "base64":
        from couriermail.rfc822.transfer import encode_base64

        for piece in _windows(content, 0, len(content)):
            yield encode_base64(piece)
    elif encoding == "quoted-printable":
        from couriermail.rfc822.transfer import encode_quoted_printable

        for piece in _line_windows(content):
            yield encode_quoted_printable(piece)
    else:
        yield from _windows(content, 0, len(content))


def _with_boundary(header: bytes, boundary: bytes) -> bytes:
    from couriermail.rfc822.headers import split_fields

    fields = split_fields(header)
    if not any(field.key == b"content-type" for field in fields):
        raise EncodingError("the first section has no Content-Type field")
    return b"".join(
        b'%s; boundary="%s"\n' % (field.raw.partition(b";")[0].rstrip(), boundary)
        if field.key == b"content-type"
        else field.raw
        for field in fields
    )


def _windows(data: Source, start: int, end: int) -> Iterator[bytes]:
    for position in range(start, end, _WINDOW):
        yield data[position : min(position + _WINDOW, end)]


def _line_windows(data: Source) -> Iterator[bytes]:
    """Pieces that end behind a line feed, so that each can be encoded for itself."""
    position, length = 0, len(data)
    while position < length:
        edge = min(position + _WINDOW, length)
        if edge < length:
            line_end = data.rfind(b"\n", position, edge)
            edge = (line_end if line_end >= 0 else data.find(b"\n", edge)) + 1 or length
        yield data[position:edge]
        position = edge
