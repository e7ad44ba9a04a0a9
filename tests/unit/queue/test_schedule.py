from __future__ import annotations

import pytest

from couriermail.queue import RetrySchedule

MINUTE = 60


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        pytest.param(
            RetrySchedule(), [5, 5, 30, 5, 5, 60, 5, 5, 120, 5, 5, 120, 5, 5, 120], id="defaults"
        ),
        pytest.param(
            RetrySchedule(alpha=120, gamma=240), [2, 2, 8, 2, 2, 16, 2, 2, 32, 2, 2], id="spec-Q1"
        ),
        pytest.param(
            RetrySchedule(manual=True),
            [5, 5, 5, 15, 5, 5, 30, 5, 5, 60, 5, 5, 120, 5, 5, 120],
            id="manual-page",
        ),
        pytest.param(RetrySchedule(beta=1, maxdelta=1), [30, 30, 30], id="every-gap-long"),
    ],
)
def test_gaps_follow_the_timetable(schedule: RetrySchedule, minutes: list[int]) -> None:
    gaps = [schedule.delay(n) / MINUTE for n in range(1, len(minutes) + 1)]

    assert gaps == minutes


def test_longest_gap_is_reached_and_never_passed() -> None:
    schedule = RetrySchedule()

    assert max(schedule.delay(n) for n in range(1, 100)) == schedule.longest == 7200


def test_beta_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="beta"):
        RetrySchedule(beta=0)
