"""A message drawn as a tree, for a person: parts, sizes, encodings, names and defects.

Text of strangers is shown without control characters, so that it cannot move the cursor.
"""

from __future__ import annotations

from couriermail.rfc822.cells import display_width, wrap_text
from couriermail.rfc822.header_text import decode_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.rfc822.defects import Defect
    from couriermail.rfc822.message import Message, Part

__all__ = ["draw_tree", "printable"]

_SHOWN = ("From", "To", "Cc", "Subject", "Date", "Message-ID")
_LEAST_WIDTH = 40
_TYPE_CELLS = 34
_FACTS_COLUMN = 40
_BOLD, _DIM, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


def draw_tree(
    message: Message, *, width: int = 100, color: bool = False, with_content: bool = True
) -> Iterator[str]:
    """The lines of the drawing, without line ends.

    Args:
        message: the message.
        width: cells of a line that values are cut at; drawings of deep trees may be wider.
        color: True to use the escape sequences of terminals.
        with_content: read the bodies and show their defects too.
    """
    painter = _Painter(color=color)
    width = max(width, _LEAST_WIDTH)
    for name in _SHOWN:
        field = message.headers.field(name)
        if field is not None:
            label = painter.paint(f"{name + ':':12}", _DIM)
            yield label + _clip(decode_header(name, field.raw_value), width - 12)
    parts = len(list(message.walk()))
    yield f"{len(message)} octets, {parts} part{'' if parts == 1 else 's'}"
    pending = [(message.root, "", "")]
    while pending:
        part, stem, branch = pending.pop()
        place = painter.paint(part.section, _BOLD)
        shown = f"{place}  {_clip(str(part.content_type), _TYPE_CELLS)}"
        room = _FACTS_COLUMN - len(stem) - len(branch) + len(place) - len(part.section)
        yield f"{stem}{branch}{shown:{max(room, 1)}}  {_describe(part, painter)}"
        below = stem + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        children = part.children
        mark = "│" if children else " "
        for defect in _defects(part, with_content=with_content):
            text = f"! {defect.description} ({defect.kind.name}) at {defect.offset}"
            yield f"{below}{mark}    {painter.paint(text, _RED)}"
        last = len(children) - 1
        pending += [
            (child, below, "└─ " if index == last else "├─ ")
            for index, child in reversed(list(enumerate(children)))
        ]


def printable(text: str) -> str:
    """Text of a stranger without what could move the cursor or turn the direction of writing."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


class _Painter:
    """Colours, or none."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def paint(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._color else text


def _describe(part: Part, painter: _Painter) -> str:
    kind = part.content_type
    start, end = part.body_span
    words = [f"{_size(end - start):>8}", part.encoding]
    if kind.type == "text" and kind.charset:
        words.append(_clip(kind.charset, _TYPE_CELLS))
    disposition = part.disposition
    if disposition is not None and disposition.value:
        words.append(_clip(disposition.value, _TYPE_CELLS))
    filename = part.filename
    if filename:
        words.append(f'"{_clip(filename, _TYPE_CELLS)}"')
    words.append(painter.paint(f"[{part.span[0]}:{start}:{end}]", _DIM))
    return "  ".join(words)


def _defects(part: Part, *, with_content: bool) -> list[Defect]:
    found = part.defects + part.header_defects()
    return found + part.content_defects() if with_content else found


def _size(octets: int) -> str:
    if octets < 10_000:
        return f"{octets} B"
    for unit in ("kB", "MB"):
        octets_in_unit = octets / 1000
        octets //= 1000
        if octets < 1000:
            return f"{octets_in_unit:.1f} {unit}"
    return f"{octets / 1000:.1f} GB"


def _clip(text: str, width: int) -> str:
    shown = printable(text)
    if display_width(shown) <= width:
        return shown
    return wrap_text(shown, width - 1, cut_words=True)[0] + "…"
