"""Malformed messages: each class of spec rfc822 7 and the defects it gives, with their places."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    Defect,
    DefectiveMessageError,
    DefectKind,
    Limits,
    LimitsError,
    Message,
)

MV = b"Mime-Version: 1.0\n"
MIXED = MV + b"Content-Type: multipart/mixed; boundary=A\n\n"


def found(data: bytes) -> list[str]:
    defects = Message(data).defects(with_content=True, with_headers=True)
    assert all(0 <= defect.offset <= len(data) for defect in defects)
    return [f"{defect.kind.name} {defect.offset}" for defect in defects]


@pytest.mark.parametrize(
    ("data", "defects"),
    [
        pytest.param(b"A: b\n\nx\n", [], id="clean"),
        pytest.param(b"A: b\n", ["NO_HEADER_END 5"], id="no-empty-line"),
        pytest.param(b"A: b\nglued body\n", ["NO_FIELD 5", "NO_HEADER_END 16"], id="body-glued-on"),
        pytest.param(b"From x\nA: b\n\n", [], id="leading-from-line"),
        pytest.param(b" x\nA: b\n\n", ["NO_FIELD 0"], id="leading-continuation"),
        pytest.param(b"A: b\rc\0\n\n", ["CONTROL_IN_HEADER 4"], id="controls"),
        pytest.param(MV + b"Content-Type: text\n\n", ["BAD_MEDIA_TYPE 0"], id="no-subtype"),
        pytest.param(MV + b"Content-Type: text/plain (x\n\n", [], id="open-comment"),
        pytest.param(MV + b"Content-Type: multipart/mixed\n\n", ["BAD_BOUNDARY 0"], id="no-boundary"),
        pytest.param(MIXED + b"--A\n\nx\n", ["NO_CLOSE 68"], id="no-close"),
        pytest.param(
            MIXED + b"--A\nContent-Type: multipart/mixed; boundary=AB\n\n--AB\n\nx\n--A--\n",
            ["BAD_BOUNDARY 65", "WRONG_BOUNDARY 116"], id="prefix-boundary-cut-off",
        ),
        pytest.param(
            MV + b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n",
            ["ENCODED_CONTAINER 0"], id="encoded-message",
        ),
        pytest.param(
            MIXED.replace(b"\n\n", b"\nContent-Transfer-Encoding: quoted-printable\n\n") + b"--A--\n",
            ["ENCODED_CONTAINER 0"], id="encoded-multipart",
        ),
        pytest.param(
            MV + b"Content-Type: text/html\nContent-Type: text/plain\n\n", ["DUPLICATE_CONTENT 42"], id="two-types"
        ),
        pytest.param(b"Subject: a\nSubject: b\n\n", ["DUPLICATE_FIELD 11"], id="two-subjects"),
        pytest.param(
            MV + b'Content-Type: text/plain; x="a; x=b"; x=c\n\n', ["DUPLICATE_FIELD 56"], id="parameter-twice"
        ),
        pytest.param(MV + b"Content-Transfer-Encoding: x-uuencode\n\n", ["UNKNOWN_ENCODING 18"], id="unknown-encoding"),
        pytest.param(b"Subject: \xe9\n\n", ["EIGHT_BIT_HEADER 9"], id="8bit-header"),
        pytest.param(b"A: b\n\n\xe9", ["EIGHT_BIT_CONTENT 6"], id="8bit-body"),
        pytest.param(b"Subject: =?utf-8?q?=Z?=\n\n", ["BAD_ENCODED_WORD 9"], id="damaged-word"),
        pytest.param(b"Subject: a =?no?q?x?=\n\n", ["UNKNOWN_CHARSET 11"], id="unknown-charset-in-word"),
        pytest.param(b"Subject: =?utf-8?q?open\n\n", ["BAD_ENCODED_WORD 9"], id="open-word"),
        pytest.param(b"To: Mary Smith\n\n", ["BAD_ADDRESS 9"], id="no-address-list"),
        pytest.param(b"From: \"open <a@b>\n\n", ["BAD_ADDRESS 6"], id="open-quote"),
        pytest.param(b"Date: yesterday\n\n", ["BAD_DATE 6"], id="no-date"),
        pytest.param(
            MV + b"Content-Type: text/plain; name*=no''x\n\n", ["UNKNOWN_CHARSET 32"], id="parameter-charset"
        ),
        pytest.param(
            MV + b"Content-Type: text/plain; charset=none\n\nx\n", ["UNKNOWN_CHARSET 58"], id="unknown-charset"
        ),
        pytest.param(
            MV + b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\xff\n",
            ["BAD_CHARACTER 91"], id="not-in-the-charset",
        ),
        pytest.param(
            MV + b"Content-Transfer-Encoding: base64\n\nQU!\nQ\n", ["INVALID_BASE64 55", "BASE64_PADDING 59"], id="base64"
        ),
        pytest.param(
            MV + b"Content-Transfer-Encoding: quoted-printable\n\na=zz\n", ["BAD_HEX_IN_QP 64"], id="qp"
        ),
    ],
)  # fmt: skip
def test_a_defect_has_its_kind_and_place(data: bytes, defects: list[str]) -> None:
    assert found(data) == defects


@pytest.mark.parametrize(
    ("header", "description"),
    [
        pytest.param(
            b"Content-Type: multipart/mixed\n", "Non-unique MIME boundary delimiters", id="72-no-boundary"
        ),
        pytest.param(
            b"Content-Type: text/plain\nContent-Type: text/html\n",
            "Duplicate MIME Content-* header", id="72-duplicate-type",
        ),
        pytest.param(
            b"Content-Transfer-Encoding: x-foo\n", "Unknown Content-Transfer-Encoding", id="72-unknown-encoding"
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=A\nContent-Transfer-Encoding: base64\n",
            "Invalid base64 encoding", id="72-multipart-in-base64",
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=AA\n\n--AA\n"
            b"Content-Type: multipart/mixed; boundary=AAB\n",
            "Non-unique MIME boundary delimiters", id="72-prefix-boundaries",
        ),
    ],
)  # fmt: skip
def test_what_courier_refuses_is_known_and_read_all_the_same(
    header: bytes, description: str
) -> None:
    message = Message(MV + header + b"\nx\n")
    assert [defect.description for defect in message.fatal_defects()] == [description]
    assert message.root.span == (0, len(message))


def test_strict_reading_raises_with_all_defects() -> None:
    message = Message(b"To: Mary Smith\nDate: x\n\nx\n")
    with pytest.raises(DefectiveMessageError) as caught:
        message.validate()
    assert caught.value.defects == (
        Defect(DefectKind.BAD_ADDRESS, 9),
        Defect(DefectKind.BAD_DATE, 21),
    )
    assert caught.value.offset == 9
    assert caught.value.reply.code == 550
    message.validate(DefectKind.BAD_ADDRESS | DefectKind.BAD_DATE)
    Message(b"A: b\n\nx\n").validate()


def test_every_kind_has_words() -> None:
    for kind in DefectKind:
        assert Defect(kind, 0).description


@pytest.mark.parametrize(
    "wrong",
    [{"parts": 0}, {"depth": -1}, {"header_bytes": 2**40}, {"field_bytes": 0}, {"boundary_bytes": 10**9}],
)  # fmt: skip
def test_limits_can_be_moved_but_not_removed(wrong: dict[str, int]) -> None:
    with pytest.raises(LimitsError):
        Limits(**wrong)


def test_hostile_headers_are_checked_in_linear_time() -> None:
    for unit in (
        b"A: b\n",
        b"To: (\n",
        b"Subject: =?utf-8?q?\n",
        b"x\n",
        b'Content-Type: "\n',
        b";a=",
    ):
        data = MV + b"Content-Type: x" + unit * (40_000 // len(unit)) + b"\n\n"
        Message(data).defects(with_headers=True, with_content=True)
