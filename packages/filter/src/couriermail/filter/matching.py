"""Pattern nodes at work: substitution, the compiled pattern, MATCH variables and scores."""

from __future__ import annotations

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.search import CompiledPattern, PatternError, parse_options
from couriermail.filter.substitute import report_unclosed, split_text
from couriermail.filter.values import MessageText, format_number, to_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from couriermail.filter.run import Run
    from couriermail.filter.search import Found
    from couriermail.filter.syntax import Pattern

    T = TypeVar("T")

__all__ = ["Matcher"]

_KEPT_PATTERNS = 64


class Matcher:
    """One pattern of a recipe.

    Args:
        pattern: the pattern node.
        name: the recipe's file name.

    Attributes:
        node: the pattern node.
        name: the recipe's file name.
        options: the option letters and the weight behind the pattern.
    """

    def __init__(self, pattern: Pattern, name: str) -> None:
        self.node = pattern
        self.name = name
        self.options = parse_options(pattern.options)
        self._parts, self._unclosed = split_text(pattern.text)
        self._compiled: dict[tuple[bytes, bool], CompiledPattern] = {}

    def search_message(self, run: Run) -> bytes:
        """The value of a pattern that stands alone: 1, 0 or a score."""
        subject = run.view.subject(self.options)
        if self.options.weight is not None:
            return self._search(run, lambda pattern: self._score(pattern.lines(subject)), b"0")
        found = self._search(run, lambda pattern: pattern.first_line(subject), None)
        return self._noted(run, found, is_foreign=True)

    def search_text(self, run: Run, text: bytes) -> bytes:
        """The value of `text =~ /pattern/`."""
        if self.options.weight is not None:
            return self._search(run, lambda pattern: self._score(pattern.all_in(text)), b"0")
        found = self._search(run, lambda pattern: pattern.first_in(text), None)
        return self._noted(run, found, is_foreign=isinstance(text, MessageText))

    def every_line(self, run: Run) -> list[Found]:
        """For `foreach`: the first match of every line of the message that has one."""
        subject = run.view.subject(self.options)
        return self._search(run, lambda pattern: [*pattern.lines(subject)], [])

    def every_occurrence(self, run: Run, text: bytes) -> list[Found]:
        """For `foreach`: every match in a string."""
        return self._search(run, lambda pattern: [*pattern.all_in(text)], [])

    def outcome(self, run: Run, found: list[Found], text: bytes | None) -> bytes:
        """What all matches in a string, or in the message when it is None, come to."""
        if self.options.weight is not None:
            return self._score(found)
        is_foreign = text is None or isinstance(text, MessageText)
        return self._noted(run, found[0] if found else None, is_foreign=is_foreign)

    def substituted(self, run: Run) -> bytes:
        """The pattern's text with the variables of this run."""
        return b"".join(
            run.variables.get(part, b"") if is_variable else part
            for is_variable, part in self._parts
        )

    def _noted(self, run: Run, found: Found | None, *, is_foreign: bool) -> bytes:
        if found is None:
            return b"0"
        run.note_match(found, is_foreign=is_foreign)
        return b"1"

    def _score(self, matches: Iterable[Found]) -> bytes:
        score, weight = 0.0, self.options.weight or 0.0
        for _ in matches:
            score += weight
            weight *= self.options.factor
        return format_number(score)

    def _search(self, run: Run, search: Callable[[CompiledPattern], T], otherwise: T) -> T:
        """Search with the pattern of this run; a wrong one is reported and finds nothing."""
        text = self.substituted(run)
        if self._unclosed:
            report_unclosed(run, self._unclosed, name=self.name, line=self.node.line)
        is_old = bool(to_integer(run.variables.get(b"MAILDROP_OLD_REGEXP", b"")))
        try:
            pattern = self._compiled.get((text, is_old))
            return search(pattern or self._compile(run, text, is_old=is_old))
        except PatternError as error:
            if error.is_unsupported:
                raise RecipeRuntimeError(
                    f"Pattern /{text.decode('utf-8', 'replace')}/: {error.reason}.",
                    name=self.name,
                    line=self.node.line,
                    column=self.node.column,
                ) from None
            self._report(run, text, error)
            return otherwise

    def _compile(self, run: Run, text: bytes, *, is_old: bool) -> CompiledPattern:
        if len(self._compiled) >= _KEPT_PATTERNS:
            self._compiled.clear()
        case_sensitive, seconds = self.options.case_sensitive, run.limits.match_seconds
        if is_old:
            from couriermail.filter.legacy import LegacyPattern

            pattern: CompiledPattern = LegacyPattern(
                text,
                case_sensitive=case_sensitive,
                seconds=seconds,
                is_whole=b"w" in self.node.options,
            )
        else:
            pattern = CompiledPattern(text, case_sensitive=case_sensitive, seconds=seconds)
        self._compiled[text, is_old] = pattern
        return pattern

    def _report(self, run: Run, text: bytes, error: PatternError) -> None:
        # Courier: the diagnostic, then the recipe goes on as if nothing had matched
        run.host.trace(
            b"Invalid regular expression, offset %d of: %b: %b"
            % (error.offset, text, error.reason.encode())
        )
        place = f"{self.name}({self.node.line}): Syntax error in /pattern/."
        run.host.trace(place.encode())
        run.host.trace(b"")
