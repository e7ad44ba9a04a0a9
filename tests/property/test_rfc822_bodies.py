"""Laws of bodies: decoding in pieces, encodings that come back, texts that are searched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import (
    CrlfIndex,
    Message,
    decode_base64,
    decode_imap_utf7,
    decode_quoted_printable,
    decode_smap,
    detect_encoding,
    display_width,
    encode_base64,
    encode_imap_utf7,
    encode_quoted_printable,
    encode_smap,
    wrap_text,
)
from couriermail.rfc822.decoders import make_decoder

QP_PIECES = st.lists(
    st.sampled_from([b"=", b"A", b"4", b"1", b" ", b"\t", b"\r", b"\n", b"=\n", b"=41", b"\xe9", b"x" * 70, b" " * 500]),
    max_size=30,
).map(b"".join)  # fmt: skip
BASE64_PIECES = st.lists(
    st.sampled_from([b"=", b"==", b"Q", b"QUI", b"QUJD", b"\n", b"\r\n", b" ", b"!", b"\xff", b"QUJD" * 19 + b"\n"]),
    max_size=30,
).map(b"".join)  # fmt: skip
SIZES = st.lists(st.integers(1, 90), min_size=1, max_size=6)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, position, turn = [], 0, 0
    while position < len(data):
        pieces.append(data[position : position + sizes[turn % len(sizes)]])
        position += len(pieces[-1])
        turn += 1
    return pieces


def check_split(encoding: str, data: bytes, sizes: list[int]) -> None:
    whole, pieced = make_decoder(encoding), make_decoder(encoding)
    decoded = whole.feed(data) + whole.finish()
    assert b"".join([*map(pieced.feed, cut(data, sizes)), pieced.finish()]) == decoded
    assert {d.kind for d in pieced.defects} == {d.kind for d in whole.defects}


@given(QP_PIECES | st.binary(), SIZES)
def test_quoted_printable_is_decoded_the_same_however_it_is_cut(
    data: bytes, sizes: list[int]
) -> None:
    """Decoders are streaming and never fail (spec rfc822 1.1.4 and 4.15)."""
    check_split("quoted-printable", data, sizes)


@given(BASE64_PIECES | st.binary(), SIZES)
def test_base64_is_decoded_the_same_however_it_is_cut(data: bytes, sizes: list[int]) -> None:
    """Decoders are streaming and never fail (spec rfc822 1.1.4 and 4.15)."""
    check_split("base64", data, sizes)


@given(BASE64_PIECES | st.binary(max_size=300))
def test_base64_does_what_its_definition_says(data: bytes) -> None:
    """Foreign characters are ignored, `=` ends a quantum, 2 or 3 left over give 1 or 2 octets."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    expected, bits, count = bytearray(), 0, 0
    for octet in data:
        if octet == ord("="):
            bits, count = 0, 0
        elif octet in alphabet:
            bits, count = bits << 6 | alphabet.index(octet), count + 6
            if count >= 8:
                count -= 8
                expected.append(bits >> count & 255)
                bits &= (1 << count) - 1
            if count == 0:
                bits = 0
    assert decode_base64(data) == bytes(expected)


@given(st.binary(max_size=500))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    """RFC 2045 6.7 and 6.8: encodings lose nothing, lines have at most 76 characters."""
    assert decode_base64(encode_base64(data)) == data
    assert decode_quoted_printable(encode_quoted_printable(data)) == data
    for encoded in (encode_base64(data), encode_quoted_printable(data)):
        assert max(map(len, encoded.split(b"\n"))) <= 76


@given(st.binary(max_size=3000), SIZES, st.booleans())
def test_detection_does_not_depend_on_the_cuts(
    data: bytes, sizes: list[int], seven_bit: bool
) -> None:
    """One pass (spec rfc822 4.16); what must be 7-bit is never sent as 8bit."""
    found = detect_encoding(data, seven_bit=seven_bit)
    assert detect_encoding(cut(data, sizes), seven_bit=seven_bit).encoding == found.encoding
    assert not (seven_bit and found.encoding == "8bit")
    assert found.encoding != "7bit" or (data.isascii() and b"\0" not in data)


@given(
    st.binary(max_size=200),
    st.sampled_from(["utf-8", "us-ascii", "nonsense", "gb18030", "utf-7", "shift_jis", ""]),
)
def test_text_in_pieces_is_the_text(octets: bytes, charset: str) -> None:
    """Both ways to a text part's text agree (spec rfc822 4.17)."""
    header = b"Mime-Version: 1.0\nContent-Type: text/plain; charset=%s\n\n" % charset.encode()
    part = Message(header + octets).root
    assert "".join(part.iter_text()) == part.text()


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bc"]), max_size=40).map(b"".join),
    st.integers(1, 9), st.integers(0, 60), st.integers(0, 60),
)  # fmt: skip
def test_fetches_with_crlf_are_pieces_of_the_whole(
    data: bytes, step: int, offset: int, count: int
) -> None:
    """Exactly the octets as if every bare LF were CRLF (spec rfc822 1.1.5)."""
    whole = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    index = CrlfIndex(data, step=step)
    assert index.read(offset, count) == whole[offset : offset + count]
    assert len(index) == len(whole)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_folder_names_come_back(name: str) -> None:
    """RFC 3501 5.1.3: one form for each name, and it is the canonical one."""
    assert decode_imap_utf7(encode_imap_utf7(name), strict=True) == name
    assert decode_imap_utf7(encode_imap_utf7(name, "./~:")) == name
    assert decode_smap(encode_smap(name)) == name


@given(st.text(max_size=80), st.integers(2, 20), st.booleans())
def test_wrapping_loses_nothing(text: str, width: int, cut_words: bool) -> None:
    """Lines joined are the text; none is too wide unless it is one piece (spec rfc822 4.17)."""
    lines = wrap_text(text, width, cut_words=cut_words)
    assert "".join(lines) == text
    if cut_words:
        assert all(display_width(line) <= width for line in lines)
