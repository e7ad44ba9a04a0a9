"""The sample limiter of pyfilter: one client's mail in a sliding window (spec filter 4.24)."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.filter.courierfilter import (
    FilterConfigError,
    FilteredMessage,
    FilterPlaces,
    FilterRequest,
    ScriptJudge,
)
from couriermail.filter.courierfilter.relaylimit import RelayLimiter

RELAYING = "ORELAYCLIENT=\nOTCPREMOTEIP=::ffff:192.0.2.1\n"
SLOW_DOWN = "552 192.0.2.1 is sending too much mail, slow down.\n"
OK = "200 Ok.\n"


@pytest.fixture
def places(tmp_path: Path) -> FilterPlaces:
    (tmp_path / "etc/filters").mkdir(parents=True)
    return FilterPlaces(str(tmp_path / "etc"), str(tmp_path / "state"))


def mail(tmp_path: Path, envelope: str = RELAYING, recipients: int = 2) -> FilteredMessage:
    control = tmp_path / "C"
    people = "".join(f"rbob{number}@example.com\nR\nN\n" for number in range(recipients))
    control.write_text(f"sann@example.com\nM1.2.3\n{people}{envelope}")
    return FilteredMessage(FilterRequest(str(tmp_path / "D"), (str(control),)))


def test_recipients_in_the_window_count_and_refused_mail_does_not(tmp_path: Path) -> None:
    clock = ManualClock()
    limiter = RelayLimiter(window=100, limit=5, clock=clock)
    said = []
    for seconds in (60, 30, 5, 6, 30):
        said.append(limiter.judge(mail(tmp_path)).reply())
        clock.advance(seconds)
    assert said == [OK, OK, SLOW_DOWN, SLOW_DOWN, OK]


@pytest.mark.parametrize(
    ("envelope", "reply"),
    [
        (RELAYING, SLOW_DOWN),
        ("iann\n" + RELAYING, "552 ann is sending too much mail, slow down.\n"),
        ("OTCPREMOTEIP=192.0.2.1\n", OK),
        ("ORELAYCLIENT=\nOTCPREMOTEIP=127.0.0.1\n", OK),
        ("ORELAYCLIENT=\n", OK),
    ],
    ids=["address", "login", "external", "excluded", "nobody"],
)
def test_clients_that_relay_are_limited(tmp_path: Path, envelope: str, reply: str) -> None:
    assert RelayLimiter(limit=1).judge(mail(tmp_path, envelope)).reply() == reply


def test_no_more_messages_are_remembered_than_said(tmp_path: Path) -> None:
    limiter = RelayLimiter(limit=2, messages=1, counts_messages=True)
    assert [limiter.judge(mail(tmp_path)).reply() for _ in range(4)] == [OK] * 4


def test_the_settings_are_read_and_the_counts_written(tmp_path: Path, places: FilterPlaces) -> None:
    settings = Path(places.settings)
    (settings / "perlfilter-ratelimit").write_text(
        '# ours\nWINDOW = "60"\nLIMIT=3\nCOUNT=m\nEXCLUDE=ann, 192.0.2.9\nEXTERNAL=1\nMESSAGES=9\n'
    )
    limiter = RelayLimiter.configured(places)
    assert (limiter.window, limiter.messages, limiter.limit) == (60, 9, 3)
    assert (limiter.counts_messages, limiter.external) == (True, True)
    assert limiter.exclude == {"ann", "192.0.2.9"}

    dump = settings / "perlfilter-dump"
    limiter.judge(mail(tmp_path))
    assert not dump.exists()
    dump.touch()
    limiter.judge(mail(tmp_path))
    limiter.judge(mail(tmp_path))
    assert dump.read_text() == "192.0.2.1 2\n"
    assert limiter.judge(mail(tmp_path)).reply() == SLOW_DOWN


@pytest.mark.parametrize("text", ["LIMIT=many", "WINDOW=", "COUNT=x", "EXTERNAL=yes"])
def test_a_value_that_cannot_be_used_is_an_error(places: FilterPlaces, text: str) -> None:
    Path(places.settings, "perlfilter-ratelimit").write_text(text)
    with pytest.raises(FilterConfigError, match=text.partition("=")[0]):
        RelayLimiter.configured(places)


def test_pyfilter_takes_it_as_a_module(
    tmp_path: Path, places: FilterPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    from couriermail.filter.courierfilter import relaylimit

    Path(places.settings, "perlfilter-ratelimit").write_text("LIMIT=1\n")
    monkeypatch.setenv("sysconfdir", places.config)
    relaylimit._configured.cache_clear()
    judge = ScriptJudge("couriermail.filter.courierfilter.relaylimit")
    try:
        assert judge(mail(tmp_path)) == SLOW_DOWN
    finally:
        relaylimit._configured.cache_clear()
