"""Laws of header blocks, addresses and encoded words."""

from __future__ import annotations

import email.utils
import re

from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import (
    Address,
    Field,
    HeaderReader,
    Headers,
    address_to_ascii,
    address_to_unicode,
    decode_base64,
    decode_quoted_printable,
    decode_typed_address,
    decode_words,
    encode_base64,
    encode_quoted_printable,
    encode_typed_address,
    encode_words,
    format_addresses,
    format_date,
    format_parameter,
    parse_address_list,
    parse_date,
    parse_parameters,
    rewrite_address_field,
    wrap_addresses,
)
from couriermail.rfc822.address import _ListParser
from couriermail.rfc822.tokens import tokenize

PIECES = st.sampled_from(
    [b"A", b":", b" ", b"\t", b"\n", b"\r", b"\r\n", b"\xe9", b"\0", b"Subject", b"x" * 5000]
)
BLOCKS = st.lists(PIECES, max_size=40).map(b"".join)
LIST_PIECES = st.sampled_from(
    [
        "a",
        "b.c",
        "@",
        "d.example",
        " ",
        "\n ",
        ",",
        ";",
        ":",
        "<",
        ">",
        "(",
        ")",
        '"',
        "\\",
        "[",
        "]",
        "é",
        "Joe Doe",
        "=?utf-8?q?x?=",
        "=?",
        "?=",
        "a@b",
        "<c@d>",
        "%",
        "!",
        "=",
        "'",
        '"q, r"',
        "\ud800",
    ]
)
LISTS = st.lists(LIST_PIECES, max_size=25).map("".join)


@given(BLOCKS)
def test_fields_joined_are_the_block(block: bytes) -> None:
    """What was not changed is written back octet for octet."""
    headers = Headers(block)
    assert b"".join(field.raw for field in headers) + headers.separator == headers.raw
    assert block.startswith(headers.raw)


@given(BLOCKS)
def test_looking_up_finds_what_iteration_finds(block: bytes) -> None:
    """`headers.get_fields(name)` are the fields whose name it is."""
    headers = Headers(block)
    for key in {field.key for field in headers if field.has_colon and field.key}:
        name = key.decode("utf-8", "surrogateescape")
        expected = [field for field in headers if field.key == key]
        if not any(field.raw[:1] in (b" ", b"\t") for field in expected):  # a leading continuation
            assert headers.get_fields(name) == expected


@given(BLOCKS, st.lists(st.integers(1, 20), min_size=1, max_size=10))
def test_a_header_is_the_same_however_it_is_cut(block: bytes, sizes: list[int]) -> None:
    """`HeaderReader` gives the same header and rest for every way of cutting the input."""
    reader, position, turn, rest = HeaderReader(), 0, 0, b""
    while position < len(block):
        size = sizes[turn % len(sizes)] if len(block) < 2000 else 1777
        reader.feed(block[position : position + size])
        rest += reader.rest
        position, turn = position + size, turn + 1
    reader.close()
    whole = Headers(block)
    assert reader.headers.raw == whole.raw
    assert rest == block[len(whole.raw) :]


@given(BLOCKS)
def test_every_octet_of_a_header_can_be_read_as_text(block: bytes) -> None:
    """Any octets: no exception."""
    for field in Headers(block):
        assert isinstance(field.name + field.value + field.text, str)
        assert isinstance(field.addresses(), list)


@given(LISTS)
def test_printing_a_list_and_reading_it_again_is_stable(value: str) -> None:
    """Reading what was printed prints the same."""
    printed = format_addresses(parse_address_list(value))
    again = format_addresses(parse_address_list(printed))
    assert format_addresses(parse_address_list(again)) == again


@given(LISTS)
def test_the_short_way_reads_what_the_long_way_reads(value: str) -> None:
    """Simple lists are read by a pattern; the result is that of the full parser."""
    short = parse_address_list(value)
    full = _ListParser(value, tokenize(value)).parse()
    assert format_addresses(short) == format_addresses(full)
    assert short == full
    assert [address.name for address in short] == [address.name for address in full]
    assert [address.addr_spec for address in short] == [address.addr_spec for address in full]


@given(LISTS, st.integers(1, 100))
def test_wrapped_lines_joined_are_the_list(value: str, width: int) -> None:
    """Lines break only at separators, and only elements may be longer than the width."""
    elements = parse_address_list(value)
    lines = wrap_addresses(elements, width)
    assert " ".join(lines) == format_addresses(elements)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_rewriting_with_no_change_keeps_the_addresses(value: bytes) -> None:
    """A rewriter that changes nothing changes no address."""
    field = Field(b"To: " + value.replace(b"\n", b"\n ") + b"\n")
    rewritten = Field(rewrite_address_field(field, lambda address: address))
    assert [str(a) for a in parse_address_list(rewritten.raw_value)] == [
        str(a) for a in parse_address_list(field.raw_value)
    ]
    assert rewrite_address_field(field, lambda address: address, keep_unchanged=True) == field.raw


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_can_be_a_display_name(name: str) -> None:
    """`Address.make` quotes what needs it, so that the name comes back."""
    if "=?" in name or not name.strip(" \t\r\n\f\v"):
        return
    address = parse_address_list(str(Address.make("a@b", name)))
    assert len(address) == 1
    read = address[0].name
    assert read == name or re.split(r"[ \t\r\n\f\v]+", name.strip(" \t\r\n\f\v")) == read.split(" ")


