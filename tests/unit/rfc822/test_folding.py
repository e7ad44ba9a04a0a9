"""Folding of generated fields (spec rfc822 4.10.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import (
    ContentType,
    encode_words,
    fold_parameters,
    fold_text,
    format_parameter,
)


@pytest.mark.parametrize(
    ("value", "width", "raw"),
    [
        pytest.param("short", 78, b"Subject: short\n", id="short"),
        pytest.param("one two three", 16, b"Subject: one two\n three\n", id="at-a-blank"),
        pytest.param("x" * 30 + " y", 20, b"Subject: " + b"x" * 30 + b"\n y\n", id="long-word"),
        pytest.param("a  b", 10, b"Subject: a \n b\n", id="second-blank-stays-before"),
        pytest.param("a\r\nBcc: evil", 78, b"Subject: a  Bcc: evil\n", id="no-injection"),
        pytest.param("", 78, b"Subject: \n", id="empty"),
    ],
)
def test_text_folds_at_blanks(value: str, width: int, raw: bytes) -> None:
    assert fold_text("Subject", value, width=width).raw == raw


@given(st.text(st.sampled_from("ab  é"), max_size=120), st.integers(10, 80))
def test_unfolding_gives_the_text_back(text: str, width: int) -> None:
    """What was folded is unfolded to the same text (RFC 5322 2.2.3)."""
    value = text.strip(" ")
    field = fold_text("Subject", value, width=width)
    assert field.value == value
    assert field.raw.replace(b"\n", b"").decode() == f"Subject: {value}"
    assert all(line.strip() for line in field.raw.split(b"\n")[:-1])


def test_encoded_text_fits_its_lines() -> None:
    field = fold_text("Subject", encode_words("été " * 60))
    assert max(map(len, field.raw.split(b"\n"))) <= 78
    assert field.text.strip() == ("été " * 60).strip()


def test_parameters_stand_on_their_own_lines() -> None:
    field = fold_parameters("Content-Type", "text/plain", format_parameter("name", "é" * 40))
    assert ContentType.parse(field.raw_value).get("name") == "é" * 40
    assert max(map(len, field.raw.split(b"\n"))) <= 78
