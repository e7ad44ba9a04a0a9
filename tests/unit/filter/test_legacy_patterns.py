"""Patterns of maildrop 1.x under MAILDROP_OLD_REGEXP: spec filter 4.10."""

from __future__ import annotations

import pytest

from couriermail.filter import DecisionHost, FilterOutcome, compile_recipe
from couriermail.filter.legacy import translate_legacy

MESSAGE = b"""Received: from a.example ([192.0.2.17]) by b
Subject: Hello World
X-Num: 5

first line
second line
"""


def run(recipe: str, *, old: str = "1") -> FilterOutcome:
    text = f"MAILDROP_OLD_REGEXP={old}\n{recipe}\nexit\n"
    return compile_recipe(text, name="r").run(MESSAGE, host=DecisionHost())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"abc", b"abc"),
        (b"a!b!c", b"(a)(b)(c)"),
        (rb"a\!b[!]", b"a\\!b[!]"),
        (b"(a|b)c", b"(?:a|b)c"),
        (b"[:alpha:]+", b"[[:alpha:]]+"),
        (b"[[:digit:]x]", b"[[:digit:]x]"),
        (b"[]a]!b", b"([]a])(b)"),
        (b"[:wbreak:]x", b"(?:^|$|[^[:alnum:]_])x"),
        (rb"\t\v\101\w\.", rb"\t\x0b\x41w\."),
        (b"[a", b"[a"),
        (b"a\\", b"a\\"),
    ],
)
def test_an_old_pattern_is_rewritten(old: bytes, new: bytes) -> None:
    assert translate_legacy(old)[0] == new


def test_segments_are_greedy_from_left_to_right() -> None:
    outcome = run("/^Received:.*![0-9.]+/")
    assert outcome.variable("MATCH2") == "7"
    outcome = run(r"/^Received:.*\[![0-9.]+/")
    assert outcome.variable("MATCH") == "Received: from a.example (["
    assert outcome.variable("MATCH2") == "192.0.2.17"


def test_parentheses_take_no_number() -> None:
    outcome = run("MATCH1=kept\n/^(sub|x)ject:/")
    assert (outcome.variable("MATCH"), outcome.variable("MATCH1")) == ("Subject:", "kept")


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"/World\nX-Num/:wh", "1"),
        (r"/first line\nsecond/:wb", "1"),
        ("/^second/:wb", "1"),
        ("/^second/:wb,3", "3"),
        (r"/World\nX-Num/:h", "0"),
        ("/hello/", "1"),
        ("/hello/:D", "0"),
        ('"a-b" =~ /a[:wbreak:]b/', "1"),
        ('"aXbX" =~ /X/:2', "4"),
    ],
)
def test_old_patterns_search_as_new_ones_and_w_takes_all_lines_at_once(
    pattern: str, value: str
) -> None:
    assert run(f"R=({pattern})").variable("R") == value


def test_segments_with_option_w_cross_lines() -> None:
    outcome = run("/^first.*$!\\nsecond/:wb")
    assert outcome.variable("MATCH") == "first line"
    assert outcome.variable("MATCH2") == "\nsecond"


@pytest.mark.parametrize("text", ["0", '""', "no"])
def test_only_a_number_other_than_0_selects_them(text: str) -> None:
    assert run("R=(/(hel)lo!/)", old=text).variable("R") == "0"


def test_a_wrong_old_pattern_is_reported_like_a_new_one() -> None:
    host = DecisionHost()
    text = "MAILDROP_OLD_REGEXP=1\nR=(/(a/)\nexit\n"
    assert compile_recipe(text, name="r").run(MESSAGE, host=host).variable("R") == "0"
    assert host.traced[0].startswith(b"Invalid regular expression, offset ")
