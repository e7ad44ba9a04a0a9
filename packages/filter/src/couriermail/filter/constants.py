"""What of an expression is known before it runs: constant folding over the syntax tree."""

from __future__ import annotations

from couriermail.filter.compiler import OPERATIONS, Compiler
from couriermail.filter.substitute import split_text
from couriermail.filter.syntax import Assign, Binary, Expression, Logical, Text, Unary
from couriermail.filter.values import is_true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["constant_value"]


def constant_value(node: Expression, known: Mapping[bytes, bytes] | None = None) -> bytes | None:
    """The value that an expression always has, or None when that cannot be told.

    Args:
        node: the expression.
        known: variables whose values are known.
    """
    if isinstance(node, Text):
        return _text_value(node, known or {})
    if isinstance(node, Assign):
        return constant_value(node.value, known)
    if isinstance(node, Unary):
        operand = constant_value(node.operand, known)
        return None if operand is None else Compiler.unary_operation(node)(operand)
    if isinstance(node, Binary):
        return _binary_value(node, known)
    if isinstance(node, Logical):
        return _logical_value(node, known)
    return None


def _text_value(node: Text, known: Mapping[bytes, bytes]) -> bytes | None:
    pieces: list[bytes] = []
    for kind, text in node.parts:
        if kind == "BTSTR":
            return None
        parts = [(False, text)] if kind == "SQSTR" else split_text(text)[0]
        for is_variable, part in parts:
            if is_variable and part not in known:
                return None
            pieces.append(known[part] if is_variable else part)
    return b"".join(pieces)


def _binary_value(node: Binary, known: Mapping[bytes, bytes] | None) -> bytes | None:
    links: list[Binary] = []
    left: Expression = node
    while isinstance(left, Binary):  # a long sum is a loop, not a recursion
        links.append(left)
        left = left.left
    value = constant_value(left, known)
    for link in reversed(links):
        right = constant_value(link.right, known)
        if value is None or right is None:
            return None
        value = OPERATIONS[link.operator](value, right)
    return value


def _logical_value(node: Logical, known: Mapping[bytes, bytes] | None) -> bytes | None:
    """A chain of one operator, from left to right, as far as its operands are known."""
    operands: list[Expression] = []
    left: Expression = node
    while isinstance(left, Logical) and left.operator == node.operator:
        operands.append(left.right)
        left = left.left
    value: bytes | None = None
    for operand in [left, *reversed(operands)]:
        value = constant_value(operand, known)
        if value is None or is_true(value) is (node.operator == "||"):
            return value
    return value
