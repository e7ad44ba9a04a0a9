"""Header blocks: splitting, look-up, streaming, limits (spec rfc822 4.10, section 7)."""

from __future__ import annotations

import pytest

from couriermail.core import CouriermailError, LimitExceededError
from couriermail.rfc822 import Field, HeaderLimitError, HeaderReader, Headers, MissingFieldError

BLOCK = (
    b"Received: from a\n  by b\n\tid c\n"
    b"Subject: =?utf-8?q?h=C3=A9?= there\n"
    b"X-Odd line without colon\n"
    b"subject : second\r\n"
    b"To: a@example.com,\r\n b@example.com\r\n"
    b"\n"
)


def test_fields_and_separator_are_the_block_again() -> None:
    headers = Headers(BLOCK)
    assert b"".join(field.raw for field in headers) + headers.separator == BLOCK
    assert bytes(headers) == BLOCK


def test_the_index_of_a_field_is_found_by_name() -> None:
    headers = Headers(BLOCK)
    assert headers.positions("SUBJECT") == [1, 3]
    assert len(headers) == 5


def test_text_is_decoded_and_first_field_wins() -> None:
    headers = Headers(BLOCK)
    assert headers["subject"] == "hé there"
    assert headers.get_all("Subject") == ["hé there", "second"]


def test_blanks_before_the_colon_belong_to_no_name() -> None:
    assert [field.name for field in Headers(BLOCK).get_fields("Subject")] == ["Subject", "subject"]


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        pytest.param(b"A: b\n", "A", "b", id="plain"),
        pytest.param(b"A:b", "A", "b", id="no-line-end"),
        pytest.param(b"A: \t b \r\n", "A", "b ", id="trailing-blank-stays"),
        pytest.param(b"A: b\r\n c\r\n", "A", "b c", id="folded-crlf"),
        pytest.param(b"A: b\n \t c\n\td\n", "A", "b c d", id="folded-lf"),
        pytest.param(b"A: b\rc\n", "A", "b\rc", id="lone-cr-is-data"),
        pytest.param(b"no colon\n", "no colon", "", id="no-colon"),
        pytest.param(b" continuation first: x\n", "continuation first", "x", id="leading-blank"),
        pytest.param(b"A: \xe9\n", "A", "é", id="latin-1"),
        pytest.param(b"A: \xc3\xa9\n", "A", "é", id="utf-8"),
    ],
)
def test_a_field_reads_name_and_value(raw: bytes, name: str, value: str) -> None:
    field = Field(raw)
    assert (field.name, field.value, field.raw) == (name, value, raw)


def test_renaming_keeps_every_other_octet() -> None:
    assert (
        Field(b"Return-Path : <a>\r\n").renamed("Old-Return-Path").raw
        == b"Old-Return-Path: <a>\r\n"
    )


def test_making_a_field_writes_utf8() -> None:
    assert Field.make("Subject", "hé\n there").raw == b"Subject: h\xc3\xa9\n there\n"


def test_a_line_of_blanks_continues_the_field() -> None:
    assert [field.raw for field in Headers(b"A: b\n \nC: d\n\n")] == [b"A: b\n \n", b"C: d\n"]


@pytest.mark.parametrize("block", [b"", b"\n", b"\r\n"])
def test_an_empty_header_has_no_fields(block: bytes) -> None:
    assert list(Headers(block)) == []


def test_what_follows_the_empty_line_is_no_header() -> None:
    headers = Headers(b"A: b\n\nSubject: body\n")
    assert "Subject" not in headers
    assert headers.raw == b"A: b\n\n"


def test_a_missing_field_is_an_error_of_this_room_and_a_key_error() -> None:
    headers = Headers(BLOCK)
    with pytest.raises(MissingFieldError, match="no header field 'Nope'") as caught:
        headers["Nope"]
    assert isinstance(caught.value, (KeyError, CouriermailError))
    assert headers.get("Nope") is None
    assert headers.get("Nope", "x") == "x"


def test_a_name_inside_a_value_is_not_found() -> None:
    assert Headers(b"A: x\n Subject: no\nSubjective: no\nSubject: yes\n").get_all("Subject") == [
        "yes"
    ]


def test_addresses_come_from_all_fields_of_the_name() -> None:
    block = b"To: a@example.com,\n b@example.com\nto: g: c@example.com;\n"
    assert [a.addr_spec for a in Headers(block).addresses("To")] == [
        "a@example.com",
        "b@example.com",
        "c@example.com",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_reader_gives_back_the_beginning_of_the_body(size: int, line_end: bytes) -> None:
    block = line_end.join([b"A: b", b" c", b"D: e", b"", b""])
    reader, data = HeaderReader(), block + b"body\n\nmore"
    body = b""
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        body += reader.rest
    assert (reader.headers.raw, body) == (block, b"body\n\nmore")


def test_a_header_without_empty_line_is_complete_at_the_end() -> None:
    reader = HeaderReader()
    assert not reader.feed(b"A: b\nC: d")
    reader.close()
    assert reader.is_complete
    assert reader.headers["C"] == "d"
    assert reader.rest == b""


def test_a_body_that_starts_at_once_has_no_header() -> None:
    reader = HeaderReader()
    assert reader.feed(b"\nbody")
    assert (list(reader.headers), reader.rest) == ([], b"body")


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_a_reader_refuses_a_header_over_its_limit(size: int) -> None:
    reader, data = HeaderReader(max_bytes=100), b"A: b\n" * 30 + b"\n"

    def feed_all() -> None:
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])

    with pytest.raises(HeaderLimitError) as caught:
        feed_all()
    assert isinstance(caught.value, LimitExceededError)
    assert (caught.value.limit, caught.value.maximum) == ("max_bytes", 100)
    assert caught.value.reply.code == 534


def test_a_reader_counts_fields() -> None:
    with pytest.raises(HeaderLimitError, match="more than 2"):
        HeaderReader(max_fields=2).feed(b"A: 1\nB: 2\nC: 3\n\n")
    assert HeaderReader(max_fields=2).feed(b"A: 1\nB: 2\n\n")


def test_only_the_mime_fields_can_be_kept() -> None:
    headers = Headers(b"A: b\r\nMIME-Version: 1.0\r\nContent-X: y\r\n\tz\r\nTo: c\r\n\r\nbody")
    assert headers.mime_only() == b"MIME-Version: 1.0\r\nContent-X: y\r\n\tz\r\n\r\n"
