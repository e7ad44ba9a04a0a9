"""What patterns see of a message: decoded lines, made when first asked for (spec filter 4.9)."""

from __future__ import annotations

from couriermail.filter.search import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
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

    def _lines(self, options: Options) -> list[bytes]:
        if self._is_mime() and (options.headers or options.body):
            return self._mime_lines(options)
        lines: list[bytes] = []
        if options.headers or options.main_header:
            # Courier 2.x: the empty line that ends a header is a line of it
            lines += [*header_lines(self._header()), b""]
        if options.body:
            lines += _split(bytes(self._message.body()))
        return lines

    def _mime_lines(self, options: Options) -> list[bytes]:
        root = self._parsed().root
        if options.main_header and root.is_multipart:
            return [*header_lines(self._header()), b""]
        return [line for part in root.walk() for line in _part_lines(part, options)]

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

            whole = b"".join(self._message.chunks())
            self._tree = Message(whole.replace(b"\r\n", b"\n"))
        return self._tree


def _part_lines(part: Part, options: Options) -> list[bytes]:
    lines: list[bytes] = []
    if options.headers or (options.main_header and part.parent is None):
        lines += [*header_lines(bytes(part.headers)), b""]
    if options.body and not part.children:
        lines += _text_lines(part)
    return lines


def _text_lines(part: Part) -> list[bytes]:
    # Courier 3.x: other leaves are searched raw; only text is text
    if not part.content_type.value.startswith("text/"):
        return []
    return _split(part.text().encode("utf-8", "replace"))


def header_lines(block: bytes) -> list[bytes]:
    """The header fields as patterns see them: unfolded and decoded, one per line."""
    lines: list[bytes] = []
    for line in block.replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and lines:
            lines[-1] += b" " + line.strip(_BLANKS)
        elif line:
            lines.append(line)
    return [_printed(line) for line in lines]


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


def _split(body: bytes) -> list[bytes]:
    if not body.isascii():
        body = body.decode("utf-8", "replace").encode()
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
