"""A syntax tree to closures: each node becomes one function of the `Run` it works on.

What can be decided once is decided here: literals are joined, strings split into text and
variables, options read, patterns without variables compiled on first use and kept.
"""

from __future__ import annotations

from couriermail.filter.actions import ACTIONS
from couriermail.filter.errors import RecipeLimitError, RecipeRuntimeError
from couriermail.filter.functions import FUNCTIONS
from couriermail.filter.matching import Matcher
from couriermail.filter.run import Finished
from couriermail.filter.substitute import report_unclosed, split_text
from couriermail.filter.syntax import (
    Action,
    Assign,
    Binary,
    Block,
    Call,
    Evaluate,
    Exit,
    Expression,
    Foreach,
    If,
    Locked,
    Logical,
    Match,
    Pattern,
    Statement,
    Text,
    Trap,
    Unary,
    While,
)
from couriermail.filter.values import (
    MessageText,
    format_number,
    is_true,
    join,
    to_integer,
    to_number,
    to_unsigned,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import ClassVar

    from couriermail.filter.run import Run

    Value = Callable[[Run], bytes]
    Effect = Callable[[Run], None]

__all__ = ["OPERATIONS", "Compiler", "compile_tree"]


def compile_tree(tree: Block, *, name: str) -> Effect:
    """Make a recipe's tree runnable.

    Args:
        tree: the recipe.
        name: its file name, for errors met when it runs.
    """
    return Compiler(name).effect(tree)


class Compiler:
    """Makes closures of nodes.

    Args:
        name: the recipe's file name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def effect(self, node: Statement) -> Effect:
        """What executes a statement."""
        return self.EFFECTS[type(node)](self, node)

    def value(self, node: Expression) -> Value:
        """What evaluates an expression."""
        return self.VALUES[type(node)](self, node)

    def condition(self, node: If | While) -> Value:
        """What evaluates the condition of a statement."""
        return self.value(node.condition)

    def matcher(self, node: Pattern) -> Matcher:
        """What searches for a pattern."""
        return Matcher(node, self.name)

    def action(self, node: Action) -> Callable[[Run, bytes], None]:
        """What performs an action with its argument."""
        return ACTIONS[node.verb]

    def lock(self, node: Locked) -> Callable[[Run, bytes], AbstractContextManager[None]]:
        """What takes a lock of this name."""
        verb = node.verb
        return lambda run, name: run.host.hold_lock(verb, bytes(name), run.variables)

    def trapped(self, run: Run, node: Trap, error: RecipeRuntimeError | None) -> None:
        """Called when an `exception` block ends, by an error that it swallowed or in order."""

    # -- statements ----------------------------------------------------------------------

    def _block(self, node: Block) -> Effect:
        effects = tuple(self.effect(statement) for statement in node.statements)
        if not effects:
            return lambda run: None
        count = len(effects)

        def run_block(run: Run) -> None:
            run.spend(count)
            for effect in effects:
                effect(run)

        return run_block

    def _if(self, node: If) -> Effect:
        arms: list[tuple[Value, Effect]] = []
        following: Statement | None = node
        while isinstance(following, If):  # a chain of elsif is a loop, not a recursion
            arms.append((self.condition(following), self.effect(following.body)))
            following = following.otherwise
        last = None if following is None else self.effect(following)

        def run_if(run: Run) -> None:
            run.spend(1)
            for condition, body in arms:
                if is_true(condition(run)):
                    body(run)
                    return
            if last is not None:
                last(run)

        return run_if

    def _while(self, node: While) -> Effect:
        condition, body = self.condition(node), self.effect(node.body)

        def run_while(run: Run) -> None:
            while is_true(condition(run)):
                run.spend(1)
                body(run)

        return run_while

    def _foreach(self, node: Foreach) -> Effect:
        body = self.effect(node.body)
        search = node.search
        if isinstance(search, Match):
            matcher = self.matcher(search.pattern)
            subject: Value | None = self.value(search.subject)
        else:
            matcher, subject = self.matcher(search), None

        def run_foreach(run: Run) -> None:
            if subject is None:
                every, is_foreign = matcher.every_line(run), True
            else:
                text = subject(run)
                every, is_foreign = matcher.every_occurrence(run, text), _is_foreign(text)
            for found in every:
                run.spend(1)
                run.note_match(found, is_foreign=is_foreign)
                body(run)

        return run_foreach

    def _trap(self, node: Trap) -> Effect:
        body = self.effect(node.body)

        def run_trap(run: Run) -> None:
            try:
                body(run)
                self.trapped(run, node, None)
            except RecipeLimitError:
                raise
            except RecipeRuntimeError as error:
                self.trapped(run, node, error)
            except Finished as end:
                if not end.is_trappable:
                    raise

        return run_trap

    def _locked(self, node: Locked) -> Effect:
        path, lock, body = self.value(node.path), self.lock(node), self.effect(node.body)

        def run_locked(run: Run) -> None:
            with lock(run, path(run)):
                body(run)

        return self._placed(node, run_locked)

    def _action(self, node: Action) -> Effect:
        argument, action = self.value(node.argument), self.action(node)
        return self._placed(node, lambda run: action(run, argument(run)))

    def _exit(self, node: Exit) -> Effect:
        def run_exit(run: Run) -> None:
            raise Finished(is_trappable=False)

        return run_exit

    def _evaluate(self, node: Evaluate) -> Effect:
        value = self.value(node.expression)

        def run_expression(run: Run) -> None:
            value(run)

        return self._placed(node, run_expression)

    def _placed(self, node: Statement, effect: Effect) -> Effect:
        name, line, column = self.name, node.line, node.column

        def run_placed(run: Run) -> None:
            try:
                effect(run)
            except RecipeRuntimeError as error:
                raise error.at(name, line, column)  # noqa: B904 - the same error, placed

        return run_placed

    # -- expressions ---------------------------------------------------------------------

    def _text(self, node: Text) -> Value:
        pieces = [
            piece
            for (kind, text), line in zip(node.parts, node.end_lines, strict=True)
            for piece in self._pieces(kind, text, line)
        ]
        if all(isinstance(piece, bytes) for piece in pieces):
            constant = b"".join(piece for piece in pieces if isinstance(piece, bytes))
            return lambda run: constant
        values = [
            (lambda run, text=piece: text) if isinstance(piece, bytes) else piece
            for piece in pieces
        ]
        if len(values) == 1:
            return values[0]
        return lambda run: join([value(run) for value in values])

    def _pieces(self, kind: str, text: bytes, line: int) -> list[bytes | Value]:
        if kind == "SQSTR":
            return [text]
        if kind == "BTSTR":
            return [lambda run: run.capture(text)]
        parts, unclosed = split_text(text)
        pieces = [_variable(part) if is_variable else part for is_variable, part in parts]
        if unclosed:
            pieces.append(self._complaint(unclosed, line))
        return pieces

    def _complaint(self, unclosed: int, line: int) -> Value:
        def complain(run: Run) -> bytes:
            report_unclosed(run, unclosed, name=self.name, line=line)
            return b""

        return complain

    def _assign(self, node: Assign) -> Value:
        name, value = node.name, self.value(node.value)

        def assign(run: Run) -> bytes:
            result = value(run)
            run.assign(name, result)
            return result

        return assign

    def _logical(self, node: Logical) -> Value:
        operands: list[Value] = []
        left: Expression = node
        while isinstance(left, Logical) and left.operator == node.operator:
            operands.append(self.value(left.right))
            left = left.left
        *others, last = reversed([*operands, self.value(left)])
        stops_when = node.operator == "||"

        def decide(run: Run) -> bytes:
            for operand in others:
                result = operand(run)
                if is_true(result) is stops_when:
                    return result
            return last(run)

        return decide

    def _binary(self, node: Binary) -> Value:
        first, links = self.chain(node)
        steps = [(OPERATIONS[link.operator], operand) for link, operand in links]

        def operate(run: Run) -> bytes:
            result = first(run)
            for operation, operand in steps:
                result = operation(result, operand(run))
            return result

        return operate

    def chain(self, node: Binary) -> tuple[Value, list[tuple[Binary, Value]]]:
        """The leftmost operand, and each operator after it with its right operand."""
        links: list[tuple[Binary, Value]] = []
        left: Expression = node
        while isinstance(left, Binary):  # a long sum is a loop, not a recursion
            links.append((left, self.value(left.right)))
            left = left.left
        return self.value(left), links[::-1]

    def _unary(self, node: Unary) -> Value:
        operand, operation = self.value(node.operand), self.unary_operation(node)
        return lambda run: operation(operand(run))

    @staticmethod
    def unary_operation(node: Unary) -> Callable[[bytes], bytes]:
        """What `~` or `!` makes of its operand."""
        if node.operator == "~":
            return lambda operand: b"%d" % ~to_integer(operand)
        return lambda operand: b"0" if is_true(operand) else b"1"

    def _call(self, node: Call) -> Value:
        function = FUNCTIONS[node.name]
        arguments = tuple(self.value(argument) for argument in node.arguments)
        return lambda run: function(run, arguments)

    def _pattern(self, node: Pattern) -> Value:
        return self.matcher(node).search_message

    def _match(self, node: Match) -> Value:
        subject, matcher = self.value(node.subject), self.matcher(node.pattern)
        return lambda run: matcher.search_text(run, subject(run))

    EFFECTS: ClassVar[dict[type[Statement], Callable[..., Effect]]] = {
        Block: _block,
        If: _if,
        While: _while,
        Foreach: _foreach,
        Trap: _trap,
        Locked: _locked,
        Action: _action,
        Exit: _exit,
        Evaluate: _evaluate,
    }
    VALUES: ClassVar[dict[type[Expression], Callable[..., Value]]] = {
        Text: _text,
        Assign: _assign,
        Logical: _logical,
        Binary: _binary,
        Unary: _unary,
        Call: _call,
        Pattern: _pattern,
        Match: _match,
    }


def _variable(name: bytes) -> Value:
    return lambda run: run.variables.get(name, b"")


def _is_foreign(text: bytes) -> bool:
    return isinstance(text, MessageText)


def _numeric(compare: Callable[[float, float], bool]) -> Callable[[bytes, bytes], bytes]:
    return lambda a, b: b"1" if compare(to_number(a), to_number(b)) else b"0"


def _textual(compare: Callable[[bytes, bytes], bool]) -> Callable[[bytes, bytes], bytes]:
    # C strings: nothing behind a NUL is compared
    return lambda a, b: b"1" if compare(a.partition(b"\0")[0], b.partition(b"\0")[0]) else b"0"


def _bitwise(combine: Callable[[int, int], int]) -> Callable[[bytes, bytes], bytes]:
    return lambda a, b: format_number(float(combine(to_unsigned(a), to_unsigned(b))))


def _arithmetic(combine: Callable[[float, float], float]) -> Callable[[bytes, bytes], bytes]:
    return lambda a, b: format_number(combine(to_number(a), to_number(b)))


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    if a == 0 or a != a:  # noqa: PLR0124 - not-a-number
        return float("nan")
    is_negative = (a < 0) is not (format_number(b)[:1] == b"-")
    return float("-inf") if is_negative else float("inf")


OPERATIONS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "+": _arithmetic(lambda a, b: a + b),
    "-": _arithmetic(lambda a, b: a - b),
    "*": _arithmetic(lambda a, b: a * b),
    "/": _arithmetic(_divide),
    "|": _bitwise(lambda a, b: a | b),
    "&": _bitwise(lambda a, b: a & b),
    "<": _numeric(lambda a, b: a < b),
    "<=": _numeric(lambda a, b: a <= b),
    ">": _numeric(lambda a, b: a > b),
    ">=": _numeric(lambda a, b: a >= b),
    "==": _numeric(lambda a, b: a == b),
    "!=": _numeric(lambda a, b: a != b),
    "lt": _textual(lambda a, b: a < b),
    "le": _textual(lambda a, b: a <= b),
    "gt": _textual(lambda a, b: a > b),
    "ge": _textual(lambda a, b: a >= b),
    "eq": _textual(lambda a, b: a == b),
    "ne": _textual(lambda a, b: a != b),
}
