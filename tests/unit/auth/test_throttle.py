"""Failed logins per client address (spec auth 7), with a clock that is turned by hand."""

from __future__ import annotations

import logging

import pytest

from couriermail.auth import LoginThrottle, parse_authdaemonrc
from couriermail.auth.rcfile import RcFileError
from couriermail.core import ManualClock

GUESSER = "192.0.2.7"


def throttle(clock: ManualClock | None = None, **limits: int) -> LoginThrottle:
    return LoginThrottle(failures=3, seconds=30, clock=clock or ManualClock(), **limits)


def fail(held: LoginThrottle, address: str | None, count: int) -> None:
    for _ in range(count):
        held.record_failure(address)


def test_an_address_has_so_many_failures_at_once() -> None:
    held = throttle()
    fail(held, GUESSER, 2)
    assert not held.is_blocked(GUESSER)
    fail(held, GUESSER, 1)
    assert held.is_blocked(GUESSER)
    assert not held.is_blocked("192.0.2.8")


def test_then_one_try_comes_back_at_a_time() -> None:
    clock = ManualClock()
    held = throttle(clock)
    fail(held, GUESSER, 3)
    clock.advance(9.9)
    assert held.is_blocked(GUESSER)
    clock.advance(0.2)
    assert not held.is_blocked(GUESSER)
    fail(held, GUESSER, 1)
    assert held.is_blocked(GUESSER)
    clock.advance(30)
    fail(held, GUESSER, 2)
    assert not held.is_blocked(GUESSER)


def test_guesses_in_a_day_are_bounded() -> None:
    clock = ManualClock()
    held = throttle(clock)
    tried = 0
    for _ in range(86_400):
        if not held.is_blocked(GUESSER):
            tried += 1
            held.record_failure(GUESSER)
        clock.advance(1)
    assert tried <= 3 + 86_400 / 10


@pytest.mark.parametrize("address", [None, "", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_servers_on_this_machine_are_never_held_up(address: str | None) -> None:
    held = throttle()
    fail(held, address, 10)
    assert not held.is_blocked(address)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("192.0.2.7", "192.0.2.6", False),
        ("what is this", "what is this", True),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, is_same: bool) -> None:
    held = throttle()
    fail(held, one, 3)
    assert held.is_blocked(other) == is_same


def test_memory_is_bounded_and_the_newest_stay() -> None:
    clock = ManualClock()
    held = throttle(clock, max_addresses=100)
    for number in range(1000):
        fail(held, f"10.0.{number // 250}.{number % 250}", 3)
        clock.advance(0.001)
    assert len(held._buckets) == 100
    assert held.is_blocked("10.0.3.249")
    assert not held.is_blocked("10.0.0.0")
    clock.advance(60)
    for number in range(60):  # those of long ago go two at a time
        fail(held, f"10.9.9.{number}", 1)
    assert len(held._buckets) == 60


def test_the_log_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        held = throttle()
        fail(held, GUESSER, 6)
    assert [record.getMessage() for record in caplog.records] == [
        "192.0.2.7: too many failed logins, refused for a while"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", (0, 300)), ("loginfailures=5", (5, 300)), ('loginfailures="5 / 60"', (5, 60))],
)
def test_authdaemonrc_sets_it(text: str, expected: tuple[int, int]) -> None:
    settings = parse_authdaemonrc(f"daemons=1\n{text}\n")
    assert (settings.login_failures, settings.login_failure_seconds) == expected


@pytest.mark.parametrize("value", ["many", "5/", "5/0", "/60", "-1", "5/60/7"])
def test_a_setting_that_is_none_is_an_error(value: str) -> None:
    with pytest.raises(RcFileError, match="COUNT/SECONDS"):
        parse_authdaemonrc(f"daemons=1\nloginfailures={value}\n")
