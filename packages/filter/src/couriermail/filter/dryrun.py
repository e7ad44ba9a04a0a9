"""Where a recipe would put many messages (`maildrop --dry-run`); nothing is delivered."""

from __future__ import annotations

import os
from collections import Counter

import attrs

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.messagesource import MessageSource, StoredMessage
from couriermail.filter.outcome import Delivery
from couriermail.filter.rehearsal import RehearsalHost, start_rehearsal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from couriermail.filter.explaining import Json
    from couriermail.filter.outcome import RunLimits
    from couriermail.filter.recipe import Recipe

__all__ = ["Decision", "DryRunTotals", "dry_run"]

NOWHERE = "(nowhere)"
KEPT = "(kept, to be tried again)"


@attrs.frozen(kw_only=True)
class Decision:
    """What would become of one message.

    Attributes:
        label: which message it is.
        deliveries: where it would go, in order.
        exit_code: what `maildrop` would end with.
        is_default: True when it would go to DEFAULT because the recipe named no final place.
        error: why it would be kept and tried again; empty when it would not.
        unrun: commands that were not run though the recipe wanted their result.
        weight: see `StoredMessage`.
    """

    label: str
    deliveries: tuple[Delivery, ...]
    exit_code: int
    is_default: bool
    error: str = ""
    unrun: tuple[bytes, ...] = ()
    weight: int = attrs.field(default=1, eq=False, repr=False)

    @property
    def destinations(self) -> tuple[str, ...]:
        """The places as text; one word in parentheses when there is none."""
        places = [_text(delivery.target) for delivery in self.deliveries]
        if self.error:
            places.append(KEPT)
        return tuple(places) or (NOWHERE,)

    def as_json(self) -> dict[str, Json]:
        """Plain values under stable keys."""
        return {
            "message": self.label,
            "deliveries": [
                {"kind": one.kind, "target": _text(one.target), "verb": one.verb}
                for one in self.deliveries
            ],
            "exit_code": self.exit_code,
            "is_default": self.is_default,
            "error": self.error,
            "commands_not_run": [_text(command) for command in self.unrun],
        }


@attrs.define
class DryRunTotals:
    """Sums over decisions.

    Attributes:
        messages: how many there were.
        failed: how many would be kept and tried again.
        uncertain: how many depend on commands that were not run.
        destinations: deliveries by place.
    """

    messages: int = 0
    failed: int = 0
    uncertain: int = 0
    destinations: Counter[str] = attrs.field(factory=Counter)

    def add(self, decision: Decision) -> None:
        """Count one decision."""
        self.messages += 1
        self.failed += bool(decision.error)
        self.uncertain += bool(decision.unrun)
        self.destinations.update(decision.destinations)

    def ranked(self) -> list[tuple[str, int]]:
        """Places and their deliveries, the busiest first."""
        return sorted(self.destinations.items(), key=lambda pair: (-pair[1], pair[0]))

    def as_json(self) -> dict[str, Json]:
        """Plain values under stable keys."""
        return {
            "messages": self.messages,
            "failed": self.failed,
            "uncertain": self.uncertain,
            "destinations": dict(self.ranked()),
        }


def dry_run(
    recipe: Recipe,
    messages: str | os.PathLike[str] | Iterable[StoredMessage],
    *,
    home: str | os.PathLike[str] = ".",
    env: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
    limits: RunLimits | None = None,
    runs_commands: bool = False,
) -> Iterator[Decision]:
    """Decide message by message, as they are asked for.

    Mailboxes and files are looked at, never changed: no lock, no log, no table is written.
    Quotas are not looked at.

    Args:
        recipe: the recipe.
        messages: the path of a maildir, an mbox file, a message or a directory of `*.eml`; or
            messages.
        home: where relative paths start.
        env: variables to start with.
        imports: what the statement `import` reads.
        limits: bounds of each run.
        runs_commands: True to run back-quoted commands, `xfilter` and `system`.  Deliveries to
            commands and addresses are never made.

    Raises:
        MessageSourceError: there are no messages, or one cannot be read.
    """
    source = MessageSource(messages) if isinstance(messages, str | os.PathLike) else messages
    for stored in source:
        host = RehearsalHost(home, runs_commands=runs_commands)
        run = start_rehearsal(
            recipe,
            stored.message,
            host=host,
            env=env,
            imports=imports,
            sender=stored.sender,
            limits=limits,
        )
        error = ""
        try:
            if not run.execute(recipe.program) and not recipe.embedded:
                run.deliver_default()
        except RecipeRuntimeError as failure:
            error = str(failure)
        outcome = run.outcome()
        yield Decision(
            label=stored.label,
            deliveries=outcome.deliveries,
            exit_code=RecipeRuntimeError.exit_code if error else outcome.exit_code,
            is_default=outcome.is_default,
            error=error,
            unrun=tuple(host.unrun),
            weight=stored.weight,
        )


def _text(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
