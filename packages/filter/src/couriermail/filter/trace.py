"""The trace that VERBOSE asks for (spec filter 4.15), as an observer of its run."""

from __future__ import annotations

from couriermail.filter.syntax import (
    Action,
    Assign,
    Binary,
    Call,
    If,
    Locked,
    Logical,
    Trap,
    Unary,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.errors import RecipeRuntimeError
    from couriermail.filter.lexer import Token
    from couriermail.filter.observed import PatternSearch
    from couriermail.filter.outcome import Delivery
    from couriermail.filter.run import Run
    from couriermail.filter.syntax import Expression, Pattern, Statement, While

__all__ = ["TOKENS", "VerboseTrace", "token_line"]

SEARCHES, STATEMENTS, DELIVERIES, OPERATIONS, TOKENS = 3, 4, 5, 6, 9
"""The levels from which searches, statements, deliveries, operations and tokens are traced."""

_NAMES = {
    "+": b"add", "-": b"subtract", "*": b"multiply", "/": b"divide",
    "<": b"less than", "<=": b"less than or equal", ">": b"greater than",
    ">=": b"greater than or equal", "==": b"equal", "!=": b"not equal",
    "|": b"bitwise or", "&": b"bitwise and",
    "lt": b"string less than", "le": b"string less than or equal",
    "gt": b"string greater than",
    "ge": b"string grater than or equal",  # Courier's own words, sic
    "eq": b"string equal", "ne": b"string not equal",
    "!": b"logical not", "~": b"bitwise not",
    "&&": b"logical and", "||": b"logical or",
}  # fmt: skip
_ACTIONS = {
    "logfile": b"Opening logfile %b",
    "include": b"Opening include file %b",
    "import": b'import  "%b"',
    "unset": b"unset %b",
}


class VerboseTrace:
    """Writes what a run does to its host's diagnostics; an `Observer`.

    Args:
        run: the run; its `verbose` decides, at any moment, what is written.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def statement(self, name: str, node: Statement) -> None:
        """A statement is about to be executed."""
        if isinstance(node, Trap):
            self._write(STATEMENTS, name, node.line, b"Trapping exceptions.")

    def performing(self, name: str, node: Action | Locked, argument: bytes) -> None:
        """An action, or taking a lock, is about to happen with this argument."""
        form = b"Creating %s %%b" % node.verb.encode() if isinstance(node, Locked) else None
        form = form or _ACTIONS.get(node.verb)
        if form is not None:
            self._write(STATEMENTS, name, node.line, form % bytes(argument))

    def deciding(self, name: str, node: If | While) -> None:
        """A condition is about to be evaluated."""
        word = b"IF" if isinstance(node, If) else b"WHILE"
        self._write(STATEMENTS, name, node.line, b"Evaluating %b condition." % word)

    def decided(self, name: str, node: If | While, value: bytes) -> None:
        """A condition was evaluated."""
        form = b"IF evaluated" if isinstance(node, If) else b"While condition evaluated"
        self._write(STATEMENTS, name, node.line, b"%b, result=%b" % (form, value))

    def trapped(self, name: str, node: Trap, error: RecipeRuntimeError | None) -> None:
        """An `exception` block ended, by an error or in order."""
        text = b"Exception trapping removed." if error is None else b"Trapped exception."
        self._write(STATEMENTS, name, node.line, text)

    def value(self, name: str, node: Expression, value: bytes, operands: tuple[bytes, ...]) -> None:
        """An expression was evaluated."""
        if isinstance(node, Assign):
            text = b'%b="%b"' % (node.name, value)
            self._write(STATEMENTS, name, node.line, text)
        elif self._run.verbose >= OPERATIONS:
            self._operation(name, node, value, operands)

    def _operation(
        self, name: str, node: Expression, value: bytes, operands: tuple[bytes, ...]
    ) -> None:
        if isinstance(node, Binary):
            form = (bytes(operands[0]), bytes(operands[1]), _NAMES[node.operator], value)
            text = b"Operation on: %b and %b - %b, result is %b" % form
        elif isinstance(node, Unary):
            word = _NAMES[node.operator]
            self._write(OPERATIONS, name, node.line, b"Operation on: %b - %b." % (*operands, word))
            text = b"Operation: %b=%b" % (word, value)
        elif isinstance(node, Logical):
            text = b"Operation: %b, result=%b" % (_NAMES[node.operator], value)
        elif isinstance(node, Call):
            given = b", ".join(bytes(operand) for operand in operands)
            text = b"Operation: %b(%b)=%b" % (node.name.encode(), given, value)
        else:
            return
        self._write(OPERATIONS, name, node.line, text)

    def search(self, name: str, node: Pattern, search: PatternSearch) -> None:
        """A pattern was searched for."""
        if self._run.verbose >= SEARCHES:
            self._matches(node, search)
        text = b"Search of %b = %b" % (search.pattern, search.value)
        self._write(STATEMENTS, name, node.line, text)

    def delivered(self, delivery: Delivery) -> None:
        """A message was delivered."""
        if self._run.verbose >= DELIVERIES:
            self._run.host.trace(b"maildrop: Delivery complete.")

    def _matches(self, node: Pattern, search: PatternSearch) -> None:
        if not search.is_message:
            self._match(search.pattern, search.subject, is_found=bool(search.found))
            return
        # The lines up to the last hit, or all of them: the found texts come in their order.
        waiting = [found[0] for found in search.found]
        for line in search.subject.split(b"\n")[:-1]:
            is_found = bool(waiting) and waiting[0] in line
            self._match(search.pattern, line, is_found=is_found)
            if is_found:
                waiting.pop(0)
                if not waiting and search.value == b"1":
                    return

    def _match(self, pattern: bytes, subject: bytes, *, is_found: bool) -> None:
        self._run.host.trace(b"Matching /%b/ against %b" % (pattern, subject))
        if not is_found:
            self._run.host.trace(b"Not matched.")

    def _write(self, level: int, name: str, line: int, text: bytes) -> None:
        if self._run.verbose >= level:
            place = f"{name}({line}): ".encode("utf-8", "surrogateescape")
            self._run.host.trace(place + text)


_SIGNS = {"SEMI": b";", "EOF": b"eof", "MINUS": b"-", "DIV": b"/", "ERROR": b"error"}
_QUOTES = {"QSTR": b'"', "SQSTR": b"'", "BTSTR": b"`"}


def token_line(token: Token) -> bytes:
    """The line of trace for one token, at level `TOKENS`."""
    if token.kind == "REGEXP":
        options = b":" + token.options if token.options else b""
        return b"Tokenized regexp: /%b/%b" % (token.value, options)
    quote = _QUOTES.get(token.kind)
    if quote is not None:
        return b"Tokenized string: %b%b%b" % (quote, token.value, quote)
    return b"Tokenized " + _SIGNS.get(token.kind, token.kind.encode())
