"""The door of the room: a recipe is compiled once and run against any number of messages."""

from __future__ import annotations

import os

from couriermail.filter.compiler import compile_tree
from couriermail.filter.errors import RecipeSyntaxError
from couriermail.filter.message import BytesMessage
from couriermail.filter.outcome import RunLimits
from couriermail.filter.parser import is_relaxed, parse
from couriermail.filter.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from couriermail.filter.interfaces import FilterMessage, Host, Observer
    from couriermail.filter.lexer import Token
    from couriermail.filter.outcome import FilterOutcome
    from couriermail.filter.syntax import Block

__all__ = ["Recipe", "compile_recipe", "encode_environment", "start_run"]


class Recipe:
    """A compiled recipe.

    Attributes:
        name: its file name, as diagnostics show it.
        tree: its syntax tree.
        embedded: True when it was compiled for embedded mode.
        may_trace: True when it may ask for a trace of itself, with the variable VERBOSE.
    """

    __slots__ = ("_observed", "_program", "embedded", "may_trace", "name", "tree")

    def __init__(self, name: str, tree: Block, *, embedded: bool, may_trace: bool = False) -> None:
        self.name = name
        self.tree = tree
        self.embedded = embedded
        self.may_trace = may_trace
        self._program: Callable[[Run], None] = compile_tree(tree, name=name)
        self._observed: Callable[[Run], None] | None = None

    def program(self, run: Run) -> None:
        """Execute it in this run; `Run.execute` is the way to call this."""
        if not run.is_observed(may_trace=self.may_trace):
            self._program(run)
            return
        if self._observed is None:
            from couriermail.filter.observed import compile_observed

            self._observed = compile_observed(self.tree, name=self.name)
        self._observed(run)

    def run(
        self,
        message: FilterMessage | bytes,
        *,
        host: Host,
        env: Mapping[str, str] | None = None,
        imports: Mapping[str, str] | None = None,
        sender: str = "",
        limits: RunLimits | None = None,
        observer: Observer | None = None,
    ) -> FilterOutcome:
        """Run the recipe against one message.

        When the recipe ends without `to` or `exit` the message is delivered to the variable
        DEFAULT, unless the recipe is embedded: an embedded one judges and never delivers.

        Args:
            message: the message, LF line ends.
            host: performs deliveries and commands.
            env: variables to start with, such as DEFAULT, HOME, LOGNAME.
            imports: what the statement `import` reads.
            sender: envelope sender, for FROM and mbox files.
            limits: bounds of the run.
            observer: is told what every statement, expression and pattern came to.

        Raises:
            RecipeRuntimeError: the recipe could not be carried out; the message must be kept
                and tried again.
        """
        run = start_run(
            message,
            host=host,
            variables=encode_environment(env or {}),
            imports=encode_environment(imports or {}),
            sender=os.fsencode(sender),
            limits=limits,
            embedded=self.embedded,
            observer=observer,
        )
        if not run.execute(self.program) and not self.embedded:
            run.deliver_default()
        return run.outcome()

    def __repr__(self) -> str:
        return f"Recipe({self.name!r})"


def compile_recipe(
    text: str | bytes,
    *,
    name: str,
    embedded: bool = False,
    on_token: Callable[[Token], None] | None = None,
) -> Recipe:
    """Read and compile a recipe; nothing of it is executed.

    Args:
        text: the recipe.
        name: its file name, for diagnostics.
        embedded: True to refuse commands and deliveries (spec filter 4.1, embedded mode).
        on_token: is told of every token, or None.

    Raises:
        RecipeSyntaxError: with line, column and the words around the mistake.
    """
    source = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if source.startswith(b"#pragma couriermail") and not is_relaxed(source):
        raise _refusal(name, "the only #pragma couriermail is couriermail-2")
    try:
        tree = parse(source, name=name, embedded=embedded, on_token=on_token)
        return Recipe(name, tree, embedded=embedded, may_trace=b"VERBOSE" in source)
    except RecursionError:
        raise _refusal(name, "nested too deeply") from None


def _refusal(name: str, hint: str) -> RecipeSyntaxError:
    return RecipeSyntaxError(
        "Syntax error.", name=name, line=1, column=1, scanner_line=1, hint=hint
    )


def start_run(
    message: FilterMessage | bytes,
    *,
    host: Host,
    variables: Mapping[bytes, bytes],
    imports: Mapping[bytes, bytes],
    sender: bytes = b"",
    limits: RunLimits | None = None,
    embedded: bool = False,
    trusted_recipes: str = "",
    observer: Observer | None = None,
    is_delivery: bool = False,
) -> Run:
    """Begin a run that may execute several recipes after each other (`maildrop` does).

    The arguments are those of `Run`.
    """
    return Run(
        host=host,
        message=BytesMessage(message) if isinstance(message, bytes) else message,
        variables=variables,
        environment=imports,
        limits=limits or RunLimits(),
        sender=sender,
        embedded=embedded,
        trusted_recipes=os.fsencode(trusted_recipes),
        observer=observer,
        is_delivery=is_delivery,
    )


def encode_environment(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    """Variables as bytes, undecodable bytes as they were."""
    return {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}
