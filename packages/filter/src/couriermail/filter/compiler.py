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
from couriermail.filter.substitute import split_text
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
    from typing import ClassVar

    from couriermail.filter.run import Run

    Value = Callable[[Run], bytes]
    Effect = Callable[[Run], None]

__all__ = ["compile_tree"]


def compile_tree(tree: Block, *, name: str) -> Effect:
    """Make a recipe's tree runnable.

    Args:
        tree: the recipe.
        name: its file name, for errors met when it runs.
    """
    return _Compiler(name).effect(tree)


class _Compiler:
    def __init__(self, name: str) -> None:
        self._name = name

    def effect(self, node: Statement) -> Effect:
        return self._EFFECTS[type(node)](self, node)

    def value(self, node: Expression) -> Value:
        return self._VALUES[type(node)](self, node)

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
            arms.append((self.value(following.condition), self.effect(following.body)))
            following = following.otherwise
        last = None if following is None else self.effect(following)

        def run_if(run: Run) -> None:
            run.spend(1)
            for condition, body in arms:
                result = condition(run)
                if run.verbose >= 4:
                    run.note(4, b"IF evaluated, result=%b", result)
                if is_true(result):
                    body(run)
                    return
            if last is not None:
                last(run)

        return run_if

    def _while(self, node: While) -> Effect:
        condition, body = self.value(node.condition), self.effect(node.body)

        def run_while(run: Run) -> None:
            while is_true(condition(run)):
                run.spend(1)
                body(run)

        return run_while

    def _foreach(self, node: Foreach) -> Effect:
        body = self.effect(node.body)
        search = node.search
        if isinstance(search, Match):
            matcher = Matcher(search.pattern, self._name)
            subject: Value | None = self.value(search.subject)
        else:
            matcher, subject = Matcher(search, self._name), None

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
            except RecipeLimitError:
                raise
            except RecipeRuntimeError as error:
                run.note(4, b"Trapped exception. %b", str(error).encode())
            except Finished as end:
                if not end.is_trappable:
                    raise

        return run_trap

    def _locked(self, node: Locked) -> Effect:
        verb, path, body = node.verb, self.value(node.path), self.effect(node.body)

        def run_locked(run: Run) -> None:
            name = path(run)
            run.note(4, b"Creating " + verb.encode() + b" %b", name)
            with run.host.hold_lock(verb, bytes(name), run.variables):
                body(run)

        return self._placed(node, run_locked)

    def _action(self, node: Action) -> Effect:
        argument, action = self.value(node.argument), ACTIONS[node.verb]
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
        name, line, column = self._name, node.line, node.column

        def run_placed(run: Run) -> None:
            try:
                effect(run)
            except RecipeRuntimeError as error:
                raise error.at(name, line, column)  # noqa: B904 - the same error, placed

        return run_placed

    # -- expressions ---------------------------------------------------------------------

    def _text(self, node: Text) -> Value:
        pieces = [piece for part in node.parts for piece in self._pieces(node, *part)]
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

    def _pieces(self, node: Text, kind: str, text: bytes) -> list[bytes | Value]:
        if kind == "SQSTR":
            return [text]
        if kind == "BTSTR":
            return [lambda run: run.capture(text)]
        parts, is_unclosed = split_text(text)
        pieces = [_variable(part) if is_variable else part for is_variable, part in parts]
        if is_unclosed:
            pieces.append(self._unclosed(node))
        return pieces

    def _unclosed(self, node: Text) -> Value:
        place = f"{self._name}({node.line}): Terminating }} is missing."

        def complain(run: Run) -> bytes:
            run.host.trace(place.encode())
            run.host.trace(b"")
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
        steps: list[tuple[Callable[[bytes, bytes], bytes], Value]] = []
        left: Expression = node
        while isinstance(left, Binary):  # a long sum is a loop, not a recursion
            steps.append((_OPERATIONS[left.operator], self.value(left.right)))
            left = left.left
        first = self.value(left)
        steps.reverse()

        def operate(run: Run) -> bytes:
            result = first(run)
            for operation, operand in steps:
                result = operation(result, operand(run))
            return result

        return operate

    def _unary(self, node: Unary) -> Value:
        operand = self.value(node.operand)
        if node.operator == "~":
            return lambda run: b"%d" % ~to_integer(operand(run))
        return lambda run: b"0" if is_true(operand(run)) else b"1"

    def _call(self, node: Call) -> Value:
        function = FUNCTIONS[node.name]
        arguments = tuple(self.value(argument) for argument in node.arguments)
        return lambda run: function(run, arguments)

    def _pattern(self, node: Pattern) -> Value:
        return Matcher(node, self._name).search_message

    def _match(self, node: Match) -> Value:
        subject, matcher = self.value(node.subject), Matcher(node.pattern, self._name)
        return lambda run: matcher.search_text(run, subject(run))

    _EFFECTS: ClassVar[dict[type[Statement], Callable[..., Effect]]] = {
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
    _VALUES: ClassVar[dict[type[Expression], Callable[..., Value]]] = {
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


_OPERATIONS: dict[str, Callable[[bytes, bytes], bytes]] = {
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
