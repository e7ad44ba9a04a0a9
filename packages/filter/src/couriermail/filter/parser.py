"""Tokens to a syntax tree: recursive descent over the grammar of spec filter 4.2.

The nesting of a recipe is bounded, so that no text can exhaust the interpreter's stack.
"""

from __future__ import annotations

from couriermail.filter.errors import RecipeSyntaxError
from couriermail.filter.lexer import Lexer, Token
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

__all__ = ["MAX_NESTING", "OPT_IN", "is_relaxed", "parse"]

MAX_NESTING = 50
"""How deep statements and parentheses may be nested; Python's own stack is the reason."""

_STRINGS = frozenset(("QSTR", "SQSTR", "BTSTR"))
_ACTIONS = frozenset(
    ("to", "cc", "echo", "xfilter", "system", "logfile", "log", "include", "import", "unset")
)
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=", "lt", "le", "gt", "ge", "eq", "ne")
# how tightly an operator binds; comparisons do not associate
_LOGICAL, _COMPARING, _TIGHTEST = 2, 3, 7
_LEVELS = {
    **{"||": 1, "&&": 2, "|": 4, "&": 5, "+": 6, "MINUS": 6, "*": 7, "DIV": 7},
    **dict.fromkeys(_COMPARISONS, _COMPARING),
}
_SIGNS = {"MINUS": "-", "DIV": "/"}
_ONE_ELEMENT = frozenset(("length", "getaddr", "escape", "tolower", "toupper", "hasaddr"))
# function -> (fewest, most arguments, what is said when a parenthesis or comma is missing)
_ARGUMENT_LISTS = {
    "substr": (2, 3, "Missing (", "Missing ,"),
    "lookup": (2, 3, "Missing (", "Missing ,"),
    "gdbmopen": (1, 2, "Missing (.", "Missing )"),
    "gdbmfetch": (1, 3, "Missing (.", "Missing )"),
    "gdbmstore": (2, 2, "Missing (.", "Missing ,."),
}


OPT_IN = b"#pragma couriermail-2"
"""The first line of a recipe that wants the relaxed grammar (spec filter 4.2): blank and comment
lines may stand between a condition and its body, and before `else`."""


def parse(
    text: bytes,
    *,
    name: str,
    embedded: bool = False,
    on_token: Callable[[Token], None] | None = None,
) -> Block:
    """Read a whole recipe.

    Args:
        text: the recipe.
        name: its file name, for diagnostics.
        embedded: True to refuse commands and deliveries (spec filter 4.1).
        on_token: is told of every token, or None.

    Raises:
        RecipeSyntaxError: the recipe does not follow the grammar.
    """
    lexer = Lexer(text, embedded=embedded, on_token=on_token)
    return _Parser(lexer, name, is_relaxed=is_relaxed(text)).recipe()


def is_relaxed(text: bytes) -> bool:
    """True for a recipe that begins with `OPT_IN`, alone on its line."""
    return text.partition(b"\n")[0].rstrip(b"\r") == OPT_IN


