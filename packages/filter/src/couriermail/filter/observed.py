"""The compiler whose closures tell an observer what they do.

A recipe is compiled a second time, by `ObservedCompiler`, when a run has an observer or writes
a trace.  What the first compilation made knows nothing of observers and pays nothing for them.
"""

from __future__ import annotations

from couriermail.filter.compiler import OPERATIONS, Compiler
from couriermail.filter.functions import FUNCTIONS
from couriermail.filter.matching import Matcher
from couriermail.filter.syntax import Binary, Block, Call, Unary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import ClassVar, TypeVar

    from couriermail.filter.compiler import Effect, Value
    from couriermail.filter.errors import RecipeRuntimeError
    from couriermail.filter.run import Run
    from couriermail.filter.search import Found
    from couriermail.filter.syntax import (
        Action,
        Expression,
        If,
        Locked,
        Pattern,
        Statement,
        Trap,
        While,
    )

    T = TypeVar("T")

__all__ = ["PatternSearch", "compile_observed"]


class PatternSearch:
    """One search for a pattern, as an observer is told of it.

    Attributes:
        pattern: the pattern's text after substitution.
        subject: the string that was searched, or the message's lines, each with its line end.
        is_message: True when the message was searched, line by line.
        found: every match that counted: the matched text, then the text of each group.
        value: the search's value: `1`, `0` or a score; for `foreach` the number of matches.
    """

    __slots__ = ("found", "is_message", "pattern", "subject", "value")

    def __init__(
        self,
        *,
        pattern: bytes,
        subject: bytes,
        is_message: bool,
        found: tuple[Found, ...],
        value: bytes,
    ) -> None:
        self.pattern = pattern
        self.subject = subject
        self.is_message = is_message
        self.found = found
        self.value = value


def compile_observed(tree: Block, *, name: str) -> Effect:
    """Make a recipe's tree runnable, for runs that are observed (`Run.observers`).

    Args:
        tree: the recipe.
        name: its file name.
    """
    return ObservedCompiler(name).effect(tree)


class ObservedCompiler(Compiler):
    """Makes closures that report to the observers of their run."""

    def effect(self, node: Statement) -> Effect:
        """What reports a statement and executes it."""
        inner, name = super().effect(node), self.name
        if isinstance(node, Block):
            return inner  # its statements are reported

        def run_observed(run: Run) -> None:
            for observer in run.observers:
                observer.statement(name, node)
            inner(run)

        return run_observed

    def value(self, node: Expression) -> Value:
        """What evaluates an expression and reports its value."""
        inner, name = super().value(node), self.name
        if isinstance(node, Binary | Call | Unary):
            return inner  # reported with their operands

        def evaluate(run: Run) -> bytes:
            value = inner(run)
            for observer in run.observers:
                observer.value(name, node, value, ())
            return value

        return evaluate

    def condition(self, node: If | While) -> Value:
        """What evaluates a condition and reports what was decided."""
        inner, name = super().condition(node), self.name

        def decide(run: Run) -> bytes:
            for observer in run.observers:
                observer.deciding(name, node)
            value = inner(run)
            for observer in run.observers:
                observer.decided(name, node, value)
            return value

        return decide

    def matcher(self, node: Pattern) -> Matcher:
        """What searches for a pattern and reports what it found."""
        return _ObservedMatcher(node, self.name)

    def action(self, node: Action) -> Callable[[Run, bytes], None]:
        """What reports an action with its argument and performs it."""
        return _performing(super().action(node), self.name, node)

    def lock(self, node: Locked) -> Callable[[Run, bytes], AbstractContextManager[None]]:
        """What reports a lock and takes it."""
        return _performing(super().lock(node), self.name, node)

    def trapped(self, run: Run, node: Trap, error: RecipeRuntimeError | None) -> None:
        """Report the end of an `exception` block."""
        for observer in run.observers:
            observer.trapped(self.name, node, error)

    def _binary(self, node: Binary) -> Value:
        first, links = self.chain(node)
        steps = [(link, OPERATIONS[link.operator], operand) for link, operand in links]

        def operate(run: Run) -> bytes:
            result = first(run)
            for link, operation, operand in steps:
                operands = (result, operand(run))
                result = operation(*operands)
                self._report(run, link, result, operands)
            return result

        return operate

    def _unary(self, node: Unary) -> Value:
        operand = self.value(node.operand)
        operation = Compiler.unary_operation(node)

        def operate(run: Run) -> bytes:
            given = operand(run)
            result = operation(given)
            self._report(run, node, result, (given,))
            return result

        return operate

    def _call(self, node: Call) -> Value:
        function = FUNCTIONS[node.name]
        arguments = tuple(self.value(argument) for argument in node.arguments)

        def call(run: Run) -> bytes:
            given: list[bytes] = []
            result = function(run, tuple(_kept(argument, given) for argument in arguments))
            self._report(run, node, result, tuple(given))
            return result

        return call

    def _report(
        self, run: Run, node: Expression, value: bytes, operands: tuple[bytes, ...]
    ) -> None:
        for observer in run.observers:
            observer.value(self.name, node, value, operands)

    VALUES: ClassVar[dict[type[Expression], Callable[..., Value]]] = {
        **Compiler.VALUES,
        Binary: _binary,
        Unary: _unary,
        Call: _call,
    }


def _performing(
    inner: Callable[[Run, bytes], T], name: str, node: Action | Locked
) -> Callable[[Run, bytes], T]:
    def perform(run: Run, argument: bytes) -> T:
        for observer in run.observers:
            observer.performing(name, node, argument)
        return inner(run, argument)

    return perform


def _kept(argument: Value, given: list[bytes]) -> Value:
    """The argument, which notes what it was when the function asks for it."""

    def evaluate(run: Run) -> bytes:
        value = argument(run)
        given.append(value)
        return value

    return evaluate


class _ObservedMatcher(Matcher):
    """A matcher that finds all first, and then tells what of it counted."""

    def search_message(self, run: Run) -> bytes:
        found = super().every_line(run)
        return self._reported(run, None, found)

    def search_text(self, run: Run, text: bytes) -> bytes:
        found = super().every_occurrence(run, text)
        return self._reported(run, text, found)

    def every_line(self, run: Run) -> list[Found]:
        found = super().every_line(run)
        self._tell(run, None, found, b"%d" % len(found))
        return found

    def every_occurrence(self, run: Run, text: bytes) -> list[Found]:
        found = super().every_occurrence(run, text)
        self._tell(run, text, found, b"%d" % len(found))
        return found

    def _reported(self, run: Run, text: bytes | None, found: list[Found]) -> bytes:
        value = self.outcome(run, found, text)
        self._tell(run, text, found if self.options.weight is not None else found[:1], value)
        return value

    def _tell(self, run: Run, text: bytes | None, found: list[Found], value: bytes) -> None:
        subject = run.view.subject(self.options).raw[1:] if text is None else bytes(text)
        search = PatternSearch(
            pattern=self.substituted(run),
            subject=subject,
            is_message=text is None,
            found=tuple(found),
            value=value,
        )
        for observer in run.observers:
            observer.search(self.name, self.node, search)
