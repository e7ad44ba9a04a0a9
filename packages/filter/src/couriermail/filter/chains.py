"""Patterns that are nothing but literals joined by `.*`, searched for without an engine.

Theory of operation.  A chain is `L0 .* L1 .* ... Ln`: literals with gaps between them.  The
leftmost `L0` of a line begins the match; when the rest does not fit behind it, it fits behind
no later one either.  Every gap is greedy, so each literal stands as far right as the ones
behind it allow, the first one having the first choice.  Placing them from the right to the left
with `rfind` finds the rightmost place of all at once, which is the choice that a backtracking
engine comes to, in time that is linear in the line for each literal.

A gap may demand a character (`.+`), and may begin with a run of one character (` *` before
`.*`).  A run takes what it can and leaves the rest of the pattern its place, so it never decides
whether there is a match.  Groups only mark places; what they captured is cut out afterwards.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Mark = tuple[int, int]

__all__ = ["AFTER_RUN", "Chain", "ChainSearch", "Gap"]

AFTER_RUN = -1
"""The second half of a mark at the end of the run behind a literal."""


class Gap:
    """What may stand between two literals.

    Attributes:
        run: a character that is taken as often as it comes, or the empty string.
        least: how many characters there must be behind the run: 0 or 1.
    """

    __slots__ = ("least", "run")

    def __init__(self, run: str, least: int) -> None:
        self.run = run
        self.least = least


class Chain:
    """A pattern that is made of literals and gaps.

    Attributes:
        literals: one more than gaps.  A line end at a side stands for an anchor there.
        gaps: what is between them.
        groups: two marks for each, where it begins and ends.  A mark is the number of a literal
            and an offset in it, or `AFTER_RUN`.
    """

    __slots__ = ("gaps", "groups", "literals")

    def __init__(
        self,
        literals: tuple[str, ...],
        gaps: tuple[Gap, ...],
        groups: tuple[tuple[Mark, Mark], ...],
    ) -> None:
        self.literals = literals
        self.gaps = gaps
        self.groups = groups


class ChainSearch:
    """A chain, ready to be searched for.

    Args:
        chain: the chain.
        folds: True when it is searched for in lines that are in lower case.
    """

    __slots__ = ("_gaps", "_groups", "_literals")

    def __init__(self, chain: Chain, *, folds: bool) -> None:
        def encoded(text: str) -> bytes:
            return text.encode().lower() if folds else text.encode()

        self._literals = [encoded(literal) for literal in chain.literals]
        self._gaps = [(encoded(gap.run), gap.least) for gap in chain.gaps]
        self._groups = chain.groups

    def lines(self, raw: bytes, haystack: bytes) -> Iterator[tuple[bytes, ...]]:
        """The first match of every line that has one, with its groups.

        Args:
            raw: lines with an LF before and behind each.
            haystack: the same lines, in lower case when the chain folds.
        """
        first = self._literals[0]
        is_anchored = first[:1] == b"\n"
        at = 0 if first else 1
        while 0 <= (start := haystack.find(first, at)) < len(haystack) - is_anchored:
            behind = start + len(first)
            if len(self._literals) == 1:
                places: list[int] | None = [start]
                end = behind - (first[-1:] == b"\n" and len(first) > 1)
                line_end = haystack.find(b"\n", end)
            else:
                line_end = haystack.find(b"\n", behind)
                places, end = self._places(haystack, start, behind, line_end)
            if places is not None:
                yield (raw[start + is_anchored : end], *self._captured(raw, haystack, places))
            at = line_end if first else line_end + 1

    def _places(
        self, haystack: bytes, start: int, behind: int, line_end: int
    ) -> tuple[list[int] | None, int]:
        """Where the literals stand whose first one is at `start`; and where the match ends."""
        literals, places = self._literals, [start]
        is_anchored = literals[-1][-1:] == b"\n"
        right = line_end + is_anchored
        for number in range(len(literals) - 1, 0, -1):
            place = haystack.rfind(literals[number], behind, right)
            right = place - self._gaps[number - 1][1]
            if right < behind:
                return None, -1
            places.insert(1, place)
        return places, places[-1] + len(literals[-1]) - is_anchored

    def _captured(self, raw: bytes, haystack: bytes, places: list[int]) -> Iterator[bytes]:
        for start, end in self._groups:
            yield raw[
                self._position(haystack, places, start) : self._position(haystack, places, end)
            ]

    def _position(self, haystack: bytes, places: list[int], mark: Mark) -> int:
        number, offset = mark
        if offset != AFTER_RUN:
            return places[number] + offset
        run, least = self._gaps[number]
        at = places[number] + len(self._literals[number])
        while at < places[number + 1] - least and haystack[at : at + 1] == run:
            at += 1
        return at
