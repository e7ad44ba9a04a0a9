"""Checks of patterns and of what stands beside them: options, comparisons, arithmetic."""

from __future__ import annotations

from couriermail.filter.constants import constant_value
from couriermail.filter.patternproofs import header_contradiction, never_matches
from couriermail.filter.patternshape import UnreadableShape, read_shape
from couriermail.filter.pcre import translate
from couriermail.filter.printable import printable, shortened
from couriermail.filter.search import CompiledPattern, PatternError, parse_options
from couriermail.filter.substitute import split_text
from couriermail.filter.syntax import (
    Assign,
    Binary,
    Block,
    Expression,
    Match,
    Node,
    Pattern,
    Text,
    walk,
)
from couriermail.filter.values import to_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.filter.findings import Finding, RecipeText

__all__ = ["PatternChecks", "check_values", "constant_pattern", "is_legacy"]

MAX_ENGINE_PATTERNS = 500
"""So many patterns of a recipe are compiled; more are only read.  It bounds the time."""

_LETTERS = frozenset(b"hHbwD")
_NUMERIC = frozenset(("<", "<=", ">", ">=", "==", "!="))
_ARITHMETIC = frozenset(("+", "-", "*", "/"))
_SHOWN = 40


def constant_pattern(node: Pattern) -> bytes | None:
    """The text of a pattern, or None when variables are put into it."""
    parts, _ = split_text(node.text)
    if any(is_variable for is_variable, _ in parts):
        return None
    return b"".join(text for _, text in parts).partition(b"\0")[0]


def is_legacy(tree: Block) -> bool:
    """True for a recipe that may ask for patterns of maildrop 1.x, which are not checked."""
    return any(
        isinstance(node, Assign) and node.name == b"MAILDROP_OLD_REGEXP" for node in walk(tree)
    )


class PatternChecks:
    """Checks of the patterns of a recipe and its included files.

    Args:
        seconds: time limit of a search; only needed to compile.
    """

    def __init__(self, *, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._left = MAX_ENGINE_PATTERNS

    def check(self, recipe: RecipeText, tree: Block) -> Iterator[Finding]:
        """Findings about the patterns of one file."""
        strings: set[int] = set()
        for node in walk(tree):
            if isinstance(node, Match):
                strings.add(id(node.pattern))
            elif isinstance(node, Pattern):
                yield from _options(recipe, node)
                yield from self._text(recipe, node, in_lines=id(node) not in strings)

    def _text(self, recipe: RecipeText, node: Pattern, *, in_lines: bool) -> Iterator[Finding]:
        text = constant_pattern(node)
        if text is None:
            return
        try:
            self._compile(text)
        except PatternError as error:
            column = node.column + 1 + len(_characters(text)[: error.offset].encode())
            yield recipe.finding_at("bad-pattern", node.line, column, error.reason)
            return
        try:
            shape = read_shape(text.decode())
        except UnreadableShape:
            return
        reason = never_matches(shape, in_lines=in_lines)
        if reason:
            yield recipe.finding("cannot-match", node, f"this never matches: {reason}")
        elif in_lines and not parse_options(node.options).body:
            reason = header_contradiction(shape)
            if reason:
                yield recipe.finding("header-cannot-match", node, f"this never matches: {reason}")

    def _compile(self, text: bytes) -> None:
        """See whether a pattern compiles.

        Raises:
            PatternError: it does not.
        """
        pattern = CompiledPattern(text, case_sensitive=True, seconds=self._seconds)
        is_simple = translate(text.decode(), in_block=False, is_ascii=True).chain is not None
        if not is_simple and self._left > 0:
            self._left -= 1
            next(pattern.all_in(b""), None)  # what the engine refuses shows when it is made


def check_values(recipe: RecipeText, tree: Block) -> Iterator[Finding]:
    """Findings about expressions: words compared as numbers, sums that are words."""
    for node in walk(tree):
        if isinstance(node, Binary):
            if node.operator in _NUMERIC:
                yield from _word_operands(recipe, node)
            if node.operator in _NUMERIC | _ARITHMETIC:
                for operand in (node.left, node.right):
                    yield from _glued(recipe, operand)
        elif isinstance(node, Assign):
            yield from _assignment(recipe, node)


def _options(recipe: RecipeText, node: Pattern) -> Iterator[Finding]:
    letters = node.options
    weight = parse_options(letters).weight
    if weight is not None:
        numbers = [at for at, char in enumerate(letters) if char in b"+-.0123456789"]
        letters = letters[: numbers[0]].removesuffix(b",")
    strange = bytes(char for char in letters if char not in _LETTERS)
    if b"," in strange:
        message = "the comma belongs to the options: put the pattern into parentheses"
        yield recipe.finding("unknown-option", node, message)
    elif strange:
        shown = printable(strange)
        message = f'"{shown}" means nothing behind a pattern; options are h, H, b, w and D'
        yield recipe.finding("unknown-option", node, message)


def _word_operands(recipe: RecipeText, node: Binary) -> Iterator[Finding]:
    for operand in (node.left, node.right):
        value = constant_value(operand) if isinstance(operand, Text) else None
        if value is not None and _is_word(value):
            word = "eq" if node.operator == "==" else "ne" if node.operator == "!=" else "lt or gt"
            shown = shortened(printable(value), _SHOWN)
            message = f'{node.operator} compares numbers, and "{shown}" is 0 as one: use {word}'
            yield recipe.finding("numeric-comparison", operand, message)


def _is_word(value: bytes) -> bool:
    first = value.strip()[:1]
    return bool(first) and first not in b"0123456789+-." and to_number(value) == 0


def _assignment(recipe: RecipeText, node: Assign) -> Iterator[Finding]:
    if node.name.startswith(b"$"):
        shown = printable(node.name)
        message = f"the left side is taken literally: write {shown.lstrip('$')}=..."
        yield recipe.finding("literal-name", node, message)
    value = node.value
    if isinstance(value, Text) and value.parts[0][1].startswith(
        (b"$%b-" % node.name, b"${%b}-" % node.name)
    ):
        yield from _glued(recipe, value)


def _glued(recipe: RecipeText, operand: Expression) -> Iterator[Finding]:
    """A bare word such as `$X-1`, which looks like a sum and is none (spec filter 4.1)."""
    if not _is_bare(recipe, operand) or not isinstance(operand, Text):
        return
    left, dash, right = operand.parts[0][1].rpartition(b"-")
    if dash and _is_amount(left) and _is_amount(right):
        shown = f"{printable(left)} - {printable(right)}"
        message = f"this is one word and no subtraction: write {shown}"
        yield recipe.finding("word-arithmetic", operand, message)


def _is_bare(recipe: RecipeText, node: Node) -> bool:
    return (
        isinstance(node, Text)
        and len(node.parts) == 1
        and node.parts[0][0] == "QSTR"
        and not recipe.starts_with(node, b'"')
    )


def _is_amount(text: bytes) -> bool:
    parts, _ = split_text(text)
    return text.isdigit() or (len(parts) == 1 and parts[0][0])


def _characters(text: bytes) -> str:
    return text.decode("utf-8", "replace")
