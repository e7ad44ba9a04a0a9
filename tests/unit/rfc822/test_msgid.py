"""Message identifiers (spec rfc822 4.7)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import fold_references, make_message_id, parse_message_ids


def test_an_identifier_names_time_and_token() -> None:
    made = make_message_id("mail.example.com", epoch=1700000000, token=0x1234)
    assert made == "<courier.000000006553F100.00001234@mail.example.com>"
    assert parse_message_ids(made) == [made[1:-1]]


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        pytest.param("<a@b>", ["a@b"], id="one"),
        pytest.param("<a . b@c>", ["a.b@c"], id="blanks-inside"),
        pytest.param("<a@b> <c@d>\n <e@f>", ["a@b", "c@d", "e@f"], id="blanks"),
        pytest.param("<a@b>,<c@d> (x) <e@f>", ["a@b", "c@d", "e@f"], id="commas-and-comments"),
        pytest.param("<>", [], id="empty"),
        pytest.param("a@b", ["a@b"], id="no-brackets"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_identifiers_are_read(value: str, ids: list[str]) -> None:
    assert parse_message_ids(value) == ids


def test_references_keep_the_newest() -> None:
    folded = fold_references([f"{n}@x" for n in range(25)])
    lines = folded.split("\n")
    assert (len(lines), lines[0], lines[-1]) == (20, "<5@x>", " " * 12 + "<24@x>")


def test_many_references_take_linear_time() -> None:
    assert len(parse_message_ids("<a@b> " * 20_000)) == 20_000
