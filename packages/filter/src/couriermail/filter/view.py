"""What patterns see of a message: decoded lines, made when first asked for (spec filter 4.9)."""

from __future__ import annotations

from couriermail.filter.search import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.interfaces import FilterMessage
    from couriermail.filter.search import Options

__all__ = ["MAX_HEADER_LINE", "MessageView", "header_lines"]

MAX_HEADER_LINE = 65536
"""Longer header lines are cut (spec filter 4.9, item 3); Courier: 16384."""

_BLANKS = b" \t\v\f\r"


class MessageView:
    """The searchable lines of one message; each kind is made once."""

    def __init__(self, message: FilterMessage) -> None:
        self._message = message
        self._subjects: dict[tuple[bool, bool, bool], Subject] = {}

    def subject(self, options: Options) -> Subject:
        """The lines that a pattern with these options looks at."""
        key = (options.headers, options.main_header, options.body)
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = self._make(options)
        return subject

    def _make(self, options: Options) -> Subject:
        raw = self._message.header_block()
        head = header_lines(raw)
        lines: list[bytes] = []
        if options.headers or options.main_header:
            # Courier 2.x: the empty line that ends a header is a line of it
            lines += [*head, b""]
        if options.body:
            lines += _split(bytes(self._message.body()).replace(b"\r\n", b"\n"))
        return Subject.of_lines(lines)


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
    return b"%b: %b" % (name.rstrip(_BLANKS), value.strip(_BLANKS)[:MAX_HEADER_LINE])


def _split(body: bytes) -> list[bytes]:
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not body.isascii():
        return [line.decode("utf-8", "replace").encode() for line in lines]
    return lines
