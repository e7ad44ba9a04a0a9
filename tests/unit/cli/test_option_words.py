"""Options with values: where the value is found, and what is no option."""

from __future__ import annotations

import pytest

from couriermail.cli.option_words import take_value


@pytest.mark.parametrize(
    ("word", "rest", "expected", "left"),
    [
        ("-q10S", ["x"], ("quota", "10S"), ["x"]),
        ("-q", ["10S", "x"], ("quota", "10S"), ["x"]),
        ("-q", ["", "x"], ("quota", ""), ["x"]),
        ("-q", ["-q"], ("quota", "-q"), []),
        ("--add", ["a=b"], ("add", "a=b"), []),
        ("-q", [], None, []),
        ("--add", [], None, []),
        ("-z", ["x"], None, ["x"]),
        ("--addition", ["x"], None, ["x"]),
    ],
    ids=[
        "in the word", "the next word", "an empty word", "what looks like an option", "long",
        "missing", "missing, long", "an unknown letter", "an unknown word",
    ],
)  # fmt: skip
def test_a_value_is_taken(
    word: str, rest: list[str], expected: tuple[str, str] | None, left: list[str]
) -> None:
    found = take_value(word, rest, letters={"-q": "quota"}, words={"--add": "add"})
    assert (found, rest) == (expected, left)