@given(
    st.text(st.characters(codec="utf-8"), max_size=80), st.sampled_from(["any", "comment", "word"])
)
def test_encoded_words_come_back(text: str, policy: str) -> None:
    """decode(encode(text)) is text; words are ASCII of at most 75 characters (RFC 2047 2)."""
    encoded = encode_words(text, "utf-8", policy)
    assert decode_words(encoded) == text
    words = re.findall(r"=\?[^?]*\?[BQ]\?[^?]*\?=", encoded)
    assert all(len(word) <= 75 and word.isascii() for word in words)


@given(st.text(max_size=60))
def test_decoding_never_fails(text: str) -> None:
    """Any text: no exception, surrogates too."""
    assert isinstance(decode_words("=?" + text + "?="), str)
    assert isinstance(decode_words(f"=?utf-8?q?{text}?= =?{text}?b?{text}?="), str)
    assert isinstance(encode_words(text), str)
    assert isinstance(address_to_ascii(text), str)
    assert isinstance(address_to_unicode(text), str)
    assert isinstance(decode_typed_address(text), str)


@given(st.binary(max_size=300))
def test_transfer_encodings_come_back(data: bytes) -> None:
    """decode(encode(data)) is data, in lines of at most 76 octets (RFC 2045 6.7, 6.8)."""
    for encoded, decode in (
        (encode_base64(data), decode_base64),
        (encode_quoted_printable(data), decode_quoted_printable),
    ):
        assert decode(encoded) == data
        assert max(map(len, encoded.split(b"\n"))) <= 76


@given(st.binary(max_size=100))
def test_transfer_decoding_never_fails(data: bytes) -> None:
    """Any octets: no exception, and never more octets than went in."""
    assert len(decode_base64(data)) <= len(data)
    assert len(decode_quoted_printable(data)) <= len(data)


@given(st.integers(-62135596800 + 86400, 253402300799 - 86400), st.integers(-1439, 1439))
def test_dates_come_back(epoch: int, minutes: int) -> None:
    """parse(format(t)) is t, whatever the offset; the standard library reads it likewise."""
    text = format_date(epoch, minutes * 60)
    assert parse_date(text) == epoch
    if epoch >= 0:
        parsed = email.utils.parsedate_tz(text)
        assert parsed is not None
        assert email.utils.mktime_tz(parsed) == epoch


@given(
    st.lists(
        st.sampled_from(
            [
                "1",
                "23",
                "99999",
                "Jan",
                "Febr",
                "Mon",
                ",",
                ":",
                " ",
                "-",
                "+0100",
                "2000",
                "10:20",
                ":30",
                "EST",
                "(",
                "é",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_dates_never_fail(text: str) -> None:
    """Any text is a number of seconds or None."""
    found = parse_date(text)
    assert found is None or isinstance(found, int)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=100))
def test_parameters_come_back(value: str) -> None:
    """RFC 2231: what is written in pieces is read as one value."""
    pieces = format_parameter("filename", value)
    assert all(piece.isascii() for piece in pieces)
    if "=?" not in value:
        assert parse_parameters("attachment; " + ";\n ".join(pieces)).get("filename") == value


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "=",
                ";",
                '"',
                "\\",
                "*",
                "*0",
                "*1*",
                "%41",
                "'",
                "utf-8''",
                " ",
                "(",
                ")",
                "/",
                "?",
                "é",
            ]
        ),
        max_size=20,
    ).map("".join)
)
def test_parameters_never_fail(value: str) -> None:
    """Any value: no exception, names in lower case, every text readable."""
    parsed = parse_parameters("x/y; " + value)
    assert all(name == name.lower() for name in parsed.parameters)
    assert all(isinstance(parsed.get(name), str) for name in parsed.parameters)


@given(
    st.text(st.characters(codec="utf-8", min_codepoint=33), min_size=1, max_size=10).filter(
        lambda s: not re.search(r"[@\x7f\s]", s)
    ),
    st.sampled_from(["utf-8", "unitext"]),
)
def test_typed_addresses_come_back(local: str, form: str) -> None:
    """RFC 6533 3: decode(encode(address)) is the address."""
    address = f"{local}@example.com"
    assert decode_typed_address(encode_typed_address(address, form)) == address
