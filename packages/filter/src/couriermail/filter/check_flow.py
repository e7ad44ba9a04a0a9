"""Checks of what a recipe does in which order: unreachable, endless and empty statements."""

from __future__ import annotations

from difflib import get_close_matches

from couriermail.filter.constants import constant_value
from couriermail.filter.lexer import KEYWORDS
from couriermail.filter.printable import printable, shortened
from couriermail.filter.search import parse_options
from couriermail.filter.syntax import (
    Action,
    Assign,
    Block,
    Call,
    Evaluate,
    Exit,
    Expression,
    Foreach,
    If,
    Locked,
    Node,
    Pattern,
    Statement,
    Text,
    While,
    walk,
)
from couriermail.filter.values import is_true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.filter.findings import Finding, RecipeText

__all__ = ["check_flow"]

_EFFECTIVE_CALLS = frozenset(("lookup", "gdbmopen", "gdbmclose", "gdbmstore"))


def check_flow(recipe: RecipeText, tree: Block) -> Iterator[Finding]:
    """Findings about the statements of one file."""
    ends = _Ends()
    for node in walk(tree):
        if isinstance(node, Block):
            yield from _unreachable(recipe, node, ends)
        elif isinstance(node, If | While):
            yield from _condition(recipe, node)
            yield from _empty_bodies(recipe, node)
        elif isinstance(node, Foreach):
            yield from _empty_bodies(recipe, node)
        elif isinstance(node, Evaluate) and not _has_effect(node.expression):
            yield recipe.finding("no-effect", node, _no_effect_words(node.expression))


class _Ends:
    """Which statements are never followed by the next one; each is judged once."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def __call__(self, node: Statement) -> bool:
        found = self._known.get(id(node))
        if found is None:
            found = self._known[id(node)] = self._judge(node)
        return found

    def _judge(self, node: Statement) -> bool:
        if isinstance(node, Block):
            return any(self(statement) for statement in node.statements)
        if isinstance(node, If):
            return self._all_arms_end(node)
        if isinstance(node, While):  # there is no `break`
            return _truth(node.condition) is True
        if isinstance(node, Locked):
            return self(node.body)
        # `exception` goes on behind a `to` that failed
        return isinstance(node, Exit) or (isinstance(node, Action) and node.verb == "to")

    def _all_arms_end(self, node: If) -> bool:
        following: Statement | None = node
        while isinstance(following, If):
            truth = _truth(following.condition)
            if truth is not False and not self(following.body):
                return False
            if truth is True:
                return True
            following = following.otherwise
        return following is not None and self(following)


def _truth(condition: Expression) -> bool | None:
    value = constant_value(condition)
    return None if value is None else is_true(value)


def _unreachable(recipe: RecipeText, block: Block, ends: _Ends) -> Iterator[Finding]:
    for statement, following in zip(block.statements, block.statements[1:], strict=False):
        if ends(statement):
            yield recipe.finding(
                "unreachable",
                following,
                f"never reached: the statement in line {statement.line} always ends the delivery",
            )
            return


def _condition(recipe: RecipeText, node: If | While) -> Iterator[Finding]:
    truth = _truth(node.condition)
    if truth is None:
        return
    condition, word = node.condition, "true" if truth else "false"
    if isinstance(condition, Assign):
        message = f"= assigns, which is always {word} here: compare with eq, or == for numbers"
        yield recipe.finding("constant-condition", condition, message)
    elif isinstance(node, While) and truth:
        if not any(_may_end(inner) for inner in walk(node.body)):
            yield recipe.finding("endless-loop", node, "nothing ends this loop")
    else:
        effect = "what stands behind is always done" if truth else "its body is never done"
        message = f"the condition is always {word}: {effect}"
        yield recipe.finding("constant-condition", condition, message)


def _may_end(node: Node) -> bool:
    return isinstance(node, Exit) or (isinstance(node, Action) and node.verb in ("to", "include"))


def _empty_bodies(recipe: RecipeText, node: If | While | Foreach) -> Iterator[Finding]:
    if _is_stray(recipe, node.body):
        message = "the blank or comment line behind it is its body: what follows is always done"
        yield recipe.finding("empty-body", node, message)
    if isinstance(node, If) and node.otherwise is not None and _is_stray(recipe, node.otherwise):
        message = "the blank or comment line behind else is its body: what follows is always done"
        yield recipe.finding("empty-body", node.otherwise, message)


def _is_stray(recipe: RecipeText, body: Statement) -> bool:
    """True for an empty body that nobody wrote: `{}` and `;` are written."""
    return isinstance(body, Block) and not body.statements and not recipe.starts_with(body, b"{;")


def _has_effect(expression: Expression) -> bool:
    for node in walk(expression):
        if isinstance(node, Assign):
            return True
        if isinstance(node, Pattern) and parse_options(node.options).weight is None:
            return True  # sets MATCH
        if isinstance(node, Call) and node.name in _EFFECTIVE_CALLS:
            return True
        if isinstance(node, Text) and any(kind == "BTSTR" for kind, _ in node.parts):
            return True
    return False


def _no_effect_words(expression: Expression) -> str:
    if not isinstance(expression, Text):
        return "this does nothing: its value is not used"
    word = expression.parts[0][1].partition(b" ")[0]
    shown = shortened(printable(word), 40)
    keywords = [keyword.decode() for keyword in sorted(KEYWORDS)]
    similar = get_close_matches(shown.lower(), keywords, n=1, cutoff=0.75)
    hint = f'; did you mean "{similar[0]}"?' if similar else ""
    return f'"{shown}" is no statement, only a string that is not used{hint}'
