"""The syntax tree of a recipe, public so that checkers and editors can walk it.

Every node knows where it stands.  The classes are plain slotted ones, not attrs: the
`maildrop` command builds a tree for every message, and importing attrs costs more time than
reading the recipe does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Action",
    "Assign",
    "Binary",
    "Block",
    "Call",
    "Evaluate",
    "Exit",
    "Expression",
    "Foreach",
    "If",
    "Locked",
    "Logical",
    "Match",
    "Node",
    "Pattern",
    "Statement",
    "Text",
    "Trap",
    "Unary",
    "While",
    "walk",
]


class Node:
    """A place in a recipe.

    Attributes:
        line: 1-based line.
        column: 1-based column, in bytes.
    """

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column

    def children(self) -> tuple[Node, ...]:
        """The nodes directly below this one, in the order of the text."""
        return ()

    def __repr__(self) -> str:
        names = [name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())]
        fields = (f"{name}={getattr(self, name)!r}" for name in reversed(names))
        return f"{type(self).__name__}({', '.join(fields)})"


class Expression(Node):
    """A node with a value."""

    __slots__ = ()


class Statement(Node):
    """A node with an effect."""

    __slots__ = ()


class Text(Expression):
    """Adjacent string literals, which are joined.

    Attributes:
        parts: (kind, text) of each literal; the kind is `QSTR` (substituted), `SQSTR` (taken
            literally) or `BTSTR` (a command).
        end_lines: the line where each literal ends.
    """

    __slots__ = ("end_lines", "parts")

    def __init__(
        self,
        line: int,
        column: int,
        parts: tuple[tuple[str, bytes], ...],
        end_lines: tuple[int, ...],
    ) -> None:
        super().__init__(line, column)
        self.parts = parts
        self.end_lines = end_lines


class Pattern(Expression):
    """A pattern matched against the message.

    Attributes:
        text: the pattern's source, before substitution.
        options: its option letters and weights.
    """

    __slots__ = ("options", "text")

    def __init__(self, line: int, column: int, text: bytes, options: bytes) -> None:
        super().__init__(line, column)
        self.text = text
        self.options = options


class Match(Expression):
    """`subject =~ /pattern/`.

    Attributes:
        subject: what is searched.
        pattern: the pattern.
    """

    __slots__ = ("pattern", "subject")

    def __init__(self, line: int, column: int, subject: Expression, pattern: Pattern) -> None:
        super().__init__(line, column)
        self.subject = subject
        self.pattern = pattern

    def children(self) -> tuple[Node, ...]:
        """The subject and the pattern."""
        return (self.subject, self.pattern)


class Unary(Expression):
    """`!x` or `~x`.

    Attributes:
        operator: `!` or `~`.
        operand: what it applies to.
    """

    __slots__ = ("operand", "operator")

    def __init__(self, line: int, column: int, operator: str, operand: Expression) -> None:
        super().__init__(line, column)
        self.operator = operator
        self.operand = operand

    def children(self) -> tuple[Node, ...]:
        """The operand."""
        return (self.operand,)


class _Pair(Expression):
    __slots__ = ("left", "operator", "right")

    def __init__(
        self, line: int, column: int, operator: str, left: Expression, right: Expression
    ) -> None:
        super().__init__(line, column)
        self.operator = operator
        self.left = left
        self.right = right

    def children(self) -> tuple[Node, ...]:
        """Both operands."""
        return (self.left, self.right)


class Binary(_Pair):
    """An operator that always evaluates both sides.

    Attributes:
        operator: `+`, `-`, `*`, `/`, `|`, `&`, a comparison sign or a comparison word.
        left: the left operand.
        right: the right operand.
    """

    __slots__ = ()


class Logical(_Pair):
    """`||` or `&&`: the right side is evaluated only when needed.

    Attributes:
        operator: `||` or `&&`.
        left: the left operand.
        right: the right operand.
    """

    __slots__ = ()


class Assign(Expression):
    """`name=value`.

    Attributes:
        name: the variable; taken literally, never substituted.
        value: the value.
    """

    __slots__ = ("name", "value")

    def __init__(self, line: int, column: int, name: bytes, value: Expression) -> None:
        super().__init__(line, column)
        self.name = name
        self.value = value

    def children(self) -> tuple[Node, ...]:
        """The value."""
        return (self.value,)


class Call(Expression):
    """A built-in function.

    Attributes:
        name: the function.
        arguments: its arguments.
    """

    __slots__ = ("arguments", "name")

    def __init__(
        self, line: int, column: int, name: str, arguments: tuple[Expression, ...]
    ) -> None:
        super().__init__(line, column)
        self.name = name
        self.arguments = arguments

    def children(self) -> tuple[Node, ...]:
        """The arguments."""
        return self.arguments


class Block(Statement):
    """Statements in a row; an empty one is the empty body that a stray line end makes.

    Attributes:
        statements: the statements.
    """

    __slots__ = ("statements",)

    def __init__(self, line: int, column: int, statements: tuple[Statement, ...]) -> None:
        super().__init__(line, column)
        self.statements = statements

    def children(self) -> tuple[Node, ...]:
        """The statements."""
        return self.statements


class If(Statement):
    """`if (...)`, and `elsif` as an `If` in the place of `else`.

    Attributes:
        condition: the condition.
        body: run when it is true.
        otherwise: run when it is false, or None.
    """

    __slots__ = ("body", "condition", "otherwise")

    def __init__(
        self,
        line: int,
        column: int,
        condition: Expression,
        body: Statement,
        otherwise: Statement | None,
    ) -> None:
        super().__init__(line, column)
        self.condition = condition
        self.body = body
        self.otherwise = otherwise

    def children(self) -> tuple[Node, ...]:
        """The condition and the bodies."""
        tail = () if self.otherwise is None else (self.otherwise,)
        return (self.condition, self.body, *tail)


class While(Statement):
    """`while (...)`.

    Attributes:
        condition: the condition.
        body: run as long as it is true.
    """

    __slots__ = ("body", "condition")

    def __init__(self, line: int, column: int, condition: Expression, body: Statement) -> None:
        super().__init__(line, column)
        self.condition = condition
        self.body = body

    def children(self) -> tuple[Node, ...]:
        """The condition and the body."""
        return (self.condition, self.body)


class Foreach(Statement):
    """`foreach /pattern/` or `foreach subject =~ /pattern/`.

    Attributes:
        search: what is searched for.
        body: run once for each match.
    """

    __slots__ = ("body", "search")

    def __init__(self, line: int, column: int, search: Pattern | Match, body: Statement) -> None:
        super().__init__(line, column)
        self.search = search
        self.body = body

    def children(self) -> tuple[Node, ...]:
        """The search and the body."""
        return (self.search, self.body)


class Trap(Statement):
    """`exception {...}`.

    Attributes:
        body: run; fatal errors in it are swallowed.
    """

    __slots__ = ("body",)

    def __init__(self, line: int, column: int, body: Statement) -> None:
        super().__init__(line, column)
        self.body = body

    def children(self) -> tuple[Node, ...]:
        """The body."""
        return (self.body,)


class Locked(Statement):
    """`dotlock file {...}` or `flock file {...}`.

    Attributes:
        verb: `dotlock` or `flock`.
        path: the lock's file.
        body: run while the lock is held.
    """

    __slots__ = ("body", "path", "verb")

    def __init__(
        self, line: int, column: int, verb: str, path: Expression, body: Statement
    ) -> None:
        super().__init__(line, column)
        self.verb = verb
        self.path = path
        self.body = body

    def children(self) -> tuple[Node, ...]:
        """The file and the body."""
        return (self.path, self.body)


class Action(Statement):
    """A statement of one word and one expression.

    Attributes:
        verb: `to`, `cc`, `echo`, `xfilter`, `system`, `logfile`, `log`, `include`, `import`
            or `unset`.
        argument: the expression.
    """

    __slots__ = ("argument", "verb")

    def __init__(self, line: int, column: int, verb: str, argument: Expression) -> None:
        super().__init__(line, column)
        self.verb = verb
        self.argument = argument

    def children(self) -> tuple[Node, ...]:
        """The expression."""
        return (self.argument,)


class Exit(Statement):
    """`exit`."""

    __slots__ = ()


class Evaluate(Statement):
    """An expression evaluated for its effects.

    Attributes:
        expression: the expression.
    """

    __slots__ = ("expression",)

    def __init__(self, line: int, column: int, expression: Expression) -> None:
        super().__init__(line, column)
        self.expression = expression

    def children(self) -> tuple[Node, ...]:
        """The expression."""
        return (self.expression,)


def walk(node: Node) -> Iterator[Node]:
    """Every node of a tree, parents before children, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(current.children()))
