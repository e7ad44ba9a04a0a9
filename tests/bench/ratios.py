"""Ratios of samples, and whether the speed targets hold."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import attrs
from tests.bench.rounds import Sample

__all__ = ["TARGETS", "Target", "Verdict", "judge", "median_rate", "ratios"]

OURS = "ours"


@attrs.frozen(kw_only=True)
class Target:
    """What our rate is to be, as a multiple of a peer's.

    Attributes:
        text: the target in words.
        case: the case that shows it.
        peer: whose rate is the yardstick.
        least: the ratio, at least.
    """

    text: str
    case: str
    peer: str
    least: float


@attrs.frozen
class Verdict:
    """A target and what came of it.

    Attributes:
        text: the target in words.
        holds: None when it could not be measured.
        finding: the figure, or why there is none.
    """

    text: str
    holds: bool | None
    finding: str

    def __str__(self) -> str:
        word = {True: "holds ", False: "MISSED", None: "n/a   "}[self.holds]
        return f"{word} {self.text}: {self.finding}"


TARGETS = (
    Target(
        text="SMTP acceptance, 10 sessions, at least 3 x Courier",
        case="accept-10",
        peer="Courier",
        least=3.0,
    ),
    Target(
        text="SMTP acceptance, 10 sessions, at least 2 x aiosmtpd with fsync",
        case="accept-10",
        peer="aiosmtpd+fsync",
        least=2.0,
    ),
    Target(
        text="the same while our scheduler is paused: acceptance into the synced queue alone",
        case="accept-10-alone",
        peer="aiosmtpd+fsync",
        least=2.0,
    ),
    Target(
        text="SMTP acceptance, 10 sessions, above Postfix",
        case="accept-10",
        peer="Postfix",
        least=1.0,
    ),
    Target(
        text="perftest1 through SMTP, at least 3 x Courier's deliveries",
        case="smtp",
        peer="Courier",
        least=3.0,
    ),
    Target(
        text="perftest1 through SMTP, above Postfix's deliveries",
        case="smtp",
        peer="Postfix",
        least=1.0,
    ),
    Target(
        text="perftest1 through sendmail, not slower than Courier's",
        case="sendmail",
        peer="Courier",
        least=1.0,
    ),
)


def median_rate(samples: Sequence[Sample], case: str, system: str) -> float | None:
    """The middle rate of the complete rounds."""
    rates = list(_rates(samples, case, system).values())
    return statistics.median(rates) if rates else None


def ratios(samples: Sequence[Sample], case: str, peer: str) -> list[float]:
    """Our rate through the peer's, for every round in which both are complete."""
    ours, theirs = _rates(samples, case, OURS), _rates(samples, case, peer)
    return [ours[number] / theirs[number] for number in sorted(ours.keys() & theirs.keys())]


def judge(target: Target, samples: Sequence[Sample]) -> Verdict:
    """Hold a target against the median of the ratios."""
    found = ratios(samples, target.case, target.peer)
    if not found:
        return Verdict(target.text, None, f"{target.peer} was not measured")
    middle = statistics.median(found)
    spread = f"{middle:.2f} ({min(found):.2f}-{max(found):.2f})"
    return Verdict(target.text, middle >= target.least, spread)


def _rates(samples: Sequence[Sample], case: str, system: str) -> dict[int, float]:
    return {
        sample.number: sample.rate
        for sample in samples
        if (sample.case, sample.system) == (case, system) and sample.is_complete and sample.rate > 0
    }
