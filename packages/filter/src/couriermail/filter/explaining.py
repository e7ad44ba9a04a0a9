"""What a recipe did with one message, and why (`maildrop --explain`).

An `Observer` collects steps while the recipe runs; the result is a value that can be shown as
text or given to a program as JSON.
"""

from __future__ import annotations

import os
from typing import Literal

import attrs

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.outcome import Delivery
from couriermail.filter.recipe import Recipe, compile_recipe
from couriermail.filter.rehearsal import RehearsalHost, start_rehearsal
from couriermail.filter.syntax import Action, Assign, Call, Exit, If, Locked, While
from couriermail.filter.values import is_true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from couriermail.filter.interfaces import FilterMessage, Host
    from couriermail.filter.observed import PatternSearch
    from couriermail.filter.outcome import RunLimits
    from couriermail.filter.run import Run
    from couriermail.filter.syntax import Expression, Node, Pattern, Statement, Trap

    Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

__all__ = ["Explanation", "Step", "StepKind", "explain"]

MAX_STEPS = 10_000
"""Steps that are kept; a recipe with long loops makes more."""

MAX_VALUE = 4096
"""Bytes that are kept of each value."""

MAX_CAPTURES = 100
"""Matches that are kept of one search with a weight, or of a `foreach`."""

StepKind = Literal["search", "value", "condition", "action", "delivery", "exit", "trap", "error"]
"""What a step is."""


