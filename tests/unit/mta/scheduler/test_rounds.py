"""How a round ends (spec mta.md 9.4, 12.2)."""

from __future__ import annotations

import pytest

from couriermail.mta.rounds import Ending, conclude
from couriermail.queue import Recipient, RecipientState, RetrySchedule

DONE = RecipientState(recipient=Recipient(address="a@b"), state="success")
FAILED = RecipientState(recipient=Recipient(address="c@d"), state="failure")
WAITING = RecipientState(recipient=Recipient(address="e@f"), state="pending")
SCHEDULE = RetrySchedule(alpha=300, beta=3, gamma=900, maxdelta=3)
NOW, LATER = 1000.0, 99_999.0

# States, expiry, warning time, warned before, rounds, what becomes of it.
Case = tuple[list[RecipientState], float, float | None, bool, int, Ending]
CASES: dict[str, Case] = {
    "all finished": ([DONE, FAILED], LATER, None, False, 1, Ending(kind="final")),
    "nobody": ([], LATER, None, False, 1, Ending(kind="final")),
    "finished and expired": ([DONE], 0.0, 0.0, False, 1, Ending(kind="final")),
    "expired now": ([DONE, WAITING], NOW, None, False, 4, Ending(kind="final", given_up=(1,))),
    "expired beats warning": ([WAITING], NOW, NOW, False, 1, Ending(kind="final", given_up=(0,))),
    "first gap": ([WAITING], LATER, None, False, 1, Ending(kind="retry", next_due=NOW + 300)),
    "third gap": ([WAITING], LATER, None, False, 3, Ending(kind="retry", next_due=NOW + 1800)),
    "sixth gap": ([WAITING], LATER, None, False, 6, Ending(kind="retry", next_due=NOW + 3600)),
    "warning due": ([WAITING], LATER, NOW, False, 1, Ending(kind="warn", next_due=NOW + 300)),
    "warning early": (
        [WAITING],
        LATER,
        NOW + 1,
        False,
        1,
        Ending(kind="retry", next_due=NOW + 300),
    ),
    "warned before": ([WAITING], LATER, NOW, True, 2, Ending(kind="retry", next_due=NOW + 300)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_round_ends(case: Case) -> None:
    states, expires, warn, is_warned, rounds, expected = case
    found = conclude(
        states,
        expires=expires,
        warn=warn,
        is_warned=is_warned,
        rounds=rounds,
        now=NOW,
        schedule=SCHEDULE,
    )
    assert found == expected


def test_the_gaps_are_those_of_the_verified_table() -> None:
    """5, 5, 30, 5, 5, 60, 5, 5, 120, 5, 5, 120 minutes."""
    gaps = []
    for rounds in range(1, 13):
        ending = conclude(
            [WAITING],
            expires=1e9,
            warn=None,
            is_warned=False,
            rounds=rounds,
            now=0.0,
            schedule=SCHEDULE,
        )
        assert ending.next_due is not None
        gaps.append(ending.next_due / 60)
    assert gaps == [5, 5, 30, 5, 5, 60, 5, 5, 120, 5, 5, 120]
