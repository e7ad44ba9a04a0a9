"""Laws of the words between `sendmail` and the daemon (`couriermail.mta.submitwire`)."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from couriermail.mta.submitwire import (
    CHUNK_END,
    RequestReader,
    encode_answer,
    encode_chunk,
    encode_head,
    escape,
    parse_answer,
    unescape,
)

# What argv and the environment may hold: any text, undecodable bytes as surrogates.
NASTY = ["", "\\", "\\n", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x85", "\u2028", "\udcff", "a@b"]
VALUES = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=["Cs"])
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
)
NAMES = st.sampled_from(["from", "rcpt", "env.NAME", "notify"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
CHUNKS = st.lists(st.binary(max_size=50), max_size=6)


def read(data: bytes, cuts: list[int]) -> tuple[list[tuple[str, str]] | None, bytes, bool, str]:
    """Feed the bytes in the given pieces."""
    reader = RequestReader()
    message = b""
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(edges):
        message += b"".join(reader.feed(data[start:end]))
    return reader.fields, message, reader.is_complete, reader.error


@given(VALUES)
def test_a_value_survives_and_stays_on_one_line(value: str) -> None:
    """`LF, TAB and \\ in values are escaped`."""
    line = escape(value)
    assert not set(line) & set("\t\n\r")
    assert unescape(line) == value


@given(FIELDS, CHUNKS, st.lists(st.integers(0, 400), max_size=8))
def test_split_anywhere_same_request(
    fields: list[tuple[str, str]], chunks: list[bytes], cuts: list[int]
) -> None:
    """A request is one head and one message, in whatever pieces it comes."""
    data = encode_head(fields) + b"".join(map(encode_chunk, chunks)) + CHUNK_END
    expected = (fields, b"".join(chunks), True, "")
    assert read(data, cuts) == expected
    assert read(data, list(range(len(data)))) == expected


@given(FIELDS, CHUNKS, st.data())
def test_a_prefix_is_never_complete(
    fields: list[tuple[str, str]], chunks: list[bytes], data: st.DataObject
) -> None:
    """A request without its end is incomplete and is thrown away."""
    whole = encode_head(fields) + b"".join(map(encode_chunk, chunks)) + CHUNK_END
    prefix = whole[: data.draw(st.integers(0, len(whole) - 1))]
    found, message, is_complete, error = read(prefix, [])
    assert not is_complete
    assert not error
    assert b"".join(chunks).startswith(message)
    assert found in (None, fields)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_taken_without_an_exception(data: bytes, cuts: list[int]) -> None:
    """What is no request is refused with a reason, whatever follows."""
    _, _, is_complete, error = read(b"couriermail-submit 1\n" + data, cuts)
    assert not (is_complete and error)
    _, message, is_complete, error = read(data, cuts)
    if data and not b"couriermail-submit 1\n".startswith(data[:21]):
        assert (message, is_complete) == (b"", False)
        assert error


@given(st.lists(st.tuples(VALUES, VALUES), max_size=4), VALUES)
def test_an_answer_survives(refused: list[tuple[str, str]], final: str) -> None:
    """`rcpt TAB ADDRESS TAB REPLY` for refused recipients and one final `end TAB REPLY`."""
    data = encode_answer(refused, final)
    assert parse_answer(data) == (refused, final)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=4), VALUES, st.data())
def test_half_an_answer_has_no_final_reply(
    refused: list[tuple[str, str]], final: str, data: st.DataObject
) -> None:
    """The final reply is None when the daemon went away before it."""
    whole = encode_answer(refused, final)
    prefix = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert parse_answer(prefix)[1] is None
