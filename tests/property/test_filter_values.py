"""Laws of the language's values (spec filter 4.3)."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.filter.shellwords import safe_command
from couriermail.filter.values import (
    MessageText,
    format_number,
    is_true,
    join,
    marked_slice,
    to_number,
)

PIECES = st.lists(st.tuples(st.binary(max_size=6), st.booleans()), max_size=6)


def build(pieces: list[tuple[bytes, bool]]) -> bytes:
    return join([MessageText.whole(text) if foreign else text for text, foreign in pieces])


def flags(value: bytes) -> list[bool]:
    spans = value.spans if isinstance(value, MessageText) else ()
    return [any(low <= at < high for low, high in spans) for at in range(len(value))]


@given(PIECES)
def test_joining_keeps_every_mark_and_every_byte(pieces: list[tuple[bytes, bool]]) -> None:
    """ "The mark survives substitution" - byte for byte."""
    value = build(pieces)
    assert value == b"".join(text for text, _ in pieces)
    assert flags(value) == [foreign for text, foreign in pieces for _ in text]


@given(PIECES, st.integers(0, 40), st.integers(0, 40))
def test_slicing_keeps_the_marks(pieces: list[tuple[bytes, bool]], a: int, b: int) -> None:
    value = build(pieces)
    start, end = sorted((min(a, len(value)), min(b, len(value))))
    part = marked_slice(value, start, end)
    assert part == value[start:end]
    assert flags(part) == flags(value)[start:end]


@given(st.floats(allow_nan=False))
def test_a_number_survives_being_written_and_read(number: float) -> None:
    """ "Results of arithmetic are formatted like C `%.22g`", which loses nothing."""
    assert to_number(format_number(number)) == number


@given(st.text("0.", max_size=6))
def test_zeros_are_false_in_every_spelling(text: str) -> None:
    r"""False iff the trimmed text is empty or matches `0(\.0*)?` or `\.0+`."""
    assert is_true(text.encode()) is not bool(re.fullmatch(r"|0(\.0*)?|\.0+", text))


HOSTILE = st.text("ab'\"`$();|&<>\\ \n*?#~!{}=-", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (b"'", b"'", b"%b"),
        (b'"', b'"', b"%b"),
        (b"x'a ", b"'y", b"xa %by"),
        (b"\"a '", b"'\"", b"a '%b'"),
    ],
    ids=["single", "double", "inside-a-word", "single-inside-double"],
)
@given(foreign=HOSTILE)
@settings(max_examples=40, deadline=None)
def test_foreign_text_reaches_a_quoted_word_unchanged(
    before: bytes, after: bytes, shown: bytes, foreign: str
) -> None:
    """ "A hostile message cannot make the shell run a word": it stays one argument."""
    word = MessageText.whole(foreign.encode())
    text, variables = safe_command(join([b"printf %s " + before, word, after]))
    done = subprocess.run(
        [b"/bin/sh", b"-c", text], env=variables, capture_output=True, check=True, timeout=10
    )
    assert done.stdout == shown.replace(b"%b", foreign.encode())
    assert done.stderr == b""


@given(foreign=HOSTILE)
@settings(max_examples=60, deadline=None)
def test_foreign_text_outside_quotes_gives_words_and_no_commands(foreign: str) -> None:
    word = MessageText.whole(foreign.encode())
    text, variables = safe_command(join([b"set -f; printf '<%s>' ", word]))
    done = subprocess.run(
        [b"/bin/sh", b"-c", text], env=variables, capture_output=True, check=True, timeout=10
    )
    words = foreign.encode().split()
    assert done.stdout == (b"".join(b"<%b>" % each for each in words) or b"<>")
