"""Composing sections, boundaries, rewriting, file names, line counts (spec rfc822 2.3, 4.12, 4.19)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import EncodingError, Field, Message
from couriermail.rfc822.autoconvert import MODES, Autoconvert
from couriermail.rfc822.boundary import pick_boundary, starts_line
from couriermail.rfc822.entity import Entity
from couriermail.rfc822.extraction import safe_file_name
from couriermail.rfc822.line_counts import LineCounts
from couriermail.rfc822.sections import ENCODINGS, SectionWriter, encode_pieces

MV = b"Mime-Version: 1.0\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"--abc", True), (b"x\n--ABCd", True), (b"x--abc", False), (b"\n --abc", False), (b"", False)],
    ids=repr,
)  # fmt: skip
def test_a_delimiter_counts_only_at_the_start_of_a_line(text: bytes, expected: bool) -> None:
    assert starts_line(text, b"--aBc") is expected


def test_a_boundary_avoids_what_is_there() -> None:
    assert pick_boundary([b"x"], wanted="b") == "b"
    assert pick_boundary([b"\n--B", b"--b_1x"], wanted="b") == "b_2"
    assert pick_boundary([b"--=_courier_1"], stable=True) == "=_courier_2"
    assert pick_boundary([b""]) != pick_boundary([b""])


@given(st.binary(max_size=300), st.sampled_from(ENCODINGS))
def test_content_survives_its_encoding(content: bytes, encoding: str) -> None:
    """Decoding what was encoded gives the content (RFC 2045 6.7, 6.8)."""
    data = b"Content-Type: a/b\nContent-Transfer-Encoding: %s\n\n" % encoding.encode()
    message = Message(MV + data + b"".join(encode_pieces(content, encoding)))
    assert message.root.decoded() == content


def test_a_section_without_content_type_cannot_get_more_parts() -> None:
    with pytest.raises(EncodingError, match="no Content-Type"):
        list(SectionWriter().append(b"X: y\n\n--a\n", b""))


def converted(data: bytes, mode: str, *, add_version: bool = False) -> bytes:
    message = Message(data, strict_mime=not add_version)
    return b"".join(Autoconvert(message, mode, agent="a", add_version=add_version).pieces())


PARTS = st.lists(
    st.sampled_from(
        [
            b"\n--A\n", b"\n--A--\n", b"\n--B\n", b"\n--B--\n", b"\n\n", b"h\xc3\xa9\n", b"text\n",
            b"h=C3=A9 =\nx\n", b"x" * 600, b"--A", b"\r\n",
            b"Content-Type: text/plain\n", b"Content-Type: message/rfc822\n",
            b"Content-Type: multipart/mixed; boundary=B\n", b"Mime-Version: 1.0\n",
            b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Transfer-Encoding: 8bit\n",
            b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: foo\n",
        ]
    ),
    max_size=16,
)  # fmt: skip
TOP = b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n"


def leaves(data: bytes, *, strict: bool) -> list[bytes]:
    return [
        part.decoded().replace(b"\r\n", b"\n").rstrip(b"\n")
        for part in Message(data, strict_mime=strict).walk()
        if not part.entity.children and not part.is_multipart
    ]


@given(PARTS, st.sampled_from(MODES))
def test_rewriting_changes_no_content(pieces: list[bytes], mode: str) -> None:
    """Spec rfc822 4.19.7: only transfer encodings change, never text."""
    data = TOP + b"".join(pieces)
    once = converted(data, mode)
    assert leaves(once, strict=True) == leaves(data, strict=True)


@given(PARTS, st.sampled_from(MODES), st.booleans())
def test_rewriting_never_fails_and_comes_to_rest(
    pieces: list[bytes], mode: str, add_version: bool
) -> None:
    """A message in its new form stays in it, octet for octet."""
    once = converted(b"".join(pieces), mode, add_version=add_version)
    twice = converted(once, mode, add_version=add_version)
    assert converted(twice, mode, add_version=add_version) == twice


@given(PARTS)
def test_seven_bit_means_seven_bit(pieces: list[bytes]) -> None:
    """RFC 6152 3: without 8BITMIME no octet may have its high bit set."""
    data = TOP + b"".join(pieces)
    before, after = Message(data), Message(converted(data, "sevenbit"))
    for part in before.walk():
        changed = after.find(part.section)
        assert changed is not None
        if not part.entity.children and part.encoding in ("7bit", "8bit") and not part.is_multipart:
            assert changed.body().isascii()


def test_what_is_not_mime_is_left_alone_unless_seven_bit_needs_it() -> None:
    assert converted(b"Subject: x\n\nh\xc3\xa9\n", "standardize") == b"Subject: x\n\nh\xc3\xa9\n"
    out = converted(b"Subject: x\n\nh\xc3\xa9\n", "sevenbit")
    assert out.startswith(
        b"Subject: x\nMime-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    )
    assert out.endswith(b"\n\nh=C3=A9\n")


def test_line_ends_of_a_message_are_kept() -> None:
    out = converted(b"Subject: x\r\n\r\nh\xc3\xa9 \r\n", "sevenbit")
    assert out.count(b"\n") == out.count(b"\r\n") == 7
    assert out.endswith(b"h=C3=A9=20\r\n")


def test_binary_parts_become_base64_and_long_base64_is_wrapped() -> None:
    data = MV + b"Content-Type: image/png\nContent-Transfer-Encoding: binary\n\n\xff\xfe\0x"
    assert b"\nContent-Transfer-Encoding: base64\n" in converted(data, "sevenbit")
    long = MV + b"Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n" + b"AAAA" * 200
    out = converted(long, "sevenbit")
    assert max(map(len, out.split(b"\n"))) == 76
    assert Message(out).root.decoded() == b"\0" * 600


def test_fields_can_be_rewritten_on_the_way() -> None:
    def upper(entity: Entity, field: Field) -> bytes:
        return field.raw.upper() if entity.parent is None and field.key == b"to" else field.raw

    data = b"To: a@b\nSubject: s\n\nx\n"
    out = b"".join(Autoconvert(Message(data), rewrite_field=upper).pieces())
    assert out == b"TO: A@B\nSubject: s\n\nx\n"


@pytest.mark.parametrize(
    ("name", "keep", "expected"),
    [("a b.txt", False, "a_b.txt"), ("é/ü.x", False, "__.x"), ("é/ü.x", True, "ü.x"), ("", False, "f"),
     ("...", False, "_.."), ("/", False, "f"), ("a\0b\nc", True, "a_b_c"), ("x" * 40, True, "x" * 32)],
    ids=repr,
)  # fmt: skip
def test_file_names_are_made_safe(name: str, keep: bool, expected: str) -> None:
    assert safe_file_name(name, fallback="f", keep_unicode=keep) == expected


@given(PARTS)
def test_lines_are_counted_as_part_by_part(pieces: list[bytes]) -> None:
    """Spec rfc822 4.12: a last line without line end counts."""
    message = Message(TOP + b"".join(pieces))
    counts = LineCounts(message.data, message.root.entity)
    for part in message.walk():
        assert counts.count(*part.span) == part.line_count
        assert counts.count(*part.body_span) == part.body_line_count
