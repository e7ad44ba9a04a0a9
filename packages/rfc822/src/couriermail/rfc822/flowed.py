"""Flowed text: paragraphs out of lines, and lines out of paragraphs.

Source: RFC 3676 4, spec rfc822 4.21.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

__all__ = ["FlowedLine", "parse_flowed", "parse_quoted", "rewrap", "write_flowed"]

_SIGNATURE = "-- "  # RFC 3676 4.3: never flowed
_WIDTH = 74  # spec rfc822 4.21.6: cells of a line, quote marks included
_TOLERANCE = 30  # a line is left alone that is longer by no more
_LEAST_WIDTH = 20


class FlowedLine:
    """One logical line: a paragraph, or a fixed line.  Never changed.

    Attributes:
        depth: how often it is quoted.
        pieces: the text of its physical lines, without quote marks and stuffing.  A piece that
            flows into the next keeps its trailing blank unless `delsp` was said.
    """

    __slots__ = ("depth", "pieces")

    def __init__(self, depth: int, pieces: tuple[str, ...]) -> None:
        self.depth: Final = depth
        self.pieces: Final = pieces

    @property
    def text(self) -> str:
        """The pieces together."""
        return "".join(self.pieces)

    def __repr__(self) -> str:
        return f"FlowedLine({self.depth}, {self.pieces!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FlowedLine):
            return NotImplemented
        return (self.depth, self.pieces) == (other.depth, other.pieces)

    def __hash__(self) -> int:
        return hash((self.depth, self.pieces))


def parse_flowed(text: str, *, flowed: bool = True, delsp: bool = False) -> Iterator[FlowedLine]:
    """Reads text into logical lines.

    Args:
        text: with LF or CRLF line ends.
        flowed: whether the type said `format=flowed`; without it every line is fixed and `>`
            is text.
        delsp: whether it said `delsp=yes`: the blank before a soft break is not text.
    """
    lines = _split_lines(text)
    if not flowed:
        yield from (FlowedLine(0, (line,)) for line in lines)
        return
    pieces: list[str] = []
    depth = 0
    for line in lines:
        line_depth, content = _unquote(line)
        # Another depth ends a paragraph; so does an empty line, which stays (spec 4.21.4).
        if pieces and (line_depth != depth or not content or content == _SIGNATURE):
            yield FlowedLine(depth, tuple(pieces))
            pieces = []
        depth = line_depth
        is_soft = content.endswith(" ") and content != _SIGNATURE
        pieces.append(content[:-1] if is_soft and delsp else content)
        if not is_soft:
            yield FlowedLine(depth, tuple(pieces))
            pieces = []
    if pieces:
        yield FlowedLine(depth, tuple(pieces))


def parse_quoted(text: str) -> Iterator[FlowedLine]:
    """Reads fixed text in which leading `>` are quote marks, as people use them.

    `> a` and `>a` are both the text `a`, quoted once.  Every line is a logical line.
    """
    for line in _split_lines(text):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        yield FlowedLine(depth, (content.removeprefix(" ") if depth else content,))


def rewrap(lines: Iterable[FlowedLine], *, width: int = _WIDTH) -> Iterator[FlowedLine]:
    """Wraps what is much too long into pieces that flow together (spec rfc822 4.21.6).

    A logical line with a piece of more than 30 cells over the width is cut anew: at blanks and
    hyphens and around wide characters, and inside words that are longer than a line.

    Args:
        lines: what `parse_flowed` or `parse_quoted` gave.
        width: cells of a line; its quote marks count, but 20 are left at least.
    """
    from couriermail.rfc822.cells import display_width, wrap_text

    for line in lines:
        limit = max(width - line.depth, _LEAST_WIDTH)
        if any(display_width(piece) > limit + _TOLERANCE for piece in line.pieces):
            yield FlowedLine(line.depth, tuple(wrap_text(line.text, limit, cut_words=True)))
        else:
            yield line


def write_flowed(lines: Iterable[FlowedLine], *, delsp: bool = False) -> str:
    """Writes logical lines, one physical line per piece, with LF line ends.

    Args:
        lines: what `parse_flowed` gave, perhaps with other depths or pieces.
        delsp: write for `delsp=yes`.
    """
    return "".join(_write_line(line, delsp=delsp) for line in lines)


def _split_lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()  # the last line end ends a line
    return lines


def _unquote(line: str) -> tuple[int, str]:
    content = line.lstrip(">")
    depth = len(line) - len(content)
    return depth, content.removeprefix(" ")  # RFC 3676 4.4: one stuffed blank


def _write_line(line: FlowedLine, *, delsp: bool) -> str:
    *soft, last = line.pieces
    if not (last == _SIGNATURE and not soft and line.depth == 0):
        last = last.rstrip(" ")  # a blank at the end would make the next line part of this one
    written = [_soften(piece, delsp=delsp) for piece in soft] + [last]
    return "".join(f"{_prefix(line.depth, piece)}{piece}\n" for piece in written)


def _soften(piece: str, *, delsp: bool) -> str:
    """Makes a piece flow: it ends in a blank, which `delsp` readers take away."""
    return piece + " " if delsp or not piece.endswith(" ") else piece


def _prefix(depth: int, piece: str) -> str:
    # RFC 3676 4.4: blanks, quote marks and `From ` are hidden behind one stuffed blank
    needs_stuffing = (depth > 0 and piece != "") or piece.startswith((" ", ">", "From "))
    return ">" * depth + (" " if needs_stuffing else "")
