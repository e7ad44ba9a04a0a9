"""Bodies decoded piece by piece: places of defects, bounded memory, strict reading."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from couriermail.rfc822 import DefectiveMessageError, DefectKind, Message
from couriermail.rfc822.decoders import Base64Decoder, make_decoder

if TYPE_CHECKING:
    from couriermail.rfc822.decoders import Decoder

QP, B64 = "quoted-printable", "base64"


def decode(encoding: str, data: bytes, size: int) -> tuple[bytes, Decoder]:
    decoder = make_decoder(encoding, offset=100)
    pieces = [decoder.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*pieces, decoder.finish()]), decoder


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("encoding", "data", "decoded", "defects"),
    [
        pytest.param(B64, b"aGVsbG8=", b"hello", [], id="clean"),
        pytest.param(B64, b"aGVs\r\nbG8=\n", b"hello", [], id="lines"),
        pytest.param(B64, b"aGV sb\tG8=", b"hello", [], id="blanks"),
        pytest.param(B64, b"aG@V!sbG8=", b"hello", [("INVALID_BASE64", 102)], id="junk"),
        pytest.param(B64, b"aGVsbG8", b"hello", [("BASE64_PADDING", 107)], id="no-padding"),
        pytest.param(
            B64, b"aGVsbG8=\naGVsbG8=", b"hellohello", [("BASE64_PADDING", 109)], id="two-bodies"
        ),
        pytest.param(B64, b"aGVsb", b"hel", [("BASE64_PADDING", 105), ("INVALID_BASE64", 105)], id="one-left-over"),
        pytest.param(B64, b"", b"", [], id="empty"),
        pytest.param(QP, b"a=\nb=C3=\r\nc", b"ab\xc3c", [], id="soft-breaks"),
        pytest.param(QP, b"a= \t \r\nb", b"ab", [], id="blanks-in-soft-break"),
        pytest.param(QP, b"a=zz =4", b"a=zz =4", [("BAD_HEX_IN_QP", 101)], id="bad-escape"),
        pytest.param(QP, b"ab=", b"ab", [("BAD_HEX_IN_QP", 102)], id="equals-at-end"),
        pytest.param(QP, b"a\xe9b", b"a\xe9b", [("EIGHT_BIT_IN_QP", 101)], id="raw-8bit"),
        pytest.param(QP, b"= x", b"= x", [("BAD_HEX_IN_QP", 100)], id="equals-and-blank"),
        pytest.param(QP, b"=\rx", b"=\rx", [("BAD_HEX_IN_QP", 100)], id="equals-and-cr"),
        pytest.param("8bit", b"=41\xe9", b"=41\xe9", [], id="identity"),
    ],
)  # fmt: skip
def test_a_body_is_decoded_in_pieces(
    encoding: str, data: bytes, decoded: bytes, defects: list[tuple[str, int]], size: int
) -> None:
    found, decoder = decode(encoding, data, size)
    assert found == decoded
    assert [(defect.kind.name, defect.offset) for defect in decoder.defects] == defects


def test_more_blanks_than_a_line_holds_are_text() -> None:
    data = b"=" + b" " * 999 + b"\nx"
    for size in (1, 100, 5000):
        assert decode(QP, data, size)[0] == data
    assert decode(QP, b"=" + b" " * 998 + b"\nx", 7)[0] == b"x"


@pytest.mark.parametrize(
    ("encoding", "unit"),
    [(B64, b"A"), (B64, b"\n"), (B64, b"="), (B64, b"!"), (QP, b"= "), (QP, b"="), (QP, b" ")],
)
def test_what_a_decoder_holds_does_not_grow(encoding: str, unit: bytes) -> None:
    decoder = make_decoder(encoding)
    for _ in range(300):
        decoder.feed(unit * 100)
        held = getattr(decoder, "_held")  # noqa: B009 - a look inside on purpose
        assert len(held) <= 1001
        assert len(decoder.defects) <= 4


def test_strict_decoding_stops_at_the_place() -> None:
    decoder = Base64Decoder(offset=50, strict=True)
    assert decoder.feed(b"aGVs\n") == b"hel"
    with pytest.raises(DefectiveMessageError) as caught:
        decoder.feed(b"b@G8=\n")
    assert (caught.value.offset, caught.value.defects[0].kind) == (56, DefectKind.INVALID_BASE64)


MESSAGE = (
    b"Mime-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes("häh\r\n".encode() * 30_000)
)


def test_a_part_is_read_like_a_file_and_in_pieces() -> None:
    part = Message(MESSAGE).root
    whole = "häh\r\n".encode() * 30_000
    with part.open() as body:
        assert body.readable()
        assert body.read(5) == whole[:5]
        assert body.read() == whole[5:]
        assert body.read(1) == b""
    assert b"".join(part.iter_decoded(strict=True)) == part.decoded() == whole
    assert "".join(part.iter_text()) == part.text() == "häh\n" * 30_000
    assert max(map(len, part.iter_decoded())) < 66_000


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("utf-8", b"a\xff\r\nb\xc3"),
        ("us-ascii", b"\xe9\r"),
        ("nonsense", b"\xc3\xa9"),
        ("nonsense", b"\xe9"),
        ("iso-2022-jp", b"\x1b$BF|\x1b(B"),
        ("utf-16", "häh\r\n".encode("utf-16")),
        ("gb2312", "日".encode("gb18030")),
    ],
)
def test_text_in_pieces_is_the_text(charset: str, octets: bytes) -> None:
    header = f"Mime-Version: 1.0\nContent-Type: text/plain; charset={charset}\n\n".encode()
    part = Message(header + octets).root
    assert "".join(part.iter_text()) == part.text()
