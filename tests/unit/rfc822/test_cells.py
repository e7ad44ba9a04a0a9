"""Widths and line breaks for terminals (spec rfc822 4.17)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import display_width, wrap_text


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        pytest.param("abc", 3, id="ascii"),
        pytest.param("a\0b\nc", 3, id="nul-and-lf"),
        pytest.param("é", 1, id="latin"),
        pytest.param("e\u0301", 1, id="combining"),
        pytest.param("日本", 4, id="wide"),
        pytest.param("👩", 2, id="emoji"),
        pytest.param("a\u200bb", 2, id="zero-width"),
        pytest.param("\t\u00ad", 2, id="tab-and-soft-hyphen"),
    ],
)
def test_a_text_takes_its_cells(text: str, cells: int) -> None:
    assert display_width(text) == cells


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        pytest.param("", 5, [""], id="empty"),
        pytest.param("one two", 4, ["one ", "two"], id="blank-stays-and-counts"),
        pytest.param("one two", 3, ["one ", "two"], id="blank-does-not-fit"),
        pytest.param("well-known", 6, ["well-", "known"], id="hyphen"),
        pytest.param("a -1", 2, ["a ", "-1"], id="minus"),
        pytest.param("日本語", 4, ["日本", "語"], id="wide"),
        pytest.param("日本。語", 4, ["日", "本。", "語"], id="no-line-starts-with-a-full-stop"),
        pytest.param("C++ x", 3, ["C++ ", "x"], id="plus"),
        pytest.param("abcdefgh ij", 4, ["abcdefgh ", "ij"], id="long-word"),
    ],
)
def test_lines_break_where_they_may(text: str, width: int, lines: list[str]) -> None:
    assert wrap_text(text, width) == lines


def test_long_words_are_cut_between_characters() -> None:
    assert wrap_text("e\u0301" * 5, 2, cut_words=True) == ["e\u0301" * 2, "e\u0301" * 2, "e\u0301"]
    assert wrap_text("a bcdef", 2, cut_words=True) == ["a ", "bc", "de", "f"]


def test_long_texts_take_linear_time() -> None:
    for unit in ("a ", "a", "日", "-a", " ", "e\u0301"):
        assert "".join(wrap_text(unit * 20_000, 70, cut_words=True)) == unit * 20_000
