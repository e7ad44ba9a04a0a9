"""The literals of a pattern, from which most searches are answered without an engine."""

from __future__ import annotations

from couriermail.filter.chains import AFTER_RUN, Chain, Gap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.chains import Mark

__all__ = ["Literals"]

_FOLDED_TO_ASCII = "\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}"


class Literals:
    """What must occur in every match, gathered while the pattern is read from left to right."""

    def __init__(self) -> None:
        self._runs: list[str] = [""]
        self._links: _Links | None = _Links()
        self._is_hopeless = False

    def add(self, char: str, *, in_group: bool) -> None:
        """One literal character."""
        if char in _FOLDED_TO_ASCII:
            self.interrupt()  # an ASCII letter is a match as well
            return
        if not in_group:
            self._runs[-1] += char
        if self._links is not None and not self._links.add(char):
            self._links = None

    def gap(self, *, least: int) -> None:
        """A `.*` or, when it takes at least one character, a `.+`."""
        self._runs.append("")
        if self._links is not None and not self._links.gap(least):
            self._links = None

    def anchor(self) -> None:
        """A `^` or `$` at its side of the pattern."""
        if self._links is not None and not self._links.anchor():
            self._links = None

    def open(self) -> None:
        """The start of a group that captures."""
        self._runs.append("")
        if self._links is not None:
            self._links.open()

    def close(self) -> None:
        """The end of a group."""
        self._runs.append("")
        if self._links is not None:
            self._links.close()

    def interrupt(self) -> None:
        """Something that is not a literal."""
        self._runs.append("")
        self._links = None

    def repeat(self, quantifier: str) -> None:
        """A quantifier behind what came last."""
        if quantifier[0] in "*?" or quantifier[1:2] == "0":
            self._runs[-1] = self._runs[-1][:-1]
        self._runs.append("")
        if self._links is not None and not self._links.repeat(quantifier):
            self._links = None

    def give_up(self) -> None:
        """An alternation or an option: nothing is certain to occur as it is written."""
        self._is_hopeless = True
        self._links = None

    def not_a_chain(self) -> None:
        """An alternation in a group: what the literals around it say remains true."""
        self._links = None

    def required(self) -> tuple[str, ...]:
        """Literals that every match contains."""
        if self._is_hopeless:
            return ()
        return tuple(run for run in self._runs if run)

    def chain(self) -> Chain | None:
        """The whole pattern, when it is literals and gaps; None for other patterns."""
        return None if self._links is None else self._links.chain()


class _Links:
    """A chain that is being read; methods return False for what no chain has."""

    def __init__(self) -> None:
        self._literals = [""]
        self._gaps: list[Gap] = []
        self._run = ""  # one that waits for the gap which must follow
        self._is_char_last = False
        self._starts: list[Mark] = []
        self._ends: dict[int, Mark] = {}
        self._open: list[int] = []

    def add(self, char: str) -> bool:
        self._literals[-1] += char
        self._is_char_last = True
        return not self._run

    def anchor(self) -> bool:
        self._literals[-1] += "\n"
        self._is_char_last = False
        return not self._run

    def gap(self, least: int) -> bool:
        # between two gaps a place would be counted in bytes, inside a character perhaps
        is_second = bool(least and self._gaps) and not self._literals[-1]
        self._gaps.append(Gap(self._run, least))
        self._literals.append("")
        self._run = ""
        self._is_char_last = False
        return not is_second

    def open(self) -> None:
        self._open.append(len(self._starts))
        self._starts.append(self._mark())

    def close(self) -> None:
        self._ends[self._open.pop()] = self._mark()

    def repeat(self, quantifier: str) -> bool:
        last = self._literals[-1]
        if quantifier not in ("*", "+") or not self._is_char_last or not last[-1].isascii():
            return False
        if quantifier == "*":
            self._literals[-1] = last[:-1]
        self._run = last[-1]
        self._is_char_last = False
        return True

    def chain(self) -> Chain | None:
        if self._run:
            return None
        groups = tuple((start, self._ends[number]) for number, start in enumerate(self._starts))
        return Chain(tuple(self._literals), tuple(self._gaps), groups)

    def _mark(self) -> Mark:
        self._is_char_last = False  # a quantifier would be that of the group
        number = len(self._literals) - 1
        return number, AFTER_RUN if self._run else len(self._literals[number])
