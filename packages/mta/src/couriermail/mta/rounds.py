"""How a round of attempts ends: pure rules, no queue, no clock (spec mta.md 9.4, 12.2).

When every delivery of a message has ended, the outcomes decide: is the message done, given up,
late enough for a warning, or simply tried again, and who must be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from couriermail.queue import RecipientState, RetrySchedule

__all__ = ["Ending", "conclude"]


@attrs.frozen(kw_only=True)
class Ending:
    """What happens to a message after a round.

    Attributes:
        kind: `final` (every recipient finished, or given up), `warn` (a delay is to be reported
            now) or `retry`.
        next_due: epoch of the next attempt; None when the message leaves the queue.
        given_up: indexes of recipients that fail because the message expired.
    """

    kind: Literal["final", "warn", "retry"]
    next_due: float | None = None
    given_up: tuple[int, ...] = ()


def conclude(
    states: Sequence[RecipientState],
    *,
    expires: float,
    warn: float | None,
    is_warned: bool,
    rounds: int,
    now: float,
    schedule: RetrySchedule,
) -> Ending:
    """Decide how the round ends.

    Args:
        states: the recipients after the round.
        expires: epoch after which the end of a round gives up.
        warn: epoch from which a delay is reported once, or None.
        is_warned: that report has been sent.
        rounds: completed rounds, this one included.
        now: epoch of the end of the round.
        schedule: the retry timetable.
    """
    pending = tuple(index for index, state in enumerate(states) if not state.is_finished)
    if not pending:
        return Ending(kind="final")
    if now >= expires:
        return Ending(kind="final", given_up=pending)
    next_due = now + schedule.delay(rounds)
    if warn is not None and not is_warned and now >= warn:
        return Ending(kind="warn", next_due=next_due)
    return Ending(kind="retry", next_due=next_due)
