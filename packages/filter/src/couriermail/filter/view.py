"""What patterns see of a message: decoded lines, made when first asked for (spec filter 4.9)."""

from __future__ import annotations

from couriermail.filter.search import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

    from couriermail.filter.interfaces import FilterMessage
    from couriermail.filter.search import Options
    from couriermail.rfc822 import Message
    from couriermail.rfc822.message import Part

__all__ = ["MAX_HEADER_LINE", "MessageView", "header_lines"]

MAX_HEADER_LINE = 65536
"""Longer header lines are cut (spec filter 4.9, item 3); Courier: 16384."""

_BLANKS = b" \t\v\f\r"
_ADDRESS_FIELDS = frozenset(b"from to cc bcc resent-from resent-to resent-cc resent-bcc".split())
_PLAIN_ADDRESS = bytes(
    code for code in range(256) if code not in b'()<>@,;:\\"[]= \t' and 32 < code < 127
)


class MessageView:
    """The searchable lines of one message; each kind is made once."""

    def __init__(self, message: FilterMessage) -> None:
        self._message = message
        self._subjects: dict[tuple[bool, bool, bool], Subject] = {}
        self._head: bytes | None = None
        self._tree: Message | None = None

    def subject(self, options: Options) -> Subject:
        """The lines that a pattern with these options looks at."""
        key = (options.headers, options.main_header, options.body)
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = Subject.of_lines(self._lines(options))
        return subject

    def _lines(self, options: Options) -> bytes:
        if self._is_mime() and (options.headers or options.body):
            return self._mime_lines(options)
        has_header = options.headers or options.main_header
        header = header_lines(self._header()) if has_header else b""
        return header + (_text_lines(bytes(self._message.body())) if options.body else b"")

    def _mime_lines(self, options: Options) -> bytes:
        root = self._parsed().root
        if options.main_header and root.is_multipart:
            return header_lines(self._header())
        return b"".join(_part_lines(part, options) for part in root.walk())

    def _header(self) -> bytes:
        if self._head is None:
            self._head = self._message.header_block().replace(b"\r\n", b"\n")
        return self._head

    def _is_mime(self) -> bool:
        """True when only a MIME reader knows what the lines are."""
        lowered = self._header().lower()
        return b"\ncontent-" in lowered or lowered.startswith(b"content-")

    def _parsed(self) -> Message:
        if self._tree is None:
            from couriermail.rfc822 import Message

            self._tree = Message(_whole(self._message))
        return self._tree


def _whole(message: FilterMessage) -> bytes | mmap.mmap:
    """The message in one piece with LF line ends, without a copy where there is one already."""
    import mmap

    chunks = list(message.chunks())
    whole = chunks[0].obj if len(chunks) == 1 and isinstance(chunks[0], memoryview) else None
    if (
        isinstance(whole, bytes | mmap.mmap)
        and len(whole) == len(chunks[0])
        and whole.find(b"\r\n") < 0
    ):
        return whole
    return b"".join(chunks).replace(b"\r\n", b"\n")


def _part_lines(part: Part, options: Options) -> bytes:
    has_header = options.headers or (options.main_header and part.parent is None)
    lines = header_lines(bytes(part.headers)) if has_header else b""
    # Courier 3.x: other leaves are searched raw; only text is text
    is_text = not part.children and part.content_type.value.startswith("text/")
    if options.body and is_text:
        lines += _text_lines(part.text().encode("utf-8", "replace"))
    return lines


def header_lines(block: bytes) -> bytes:
    """The header fields as patterns see them: unfolded and decoded, one per line.

    Courier 2.x: the empty line that ends a header is not searched; here it is the last line.
    """
    lines: list[bytes] = []
    for line in block.replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and lines:
            lines[-1] += b" " + line.strip(_BLANKS)
        elif line:
            lines.append(line)
    return b"\n".join([*map(_printed, lines), b"", b""])


def _printed(line: bytes) -> bytes:
    name, colon, value = line.partition(b":")
    if not colon:
        return line
    name, value = name.rstrip(_BLANKS), value.strip(_BLANKS)
    if name.lower() in _ADDRESS_FIELDS and not _is_canonical(value):
        value = _canonical_addresses(value)
    elif b"=?" in value or not value.isascii():
        value = _decoded(value)
    return b"%b: %b" % (name, value[:MAX_HEADER_LINE])


def _decoded(value: bytes) -> bytes:
    from couriermail.rfc822.encoded_word import decode_words

    text = value.decode("utf-8", "replace")  # every line stays searchable
    return decode_words(text).encode("utf-8", "replace").replace(b"\n", b" ")


def _is_canonical(value: bytes) -> bool:
    """True for `word word <addr>, addr`, which printing would not change."""
    if b"xn--" in value.lower():
        return False
    for element in value.split(b", "):
        name, bracket, rest = element.rpartition(b" <")
        if bracket and not rest.endswith(b">"):
            return False
        address = rest[:-1] if bracket else element
        if address.translate(None, _PLAIN_ADDRESS) != b"@":
            return False
        if bracket and (not name or not all(_is_word(word) for word in name.split(b" "))):
            return False
    return True


def _is_word(word: bytes) -> bool:
    return bool(word) and not word.translate(None, _PLAIN_ADDRESS)


def _canonical_addresses(value: bytes) -> bytes:
    from couriermail.rfc822.address import format_addresses, parse_address_list
    from couriermail.rfc822.encoded_word import decode_words
    from couriermail.rfc822.idn import address_to_unicode

    elements = parse_address_list(value.decode("utf-8", "replace"))
    printed = format_addresses(
        element.with_addr(address_to_unicode(element.addr)) if element.addr_tokens else element
        for element in elements
    )
    return decode_words(printed).encode("utf-8", "replace").replace(b"\n", b" ")


def _text_lines(body: bytes) -> bytes:
    if not body.isascii():
        body = body.decode("utf-8", "replace").encode()
    body = body.replace(b"\r\n", b"\n")
    return body if not body or body.endswith(b"\n") else body + b"\n"
