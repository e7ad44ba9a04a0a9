"""When to try again: the retry timetable (spec mta 9.4)."""

from __future__ import annotations

import attrs

__all__ = ["RetrySchedule"]


@attrs.frozen(kw_only=True)
class RetrySchedule:
    """The gaps between the rounds of attempts for a message.

    Runs of short gaps, each run ended by a long one that doubles every time:
    5, 5, 30, 5, 5, 60, 5, 5, 120, 5, 5, 120 ... minutes with the defaults.

    Courier: the manual page describes another start (5, 5, 5, 15, 5, 5, 30 ...) than the
    program has; `manual=True` gives the documented one.

    Attributes:
        alpha: seconds of the short gap (`retryalpha`).
        beta: rounds per run (`retrybeta`), at least 1.
        gamma: seconds that the long gap starts from (`retrygamma`).
        maxdelta: how often the long gap doubles at most (`retrymaxdelta`).
        manual: follow the manual page.
    """

    alpha: float = 300.0
    beta: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    gamma: float = 900.0
    maxdelta: int = attrs.field(default=3, validator=attrs.validators.ge(0))
    manual: bool = False

    def delay(self, rounds: int) -> float:
        """Seconds to wait after the `rounds`-th completed round (1 = the first)."""
        if self.manual:
            return self._documented(rounds)
        doublings, place = divmod(rounds, self.beta)
        return self._long(doublings) if place == 0 else self.alpha

    @property
    def longest(self) -> float:
        """The longest gap that can occur, in seconds."""
        return max(self.alpha, self._long(self.maxdelta))

    def _documented(self, rounds: int) -> float:
        if rounds <= self.beta:
            return self.alpha
        doublings, place = divmod(rounds - self.beta - 1, self.beta)
        return self._long(doublings) if place == 0 else self.alpha

    def _long(self, doublings: int) -> float:
        return self.gamma * float(1 << min(doublings, self.maxdelta))
