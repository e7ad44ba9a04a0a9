"""Text on a terminal: how many cells it takes, and where a line of it may break.

A small subset of UAX 11 (widths), UAX 14 (line breaks) and UAX 29 (clusters) on the character
tables of the standard library.  Work is linear.  Source: spec rfc822 4.17.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["display_width", "split_clusters", "wrap_text"]

_JOINER = "\u200d"
_BREAKING_BLANKS = " \t\u200b"
# Marks that no line starts with, and some that no line ends with (UAX 14 CL, EX, NS and OP).
_NO_START = frozenset(
    "!?,.:;)]}%\u3001\u3002\uff0c\uff0e\uff01\uff1f\uff1a\uff1b\u300d\u300f\uff09\u3011\u300b\u30fc"
)
_NO_END = frozenset("([{\u300c\u300e\uff08\u3010\u300a")
_PLAIN_END = "\u0300"  # below it all characters take one cell, but NUL and LF


def display_width(text: str) -> int:
    """Cells that a text takes on a terminal.

    Combining marks, zero-width characters, NUL and LF take none, wide East Asian characters
    and emoji two, all others one.
    """
    if text.isascii():
        return len(text) - text.count("\0") - text.count("\n")
    return sum(map(_width, text))


def split_clusters(text: str) -> list[str]:
    """Characters with the marks that combine with them (a subset of UAX 29)."""
    if text.isascii():
        return list(text)
    from unicodedata import category

    clusters: list[str] = []
    is_joined = False
    for char in text:
        is_joiner = char == _JOINER
        if clusters and (is_joined or is_joiner or category(char)[0] == "M"):
            clusters[-1] += char
        else:
            clusters.append(char)
        is_joined = is_joiner
    return clusters


def wrap_text(text: str, width: int, *, cut_words: bool = False) -> list[str]:
    """Cuts a text into lines; joined they are the text again.

    Lines break behind blanks (which stay at their ends, and count) and hyphens, and around wide
    characters; never before a combining mark.

    Args:
        text: without line ends.
        width: cells per line; at least one.
        cut_words: cut a word that is longer than a line between two characters; False to let
            it stand on a line of its own.

    Returns:
        The lines; one empty line for an empty text.
    """
    lines: list[str] = []
    line, cells = "", 0
    for unit in _units(text):
        more = display_width(unit)
        if line and cells + more > width:
            lines.append(line)
            line, cells = "", 0
        if cut_words and more > width:
            *whole, line = _cut(unit, width)
            lines += whole
            cells = display_width(line)
        else:
            line, cells = line + unit, cells + more
    return [*lines, line] if line or not lines else lines


def _width(char: str) -> int:
    if char < _PLAIN_END:
        return 0 if char in "\0\n" else 1
    from unicodedata import category, east_asian_width

    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def _units(text: str) -> Iterator[str]:
    """The pieces between which a line may break."""
    start = 0
    before = ""
    for index, cluster in _clusters(text):
        if before and _may_break(before, cluster):
            yield text[start:index]
            start = index
        before = cluster
    if start < len(text):
        yield text[start:]


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    index = 0
    for cluster in split_clusters(text):
        yield index, cluster
        index += len(cluster)


def _may_break(before: str, behind: str) -> bool:
    if behind in _BREAKING_BLANKS:
        return False
    if before in _BREAKING_BLANKS:
        return True
    if before in _NO_END or behind in _NO_START:
        return False
    if before == "-":
        return behind.isalpha()
    return _is_wide(before) or _is_wide(behind)


def _is_wide(cluster: str) -> bool:
    return cluster[0] >= "\u1100" and _width(cluster[0]) == 2


def _cut(word: str, width: int) -> list[str]:
    pieces: list[str] = []
    piece, cells = "", 0
    for cluster in split_clusters(word):
        more = display_width(cluster)
        if piece and cells + more > width:
            pieces.append(piece)
            piece, cells = "", 0
        piece, cells = piece + cluster, cells + more
    return [*pieces, piece]
