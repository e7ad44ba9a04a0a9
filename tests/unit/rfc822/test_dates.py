"""Dates: pinned cases 44 to 49 of spec rfc822 6.3, and its extensions."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import format_date, parse_date


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        pytest.param("Mon Mar  2 2026 07:48:30 EST", 1772455710, id="44-month-first"),
        pytest.param("Aug 3 2025 07:48:30 EDT", 1754221710, id="44-no-weekday"),
        pytest.param("Feb 25 1997 10:00:00 (EST)", 856882800, id="45-zone-in-comment"),
        pytest.param("25 Feb 97 10:00 GMT", 856864800, id="46-no-seconds"),
        pytest.param("Tue, 25 Feb 69 10:00:00 +0000", 3129012000, id="46-2069"),
        pytest.param("1 Jan 2000 10:00:00", 946720800, id="47-no-zone"),
        pytest.param("1 Jan 2000 10:00:00 A", 946724400, id="47-military"),
        pytest.param("1 Jan 2000 10:00:00 +0530", 946701000, id="47-offset"),
        pytest.param("1 Jan 2000 10:00:00 +9999", 946720800, id="47-nonsense-offset"),
        pytest.param("30 Feb 2000 10:00:00", None, id="48-no-such-day"),
        pytest.param("1 Jan 2000 24:00:00 +0000", None, id="48-no-such-hour"),
        pytest.param("1 Jan 2000 10.00.00 +0000", None, id="48-dots"),
        pytest.param("2000-01-01T10:00:00Z", None, id="48-iso"),
        pytest.param("", None, id="48-empty"),
        pytest.param("Tue, 14 Nov 2023 22:13:20 +0000", 1700000000, id="usual"),
        pytest.param("Tue, 14 Nov 2023 17:13:20 -0500", 1700000000, id="usual-west"),
        pytest.param("Tue, 14 November 2023 22:13:20 +0000", 1700000000, id="full-month"),
        pytest.param("14-Nov-2023 22:13:20 +0000", 1700000000, id="dashes"),
        pytest.param("14 Nov 123 22:13:20 +0000", 1700000000, id="three-digit-year"),
        pytest.param("1 Jan 2017 23:59:60 +0000", 1483315199, id="leap-second"),
        pytest.param("1 Jan 2000 10:00:00 CEST", 946720800, id="unknown-zone"),
        pytest.param("Thu, 1 Jan 1970 00:00:00 +0000", 0, id="epoch"),
        pytest.param("Wed, 31 Dec 1969 23:59:59 +0000", -1, id="before-1970"),
        pytest.param("29 Feb 2024 00:00:00 +0000", 1709164800, id="leap-day"),
        pytest.param("29 Feb 1900 00:00:00 +0000", None, id="no-leap-day"),
        pytest.param("Mon,", None, id="weekday-only"),
        pytest.param("1 Jan 0 00:00:00 +0000", 946684800, id="year-0-is-2000"),
        pytest.param("1 Jan 0000 00:00:00 +0000", None, id="year-0000"),
        pytest.param("1 Jan 99999 00:00:00 +0000", None, id="year-99999"),
        pytest.param("1 Jan 2000 10:00:00.5 +0100", 946720800, id="fraction"),
        pytest.param("Tue, 14 Nov 2023 22:13:20 +00000", 1700000000, id="five-digit-zone"),
    ],
)
def test_a_date_is_read_or_refused(value: str, epoch: int | None) -> None:
    assert parse_date(value) == epoch
    assert parse_date(value.encode()) == epoch


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        pytest.param(0, "Tue, 14 Nov 2023 22:13:20 +0000", id="49-utc"),
        pytest.param(-18000, "Tue, 14 Nov 2023 17:13:20 -0500", id="49-new-york"),
        pytest.param(19800, "Wed, 15 Nov 2023 03:43:20 +0530", id="49-kolkata"),
        pytest.param(-12600, "Tue, 14 Nov 2023 18:43:20 -0330", id="half-hour-west"),
        pytest.param(1, "Tue, 14 Nov 2023 22:13:20 +0000", id="no-whole-minute"),
        pytest.param(90_000, "Tue, 14 Nov 2023 22:13:20 +0000", id="more-than-a-day"),
    ],
)
def test_a_date_is_written_for_an_offset(offset: int, text: str) -> None:
    assert format_date(1700000000, offset) == text


def test_the_day_has_two_digits_and_the_year_four() -> None:
    assert format_date(-62135596800) == "Mon, 01 Jan 0001 00:00:00 +0000"


def test_times_out_of_range_are_written_as_the_nearest_date() -> None:
    assert format_date(1e18).startswith("Fri, 31 Dec 9999")
