"""The literals of a pattern, from which most searches are answered without an engine."""

from __future__ import annotations

__all__ = ["Literals"]


class Literals:
    """What must occur in every match, gathered while the pattern is read from left to right."""

    def __init__(self) -> None:
        self._runs: list[str] = [""]
        self._links: list[str] | None = [""]
        self._is_hopeless = False

    def add(self, char: str) -> None:
        """One literal character."""
        self._runs[-1] += char
        if self._links is not None:
            self._links[-1] += char

    def gap(self) -> None:
        """A `.*`."""
        self._runs.append("")
        if self._links is not None:
            self._links.append("")

    def anchor(self) -> None:
        """A `^` or `$` at its side of the pattern."""
        if self._links is not None:
            self._links[-1] += "\n"

    def interrupt(self) -> None:
        """Something that is not a literal."""
        self._runs.append("")
        self._links = None

    def repeat(self, *, may_be_absent: bool) -> None:
        """A quantifier behind what came last."""
        if may_be_absent:
            self._runs[-1] = self._runs[-1][:-1]
        self.interrupt()

    def give_up(self) -> None:
        """An alternation or an option: nothing is certain to occur as it is written."""
        self._is_hopeless = True
        self._links = None

    def required(self) -> tuple[str, ...]:
        """Literals that every match contains."""
        return () if self._is_hopeless else tuple(run for run in self._runs if run)

    def chain(self) -> tuple[str, ...] | None:
        """The literals that, joined by `.*`, are the whole pattern; None for other patterns."""
        return None if self._links is None else tuple(self._links)