@attrs.frozen(kw_only=True)
class Step:
    """One thing that a recipe did.

    Attributes:
        kind: see `StepKind`.
        file: the recipe's file; empty for what no statement did, such as the default delivery.
        line: 1-based line, or 0.
        column: 1-based column in bytes, or 0.
        subject: what it is about: a pattern after substitution, a variable's name, a
            function's name, an action's word, a delivery's verb.
        value: what it came to: a search's value, the variable's value, the action's argument,
            the place of the delivery, the error's words.
        seen: for a search, the text in which the first match was found; else empty.
        captures: for a search, each match: its text, then the text of each group.
        is_true: for searches and conditions, whether the value counts as true; else None.
    """

    kind: StepKind
    file: str = ""
    line: int = 0
    column: int = 0
    subject: bytes = b""
    value: bytes = b""
    seen: bytes = b""
    captures: tuple[tuple[bytes, ...], ...] = ()
    is_true: bool | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain values under stable keys; bytes that are no UTF-8 are replaced."""
        return {
            "kind": self.kind,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "subject": _text(self.subject),
            "value": _text(self.value),
            "seen": _text(self.seen),
            "captures": [[_text(group) for group in match] for match in self.captures],
            "is_true": self.is_true,
        }


@attrs.frozen(kw_only=True)
class Explanation:
    """What a recipe did with one message.

    Attributes:
        steps: what happened, in order.
        deliveries: where the message would go, in order.
        exit_code: what `maildrop` would end with.
        is_default: True when it would go to DEFAULT because the recipe named no final place.
        error: why the message would be kept and tried again; empty when it would not.
        unrun: commands that were not run though the recipe wanted their result.
        complaints: diagnostics, such as those of patterns that are wrong.
        sources: the text of each recipe file.
        is_complete: False when there were more than `MAX_STEPS` steps.
    """

    steps: tuple[Step, ...]
    deliveries: tuple[Delivery, ...]
    exit_code: int
    is_default: bool
    error: str = ""
    unrun: tuple[bytes, ...] = ()
    complaints: tuple[bytes, ...] = ()
    sources: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    is_complete: bool = True

    def as_json(self) -> dict[str, Json]:
        """Plain values under stable keys."""
        return {
            "version": 1,
            "deliveries": [
                {"kind": one.kind, "target": _text(one.target), "verb": one.verb}
                for one in self.deliveries
            ],
            "exit_code": self.exit_code,
            "is_default": self.is_default,
            "error": self.error,
            "commands_not_run": [_text(command) for command in self.unrun],
            "complaints": [_text(line) for line in self.complaints if line],
            "is_complete": self.is_complete,
            "steps": [step.as_json() for step in self.steps],
        }

    def render(self) -> str:
        """Text for people: each place with its line of the recipe and what came of it."""
        from couriermail.filter.explanation_text import render_explanation

        return render_explanation(self)


def explain(
    recipe: Recipe | str | bytes,
    message: FilterMessage | bytes,
    *,
    name: str = "recipe",
    source: bytes = b"",
    home: str | os.PathLike[str] = ".",
    host: Host | None = None,
    env: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
    sender: str | None = None,
    limits: RunLimits | None = None,
    runs_commands: bool = False,
) -> Explanation:
    """Run a recipe on a message and tell what it did and why; nothing is delivered.

    Args:
        recipe: a compiled recipe, or its text.
        message: the message, LF line ends.
        name: the file name of a recipe that is given as text.
        source: the text of a compiled recipe, to show its lines.
        home: where relative paths start.
        host: does what the recipe asks for; one that touches nothing when None.
        env: variables to start with.
        imports: what the statement `import` reads.
        sender: envelope sender; that of Return-Path when None.
        limits: bounds of the run.
        runs_commands: True to run back-quoted commands, `xfilter` and `system`; only without
            `host`.

    Raises:
        RecipeSyntaxError: the recipe cannot be read.
    """
    compiled = recipe if isinstance(recipe, Recipe) else compile_recipe(recipe, name=name)
    collector = _Collector()
    text = source if isinstance(recipe, Recipe) else recipe
    collector.sources[compiled.name] = os.fsencode(text) if isinstance(text, str) else text
    run = start_rehearsal(
        compiled,
        message,
        host=host or RehearsalHost(home, runs_commands=runs_commands),
        env=env,
        imports=imports,
        sender=sender,
        limits=limits,
        observer=collector,
    )
    return _explained(run, compiled, collector)


def _explained(run: Run, recipe: Recipe, collector: _Collector) -> Explanation:
    error = ""
    try:
        if not run.execute(recipe.program) and not recipe.embedded:
            run.deliver_default()
    except RecipeRuntimeError as failure:
        error = str(failure)
        collector.fail(failure)
    outcome, host = run.outcome(), run.host
    noted = host if isinstance(host, RehearsalHost) else None
    return Explanation(
        steps=tuple(collector.steps),
        deliveries=outcome.deliveries,
        exit_code=RecipeRuntimeError.exit_code if error else outcome.exit_code,
        is_default=outcome.is_default,
        error=error,
        unrun=() if noted is None else tuple(noted.unrun),
        complaints=() if noted is None else tuple(noted.complaints),
        sources=_with_includes(collector, host),
        is_complete=collector.left_out == 0,
    )


def _with_includes(collector: _Collector, host: Host) -> dict[str, bytes]:
    """The sources, with those of included files that can still be read."""
    sources = dict(collector.sources)
    for step in collector.steps:
        if step.file and step.file not in sources:
            try:
                sources[step.file] = host.read_file(os.fsencode(step.file))
            except OSError:
                sources[step.file] = b""
    return sources


class _Collector:
    """An observer that keeps what matters for an explanation."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.sources: dict[str, bytes] = {}
        self.left_out = 0
        self._place: tuple[str, int, int] = ("", 0, 0)

    def fail(self, error: RecipeRuntimeError) -> None:
        """Note the error that ended the run."""
        place = (error.name, error.line, error.column)
        self._add("error", place, value=error.reason.encode("utf-8", "surrogateescape"))

    def statement(self, name: str, node: Statement) -> None:
        """Note where we are, and that a recipe ends."""
        self._place = (name, node.line, node.column)
        if isinstance(node, Exit):
            self._add("exit", self._place)

    def performing(self, name: str, node: Action | Locked, argument: bytes) -> None:
        """Note an action; deliveries are noted when they are made."""
        if node.verb not in ("to", "cc"):
            self._add("action", _place(name, node), subject=node.verb.encode(), value=argument)

    def deciding(self, name: str, node: If | While) -> None:
        """Nothing is known yet."""

    def decided(self, name: str, node: If | While, value: bytes) -> None:
        """Note what a condition came to."""
        word = b"if" if isinstance(node, If) else b"while"
        place = _place(name, node)
        self._add("condition", place, subject=word, value=value, is_true=is_true(value))

    def trapped(self, name: str, node: Trap, error: RecipeRuntimeError | None) -> None:
        """Note an error that an `exception` block swallowed."""
        if error is not None:
            words = str(error).encode("utf-8", "surrogateescape")
            self._add("trap", _place(name, node), value=words)

    def value(self, name: str, node: Expression, value: bytes, operands: tuple[bytes, ...]) -> None:
        """Note assignments and what functions came to."""
        if isinstance(node, Assign):
            self._add("value", _place(name, node), subject=node.name, value=value)
        elif isinstance(node, Call):
            given = b", ".join(bytes(operand) for operand in operands)
            self._add(
                "value",
                _place(name, node),
                subject=b"%s(%b)" % (node.name.encode(), given),
                value=value,
            )

    def search(self, name: str, node: Pattern, search: PatternSearch) -> None:
        """Note a search with what it found."""
        matches = search.found[:MAX_CAPTURES]
        self._add(
            "search",
            _place(name, node),
            subject=search.pattern,
            value=search.value,
            seen=_seen(search),
            captures=tuple(tuple(group[:MAX_VALUE] for group in match) for match in matches),
            is_true=is_true(search.value),
        )

    def delivered(self, delivery: Delivery) -> None:
        """Note a delivery, at the statement that made it."""
        place = ("", 0, 0) if delivery.verb == "default" else self._place
        self._add("delivery", place, subject=delivery.verb.encode(), value=delivery.target)

    def _add(
        self,
        kind: StepKind,
        place: tuple[str, int, int],
        *,
        subject: bytes = b"",
        value: bytes = b"",
        seen: bytes = b"",
        captures: tuple[tuple[bytes, ...], ...] = (),
        is_true: bool | None = None,
    ) -> None:
        if len(self.steps) >= MAX_STEPS:
            self.left_out += 1
            return
        name, line, column = place
        step = Step(
            kind=kind,
            file=name,
            line=line,
            column=column,
            subject=bytes(subject[:MAX_VALUE]),
            value=bytes(value[:MAX_VALUE]),
            seen=seen,
            captures=captures,
            is_true=is_true,
        )
        self.steps.append(step)


def _place(name: str, node: Node) -> tuple[str, int, int]:
    return name, node.line, node.column


def _seen(search: PatternSearch) -> bytes:
    """The line, or the string, that the first match is in."""
    if not search.found:
        return b"" if search.is_message else bytes(search.subject[:MAX_VALUE])
    if not search.is_message:
        return bytes(search.subject[:MAX_VALUE])
    found = max(search.subject.find(search.found[0][0]), 0)
    start = search.subject.rfind(b"\n", 0, found) + 1
    end = search.subject.find(b"\n", found)
    return bytes(search.subject[start : end if end >= 0 else len(search.subject)][:MAX_VALUE])


def _text(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
