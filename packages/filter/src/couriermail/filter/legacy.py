"""Patterns of maildrop 1.x, for recipes that set `MAILDROP_OLD_REGEXP` (spec filter 4.10).

A 1.x pattern is rewritten for the engine: `!` separates segments, each of which becomes a
group; parentheses only group; `[:alpha:]` may stand outside brackets.
"""

from __future__ import annotations

from couriermail.filter.search import CompiledPattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.filter.search import Found, Subject

__all__ = ["LegacyPattern", "legacy_pieces", "translate_legacy"]

_OCTAL_DIGITS = frozenset(b"%d" % digit for digit in range(8))
_CONTROLS = {letter: b"\\" + letter for letter in (b"r", b"n", b"t", b"f")} | {b"v": rb"\x0b"}
_WORD_BREAK = b"(?:^|$|[^[:alnum:]_])"


class LegacyPattern(CompiledPattern):
    """A 1.x pattern.  With segments, MATCH is the first one's text, MATCH2 the second's.

    Args:
        pattern: the pattern after substitution.
        case_sensitive: False to fold letters.
        seconds: the longest that one search may take.
        is_whole: True for option `w`: all lines are one subject, and `^` and `$` are the
            edges of lines.

    Raises:
        PatternError: the pattern is wrong or not supported.
    """

    __slots__ = ("_has_segments", "_is_whole")

    def __init__(
        self, pattern: bytes, *, case_sensitive: bool, seconds: float, is_whole: bool
    ) -> None:
        translated, segments = translate_legacy(pattern)
        prefix = b"(?m)" if is_whole else b""
        super().__init__(prefix + translated, case_sensitive=case_sensitive, seconds=seconds)
        self._has_segments = segments > 1
        self._is_whole = is_whole

    def lines(self, subject: Subject) -> Iterator[Found]:
        """The first match of every line that has one, or every match in all lines."""
        found = self.all_in(subject.raw[1:]) if self._is_whole else super().lines(subject)
        return found if self._is_whole else self._segments(found)

    def all_in(self, text: bytes) -> Iterator[Found]:
        """Every match in a string, from left to right."""
        return self._segments(super().all_in(text))

    def _segments(self, found: Iterator[Found]) -> Iterator[Found]:
        if not self._has_segments:
            return found
        return ((groups[1], *groups[1:]) for groups in found)  # MATCH is the first segment


def translate_legacy(pattern: bytes) -> tuple[bytes, int]:
    """Rewrite a 1.x pattern for PCRE2.

    Returns:
        The pattern, and the number of its segments.
    """
    segments: list[bytes] = [b""]
    for piece in legacy_pieces(pattern):
        if piece == b"!":
            segments.append(b"")
        else:
            segments[-1] += piece
    if len(segments) == 1:
        return segments[0], 1
    return b"".join(b"(%b)" % segment for segment in segments), len(segments)


def legacy_pieces(pattern: bytes) -> list[bytes]:
    """What each sign, escape or set of a 1.x pattern becomes; `!` alone separates segments."""
    pieces: list[bytes] = []
    at = 0
    while at < len(pattern):
        piece, at = _piece(pattern, at)
        pieces.append(piece)
    return pieces


def _piece(pattern: bytes, at: int) -> tuple[bytes, int]:
    """What one sign, escape or bracket becomes, and where the next begins."""
    char = pattern[at : at + 1]
    if char == b"\\":
        return _escape(pattern, at)
    if char == b"[":
        end = _bracket_end(pattern, at)
        bracket = pattern[at:end]
        if bracket.startswith(b"[:") and bracket.endswith(b":]"):
            name = bracket[2:-2]
            return (_WORD_BREAK if name == b"wbreak" else b"[[:%b:]]" % name), end
        return bracket, end
    return (b"(?:" if char == b"(" else char), at + 1


def _escape(pattern: bytes, at: int) -> tuple[bytes, int]:
    """An escape: a control character, an octal code, or the next character itself."""
    end = at + 1
    while end < at + 4 and pattern[end : end + 1] in _OCTAL_DIGITS:
        end += 1
    if end > at + 1:
        return b"\\x%02x" % (int(pattern[at + 1 : end], 8) & 0xFF), end
    following = pattern[end : end + 1]
    if following in _CONTROLS:
        return _CONTROLS[following], end + 1
    # a letter stands for itself, where PCRE2 would see a class or an assertion
    return (following if following.isalnum() else b"\\" + following), end + 1


def _bracket_end(pattern: bytes, at: int) -> int:
    """Where a set ends: `]` may be its first member, and classes may stand in it."""
    if pattern[at + 1 : at + 2] == b":":  # [:alpha:] by itself
        end = pattern.find(b":]", at + 2)
        if end >= 0:
            return end + 2
    end = at + 1 + (pattern[at + 1 : at + 2] == b"^")
    end += pattern[end : end + 1] == b"]"
    while end < len(pattern) and pattern[end : end + 1] != b"]":
        if pattern[end : end + 2] == b"[:" and (close := pattern.find(b":]", end)) >= 0:
            end = close + 1
        elif pattern[end : end + 1] == b"\\":
            end += 1
        end += 1
    return min(end + 1, len(pattern))
