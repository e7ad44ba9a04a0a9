"""One pattern of maildrop 1.x and what it is in today's language (spec filter 4.10)."""

from __future__ import annotations

from couriermail.filter.legacy import LegacyPattern, legacy_pieces
from couriermail.filter.search import CompiledPattern, PatternError, parse_options
from couriermail.filter.substitute import split_text

__all__ = ["OldPattern", "Unconvertible"]

_SECONDS = 1.0


class Unconvertible(Exception):  # noqa: N818 - caught where the pattern's place is known
    """A pattern whose meaning today's language cannot be shown to keep; the text says why."""


class OldPattern:
    """A 1.x pattern that can be converted.

    Args:
        text: the pattern, as it stands between the slashes.
        options: its option letters and weights.
        in_string: True behind `=~`.
        in_loop: True for the search of `foreach`.

    Attributes:
        segments: the translated text of each segment.

    Raises:
        Unconvertible: it cannot be converted.
    """

    __slots__ = ("_options", "segments")

    def __init__(self, text: bytes, options: bytes, *, in_string: bool, in_loop: bool) -> None:
        if any(is_variable for is_variable, _ in split_text(text)[0]):
            raise Unconvertible("a variable is put into the pattern, which may hold ! or (")
        self._options = options
        pieces = legacy_pieces(text)
        self.segments = _segments(pieces)
        self._check_syntax(text)
        if b"w" in options:
            self._check_whole(pieces, is_bounded=in_string or in_loop)

    def converted(self, *, groups_first: bool) -> bytes:
        """The pattern in today's language.

        Args:
            groups_first: True to make the first segment group 1.
        """
        first, *others = self.segments
        if groups_first:
            first = b"(%b)" % first
        elif others and b"|" in first:
            first = b"(?:%b)" % first
        return first + b"".join(b"(%b)" % segment for segment in others)

    def new_options(self) -> bytes:
        """The options without `w`, with the colon before them; empty for none."""
        options = self._options
        if b"w" in options:
            options = options.replace(b"w", b"")
            if not any(letter in options for letter in b"hHb"):
                options = b"hb" + options
        return b":" + options if options else b""

    def _check_syntax(self, text: bytes) -> None:
        try:
            for segment in self.segments:
                pattern = CompiledPattern(segment, case_sensitive=True, seconds=_SECONDS)
                next(pattern.all_in(b""), None)  # the engine shows what it refuses when it runs
            old = LegacyPattern(text, case_sensitive=True, seconds=_SECONDS, is_whole=False)
            next(old.all_in(b""), None)
        except PatternError as error:
            raise Unconvertible(f"the pattern is wrong: {error.reason}") from None

    def _check_whole(self, pieces: list[bytes], *, is_bounded: bool) -> None:
        """With `w` all lines were one subject: it is dropped only where lines suffice."""
        if is_bounded:
            raise Unconvertible("option w in foreach or behind =~ has no successor")
        if parse_options(self._options).weight is not None:
            raise Unconvertible("option w counted every match, a score today one in each line")
        if any(_takes_line_end(piece) for piece in pieces):
            raise Unconvertible("with option w the pattern may match across lines")
        whole = CompiledPattern(b"".join(self.segments), case_sensitive=True, seconds=_SECONDS)
        if next(whole.all_in(b""), None) is not None:
            raise Unconvertible("with option w the pattern matches the empty text")


def _segments(pieces: list[bytes]) -> tuple[bytes, ...]:
    segments = [b""]
    for piece in pieces:
        if piece == b"!":
            segments.append(b"")
        else:
            segments[-1] += piece
    return tuple(segments)


def _takes_line_end(piece: bytes) -> bool:
    """True for a set, an escape or a word break that a line end satisfies."""
    if len(piece) < 2 or piece == b"(?:":
        return False
    pattern = CompiledPattern(piece, case_sensitive=True, seconds=_SECONDS)
    return any(found[0] == b"\n" for found in pattern.all_in(b"x\nx")) or b"[^[:alnum:]_]" in piece
