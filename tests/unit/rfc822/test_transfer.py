"""Transfer encodings and charsets: pinned cases 77 to 84 of spec rfc822 6.5, and 4.17."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    decode_base64,
    decode_quoted_printable,
    encode_base64,
    encode_quoted_printable,
)
from couriermail.rfc822.charset import decode_charset, find_codec


@pytest.mark.parametrize(
    ("data", "decoded"),
    [
        pytest.param(b"a=\nb\n", b"ab\n", id="77-soft-break"),
        pytest.param(b"=c3=a9", b"\xc3\xa9", id="77-lower-case"),
        pytest.param(b"a_b", b"a_b", id="77-underscore"),
        pytest.param(b"\xc3\xa9", b"\xc3\xa9", id="77-raw-8bit"),
        pytest.param(b"a= \t\nb\n", b"ab\n", id="78-blanks-in-soft-break"),
        pytest.param(b"a=\r\nb\r\n", b"ab\r\n", id="crlf"),
        pytest.param(b"a=zz", b"a=zz", id="bad-escape-stays"),
        pytest.param(b"a==41", b"a=A", id="two-equals"),
        pytest.param(b"a==\nb", b"a=b", id="equals-before-soft-break"),
        pytest.param(b"a=", b"a", id="equals-at-end"),
        pytest.param(b"a=\rb", b"a=\rb", id="lone-cr"),
        pytest.param(b"a=89=E9", b"a\x89\xe9", id="hex-8-and-9"),
        pytest.param(b"a \nb\t\n", b"a \nb\t\n", id="trailing-blanks-stay"),
    ],
)
def test_quoted_printable_is_decoded(data: bytes, decoded: bytes) -> None:
    assert decode_quoted_printable(data) == decoded


@pytest.mark.parametrize(
    ("data", "decoded"),
    [
        pytest.param(b"aG@V!sbG8=", b"hello", id="79-foreign-characters"),
        pytest.param(b"aGVsbG8=\naGVsbG8=", b"hellohello", id="79-concatenated"),
        pytest.param(b"aGVsbG8", b"hello", id="80-no-padding"),
        pytest.param(b"aGVsbA", b"hell", id="two-left-over"),
        pytest.param(b"aGVsb", b"hel", id="one-left-over"),
        pytest.param(b"====", b"", id="only-padding"),
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"\0\xffaGk=\n--", b"hi", id="line-noise"),
    ],
)
def test_base64_is_decoded(data: bytes, decoded: bytes) -> None:
    assert decode_base64(data) == decoded


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        pytest.param(b"a  \nb\n", b"a =20\nb\n", id="81-blank-before-line-end"),
        pytest.param(b"a\tb\t\n", b"a=09b=09\n", id="81-tab"),
        pytest.param(b"a\rb\n", b"a=0Db\n", id="81-cr"),
        pytest.param(b"\x7f", b"=7F", id="81-del"),
        pytest.param(b"x" * 73 + b"\n", b"x" * 73 + b"\n", id="82-73"),
        pytest.param(b"x" * 74 + b"\n", b"x" * 73 + b"=\nx\n", id="82-74"),
        pytest.param(b"x" * 71 + b"==", b"x" * 71 + b"=3D=\n=3D", id="83"),
        pytest.param(b"a ", b"a=20", id="blank-at-the-end"),
        pytest.param(b"", b"", id="empty"),
    ],
)
def test_quoted_printable_is_encoded(data: bytes, encoded: bytes) -> None:
    assert encode_quoted_printable(data) == encoded


@pytest.mark.parametrize("data", [b" " * 200, b"\xff" * 200, b"=a" * 100, b"x" * 70 + b"==" * 9])
def test_encoded_lines_have_at_most_76_octets(data: bytes) -> None:
    encoded = encode_quoted_printable(data)
    assert max(map(len, encoded.split(b"\n"))) <= 76
    assert decode_quoted_printable(encoded) == data


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        pytest.param(b"x" * 57, b"eHh4" * 19 + b"\n", id="84-57"),
        pytest.param(b"x" * 58, b"eHh4" * 19 + b"\neA==\n", id="84-58"),
        pytest.param(b"", b"", id="empty"),
    ],
)
def test_base64_is_encoded_in_lines_of_76(data: bytes, encoded: bytes) -> None:
    assert encode_base64(data) == encoded


@pytest.mark.parametrize(
    ("octets", "charset", "text", "is_faithful"),
    [
        pytest.param(b"h\xe9", "ISO-8859-1", "hé", True, id="latin-1"),
        pytest.param(b"h\xff\xc3\xa9", "utf-8", "h<FF>é", False, id="damaged"),
        pytest.param(b"h\xe9", "us-ascii", "h<E9>", False, id="8bit-in-ascii"),
        pytest.param(b"h\xe9", "unknown-8bit", "hé", False, id="unknown-latin-1"),
        pytest.param(b"h\xc3\xa9", "x-unknown", "hé", False, id="unknown-utf-8"),
        pytest.param(b"\x93\xfa", "Windows-31J", "日", True, id="alias"),
        pytest.param(b"\xe9", "cp-1252", "é", True, id="cp-dash"),
        pytest.param(b"\x1b$BF|\x1b(B", "iso-2022-jp", "日", True, id="stateful"),
        pytest.param(b"\xff", "iso-2022-jp", "<FF>", False, id="stateful-damaged"),
        pytest.param(b"a", "utf-16", "<61>", False, id="cut-in-a-character"),
    ],
)
def test_charsets_never_fail(octets: bytes, charset: str, text: str, is_faithful: bool) -> None:
    assert decode_charset(octets, charset) == (text, is_faithful)


@pytest.mark.parametrize(
    "name",
    [
        "rot13",
        "hex",
        "zlib",
        "idna",
        "punycode",
        "unicode_escape",
        "undefined",
        "",
        "é",
        "a" * 99,
        "os.path",
        "__init__",
        "aliases",
    ],
)
def test_what_is_no_charset_of_mail_is_unknown(name: str) -> None:
    assert find_codec(name) is None