class _Parser:
    def __init__(self, lexer: Lexer, name: str, *, is_relaxed: bool) -> None:
        self._is_relaxed = is_relaxed
        self._lexer = lexer
        self._name = name
        self._depth = 0
        self._previous = lexer.next()
        self._token = self._word = self._previous

    # -- statements -----------------------------------------------------------------

    def recipe(self) -> Block:
        statements = self._statements("EOF")
        return Block(1, 1, statements)

    def _statements(self, closing: str) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while self._token.kind != closing:
            if self._token.kind == "SEMI":
                self._advance()
            elif self._token.kind == "EOF":
                raise self._error("Missing }")
            else:
                found.append(self._statement())
        return tuple(found)

    def _statement(self) -> Statement:
        self._enter()
        token = self._word = self._token
        if token.kind in _ACTIONS:
            self._advance()
            action = Action(token.line, token.column, token.kind, self._expression())
            self._end_of_statement()
            statement: Statement = action
        elif (reader := self._READERS.get(token.kind)) is not None:
            statement = reader(self)
        else:
            statement = Evaluate(token.line, token.column, self._expression())
            self._end_of_statement()
        self._depth -= 1
        return statement

    def _if(self) -> Statement:
        arms = [self._arm()]
        while self._token.kind == "elsif":
            arms.append(self._arm())
        statement: Statement | None = None
        if self._token.kind == "else":
            self._advance()
            self._take("SEMI", "Syntax error after else")
            statement = self._body()
        first, *others = arms
        for word, condition, body in reversed(others):
            statement = If(word.line, word.column, condition, body, statement)
        word, condition, body = first
        return If(word.line, word.column, condition, body, statement)

    def _arm(self) -> tuple[Token, Expression, Statement]:
        word = self._advance()
        self._take("(", "Syntax error after if")
        condition = self._expression()
        self._take(")", "Missing )")
        self._take("SEMI", "Syntax error after )")
        body = self._body()
        self._skip_blank_lines()
        return word, condition, body

    def _while(self) -> Statement:
        word = self._advance()
        self._take("(", "Syntax error after while")
        condition = self._expression()
        self._take(")", "Missing )")
        self._take("SEMI", "Syntax error after else")  # Courier's own words, sic
        return While(word.line, word.column, condition, self._body())

    def _foreach(self) -> Statement:
        word = self._advance()
        search = self._expression()
        if not isinstance(search, Pattern | Match):
            raise self._error("Syntax error.", "foreach needs a /pattern/")
        self._take("SEMI", "Syntax error.")
        return Foreach(word.line, word.column, search, self._body())

    def _trap(self) -> Statement:
        word = self._advance()
        return Trap(word.line, word.column, self._required_block())

    def _locked(self) -> Statement:
        word = self._advance()
        path = self._expression()
        return Locked(word.line, word.column, word.kind, path, self._required_block())

    def _exit(self) -> Statement:
        word = self._advance()
        self._end_of_statement()
        return Exit(word.line, word.column)

    def _skip_blank_lines(self) -> None:
        while self._is_relaxed and self._token.kind == "SEMI":
            self._advance()

    def _body(self) -> Statement:
        self._skip_blank_lines()
        if self._token.kind == "SEMI":  # a blank or comment line is an empty body
            token = self._advance()
            return Block(token.line, token.column, ())
        return self._statement()

    def _required_block(self) -> Statement:
        if self._token.kind != "{":
            raise self._error("Syntax error.", "{ must stand on the same line")
        return self._block()

    def _block(self) -> Statement:
        brace = self._advance()
        statements = self._statements("}")
        self._advance()
        self._take("SEMI", "Syntax error after }")
        return Block(brace.line, brace.column, statements)

    _READERS: ClassVar[dict[str, Callable[[_Parser], Statement]]] = {
        "if": _if,
        "while": _while,
        "foreach": _foreach,
        "exception": _trap,
        "dotlock": _locked,
        "flock": _locked,
        "exit": _exit,
        "{": _block,
    }

    # -- expressions, loosest operator first -------------------------------------------

    def _expression(self) -> Expression:
        self._enter()
        left = self._operation(1)
        while self._token.kind == "=":
            name = _variable_name(left)
            if name is None:
                error = self._error("Syntax error before =")
                self._advance()  # classic tools have read one token more when they notice
                error.scanner_line = self._lexer.line
                raise error
            self._advance()
            left = Assign(left.line, left.column, name, self._operation(1))
        self._depth -= 1
        return left

    def _operation(self, floor: int) -> Expression:
        """Operators that bind at least as tightly as `floor`, by precedence climbing."""
        left = self._match()
        ceiling = _TIGHTEST
        while floor <= (level := _LEVELS.get(self._token.kind, 0)) <= ceiling:
            word = self._advance()
            # the right side of * and / is an element: no =~ there (spec filter 4.2)
            right = self._element() if level == _TIGHTEST else self._operation(level + 1)
            kind = Logical if level <= _LOGICAL else Binary
            sign = _SIGNS.get(word.kind, word.kind)
            left = kind(word.line, word.column, sign, left, right)
            ceiling = level - 1 if level == _COMPARING else level
        return left

    def _match(self) -> Expression:
        left = self._element()
        while self._token.kind == "=~":
            self._advance()
            if self._token.kind != "REGEXP":
                raise self._error("Syntax error after =~")
            pattern = self._pattern()
            left = Match(pattern.line, pattern.column, left, pattern)
        return left

    def _element(self) -> Expression:
        token = self._token
        kind = token.kind
        if kind in _STRINGS:
            return self._text()
        if kind == "REGEXP":
            return self._pattern()
        if kind == "(":
            return self._parenthesised()
        if kind in ("time", "gdbmclose"):
            self._advance()
            return Call(token.line, token.column, kind, ())
        if kind in ("!", "~") or kind in _ONE_ELEMENT:
            return self._prefixed()
        if kind in _ARGUMENT_LISTS:
            return self._call()
        raise self._error("Syntax error.")

    def _parenthesised(self) -> Expression:
        self._advance()
        inner = self._expression()
        self._take(")", "Missing )")
        return inner

    def _prefixed(self) -> Expression:
        self._enter()
        token = self._advance()
        operand = self._element()
        self._depth -= 1
        if token.kind in ("!", "~"):
            return Unary(token.line, token.column, token.kind, operand)
        return Call(token.line, token.column, token.kind, (operand,))

    def _call(self) -> Expression:
        word = self._advance()
        fewest, most, no_parenthesis, no_comma = _ARGUMENT_LISTS[word.kind]
        self._take("(", no_parenthesis)
        arguments = [self._expression()]
        while len(arguments) < most and (self._token.kind == "," or len(arguments) < fewest):
            self._take(",", no_comma)
            arguments.append(self._expression())
        self._take(")", "Missing )")
        return Call(word.line, word.column, word.kind, tuple(arguments))

    def _text(self) -> Text:
        first = self._token
        tokens: list[Token] = []
        while self._token.kind in _STRINGS:
            tokens.append(self._advance())
        return Text(
            first.line,
            first.column,
            tuple((token.kind, token.value) for token in tokens),
            tuple(token.end_line for token in tokens),
        )

    def _pattern(self) -> Pattern:
        token = self._advance()
        return Pattern(token.line, token.column, token.value, token.options)

    # -- tokens -----------------------------------------------------------------------

    def _advance(self) -> Token:
        self._previous = self._token
        self._token = self._lexer.next()
        return self._previous

    def _take(self, kind: str, otherwise: str) -> None:
        if self._token.kind != kind:
            raise self._error(otherwise)
        self._advance()

    def _end_of_statement(self) -> None:
        self._take("SEMI", "Syntax error.")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error("Syntax error.", f"nested deeper than {MAX_NESTING} levels")

    def _error(self, reason: str, hint: str = "") -> RecipeSyntaxError:
        token = self._token
        return RecipeSyntaxError(
            reason,
            name=self._name,
            line=token.line,
            column=token.column,
            scanner_line=self._lexer.line,
            near=self._lexer.excerpt(token),
            hint=hint or _hint(self._word, self._previous, token),
            detail=token.detail,
        )


def _variable_name(node: Expression) -> bytes | None:
    """The name on the left of `=`: exactly one bare or double-quoted word."""
    if isinstance(node, Text) and len(node.parts) == 1 and node.parts[0][0] == "QSTR":
        return node.parts[0][1]
    return None


def _hint(word: Token, previous: Token, token: Token) -> str:
    """How the classic mistakes are mended (spec filter 7, item 3)."""
    if token.detail:
        return token.detail.removeprefix("maildrop: ").rstrip(".")
    if token.kind in ("else", "elsif"):
        if previous.kind == "}":
            return "put a line end after }"
        return "no blank or comment line may stand before else"
    if previous.kind == "REGEXP" and word.kind in ("logfile", "include", "xfilter"):
        return f"quote the path after {word.kind}"
    if token.kind == "MINUS":
        return "there is no unary minus before a blank"
    if token.kind == "REGEXP":
        return "a division needs a blank on both sides of /"
    if token.kind == "{":
        return "put a line end before {"
    return ""
