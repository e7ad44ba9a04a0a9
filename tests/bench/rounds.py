"""Runs every case on every system, in turns, round after round.

A shared machine is fast in one minute and slow in the next.  So the systems take turns within a
case, and only figures of the same case and round are divided by each other.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import attrs
from tests.bench.deliveries import await_deliveries, empty
from tests.bench.machine import Calibration, calibrate
from tests.bench.peers.mailsystem import RECIPIENTS, Endpoint
from tests.bench.perftest1 import Perftest1, through_sendmail, through_smtp
from tests.bench.smtpload import SmtpLoad, ordinary_message, run_load

__all__ = ["CASES", "Case", "Sample", "Sizes", "run_rounds"]

BODY_SIZE = 3072


@attrs.frozen(kw_only=True)
class Sizes:
    """How much a run sends.

    Attributes:
        perftest1: messages of perftest1, five recipients each.
        acceptance: messages of each acceptance case with 10 and 40 sessions; one session sends a
            quarter.
    """

    perftest1: int = 1000
    acceptance: int = 1000


@attrs.frozen(kw_only=True)
class Sample:
    """One case on one system in one round.

    Attributes:
        case: the case's key.
        system: the system's name.
        number: of the round.
        rate: the case's figure, more is better.
        is_complete: False when messages are missing; such a rate is not compared.
        details: what else was measured.
    """

    case: str
    system: str
    number: int
    rate: float
    is_complete: bool
    details: dict[str, float]


@attrs.frozen
class _Figure:
    rate: float
    is_complete: bool
    details: dict[str, float]


@attrs.frozen(kw_only=True)
class Case:
    """One thing that is measured.

    Attributes:
        key: its short name.
        title: its line in the report.
        measure: runs it on an endpoint.
        needs_sendmail: True when systems without a submission command are left out.
    """

    key: str
    title: str
    measure: Callable[[Endpoint, Sizes], _Figure]
    needs_sendmail: bool = False


def _perftest1_sendmail(endpoint: Endpoint, sizes: Sizes) -> _Figure:
    return _of_perftest1(
        through_sendmail(endpoint.sendmail, RECIPIENTS, endpoint.maildir, sizes.perftest1)
    )


def _perftest1_smtp(endpoint: Endpoint, sizes: Sizes) -> _Figure:
    return _of_perftest1(
        through_smtp(endpoint.smtp_port, RECIPIENTS, endpoint.maildir, sizes.perftest1)
    )


def _of_perftest1(result: Perftest1) -> _Figure:
    is_complete = result.delivered == result.wanted and not result.failures
    return _Figure(result.deliveries_per_second, is_complete, attrs.asdict(result))


@contextmanager
def _paused(pid: int) -> Iterator[None]:
    """Stop a process for a while; does nothing for pid 0."""
    if pid:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if pid:
            os.kill(pid, signal.SIGCONT)


def _acceptance(
    sessions: int, *, with_deliveries: bool = True
) -> Callable[[Endpoint, Sizes], _Figure]:
    def measure(endpoint: Endpoint, sizes: Sizes) -> _Figure:
        messages = sizes.acceptance if sessions > 1 else max(1, sizes.acceptance // 4)
        empty(endpoint.maildir)
        load = SmtpLoad(
            port=endpoint.smtp_port,
            sessions=sessions,
            messages=messages,
            recipients=RECIPIENTS[:1],
            body=ordinary_message(BODY_SIZE),
        )
        with _paused(0 if with_deliveries else endpoint.scheduler):
            result = run_load(load)
        arrivals = await_deliveries(endpoint.maildir, messages)  # the next system has a quiet one
        seconds = arrivals.last - result.started
        details = {
            "accepted": result.accepted,
            "delivered": arrivals.count,
            "failures": sum(result.failures.values()),
            "median_ms": result.median_ms,
            "deliveries_per_second": arrivals.count / seconds if seconds > 0 else 0.0,
        }
        is_complete = result.accepted == arrivals.count == messages
        return _Figure(result.accepted / result.seconds, is_complete, details)

    return measure


CASES = (
    Case(
        key="sendmail",
        title="perftest1 through sendmail, deliveries/s",
        measure=_perftest1_sendmail,
        needs_sendmail=True,
    ),
    Case(key="smtp", title="perftest1 through SMTP, deliveries/s", measure=_perftest1_smtp),
    Case(key="accept-1", title="SMTP, 1 session, accepted/s", measure=_acceptance(1)),
    Case(key="accept-10", title="SMTP, 10 sessions, accepted/s", measure=_acceptance(10)),
    Case(
        key="accept-10-alone",
        title="SMTP, 10 sessions, ours delivers later",
        measure=_acceptance(10, with_deliveries=False),
    ),
    Case(key="accept-40", title="SMTP, 40 sessions, accepted/s", measure=_acceptance(40)),
)


def run_rounds(
    endpoints: dict[str, Endpoint],
    *,
    rounds: int,
    sizes: Sizes,
    cases: Sequence[Case] = CASES,
    on_calibration: Callable[[int, Calibration], None] = lambda number, calibration: None,
) -> Iterator[Sample]:
    """Measure and yield samples as they come.

    Args:
        endpoints: running systems by name.
        rounds: how many.
        sizes: how much each case sends.
        cases: which.
        on_calibration: told the state of the machine before each round.
    """
    for number in range(1, rounds + 1):
        on_calibration(number, calibrate())
        for case in cases:
            for name in _turn(list(endpoints), number):
                endpoint = endpoints[name]
                if case.needs_sendmail and not endpoint.sendmail:
                    continue
                figure = case.measure(endpoint, sizes)
                yield Sample(
                    case=case.key,
                    system=name,
                    number=number,
                    rate=figure.rate,
                    is_complete=figure.is_complete,
                    details=figure.details,
                )
                time.sleep(0.2)  # what a system does after its last delivery is its own


def _turn(names: list[str], number: int) -> list[str]:
    """Another system begins in each round."""
    shift = (number - 1) % len(names)
    return names[shift:] + names[:shift]
