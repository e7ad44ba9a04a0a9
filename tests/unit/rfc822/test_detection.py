"""Which encoding a body needs: pinned case 85 of spec rfc822 6.5, and 4.16."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import detect_encoding


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        pytest.param(b"hello\n", "7bit", id="85-7bit"),
        pytest.param("héllo\n".encode(), "8bit", id="85-8bit"),
        pytest.param(b"a\0b\n", "base64", id="85-nul"),
        pytest.param(b"x" * 1000, "quoted-printable", id="85-long-line"),
        pytest.param("é".encode() * 600, "base64", id="85-long-line-of-8bit"),
        pytest.param(b"a\x01b\n", "8bit", id="85-control"),
        pytest.param(b"x" * 990 + b"\n", "7bit", id="990-columns"),
        pytest.param(b"x" * 991 + b"\n", "quoted-printable", id="991-columns"),
        pytest.param(b"\xe9" * 330 + b"\n", "8bit", id="8bit-counts-three-columns"),
        pytest.param(b"\xe9" * 331 + b"\n", "base64", id="8bit-too-long"),
        pytest.param(b"", "7bit", id="empty"),
        pytest.param(b"a\tb\r\n" * 500, "7bit", id="tabs-and-crlf"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_the_encoding_fits_the_body(data: bytes, encoding: str, size: int) -> None:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert detect_encoding(data).encoding == detect_encoding(pieces).encoding == encoding


def test_only_a_nul_makes_it_binary() -> None:
    assert detect_encoding(b"a\0").is_binary
    assert not detect_encoding(b"\xff\x01").is_binary
    assert detect_encoding(b"x" * 1000).has_long_lines


def test_where_7bit_is_needed_text_is_quoted_and_the_rest_is_base64() -> None:
    assert detect_encoding(b"mostly text \xe9\n", seven_bit=True).encoding == "quoted-printable"
    assert detect_encoding(b"\xe9\xe9\xe9 \n", seven_bit=True).encoding == "base64"
    assert detect_encoding(b"text\n", seven_bit=True).encoding == "7bit"
