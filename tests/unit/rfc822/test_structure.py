"""The structure of messages: pinned cases 59 to 76 of spec rfc822 6.4, and section 7."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import DefectKind, Limits, Message, PushParser

MV = b"Mime-Version: 1.0\n"
MIXED = MV + b"Content-Type: multipart/mixed; boundary=%s\n\n"
NESTED = (
    MIXED % b"AA"
    + b"--AA\nContent-Type: multipart/mixed; boundary=BB\n\n--BB\n\nx\n--AA\n\ny\n--AA--\n"
)


def shape(data: bytes, limits: Limits | None = None) -> list[tuple[str, str, int, int, int]]:
    message = Message(data, limits=limits or Limits())
    return [
        (part.section, str(part.content_type), part.span[0], *part.body_span)
        for part in message.walk()
    ]


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        pytest.param(b"Subject: x\n\nhello\n", [("1", "text/plain", 0, 12, 18)], id="59"),
        pytest.param(b"Subject: x\n\nhello", [("1", "text/plain", 0, 12, 17)], id="60"),
        pytest.param(
            MV + b'Content-Type: multipart/mixed; boundary="AA"\n\npre\n--AA\n'
            b"Content-Type: text/plain\n\nhi\n\n--AA\nContent-Type: text/html; charset=UTF-8\n"
            b"Content-Transfer-Encoding: BASE64\n\nPGI+\n--AA--\npost\n",
            [
                ("1", "multipart/mixed", 0, 64, 199),
                ("1.1", "text/plain", 73, 99, 102),
                ("1.2", "text/html", 108, 182, 186),
            ],
            id="61",
        ),
        pytest.param(
            MV + b"Content-Type: message/rfc822\n\nSubject: in\nMime-Version: 1.0\n"
            b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n",
            [
                ("1", "message/rfc822", 0, 48, 134),
                ("1.1", "multipart/mixed", 48, 121, 134),
                ("1.1.1", "text/plain", 125, 126, 127),
            ],
            id="62",
        ),
        pytest.param(
            MV + b"Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\nb\n--x--\n",
            [
                ("1", "multipart/digest", 0, 62, 87),
                ("1.1", "message/rfc822", 66, 67, 80),
                ("1.1.1", "text/plain", 67, 79, 80),
            ],
            id="63",
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=AA\n\n--AA\n\nhi\n--AA--\n",
            [("1", "text/plain", 0, 44, 60)],
            id="64-no-mime-version",
        ),
        pytest.param(MIXED % b"AA" + b"no parts\n", [("1", "multipart/mixed", 0, 62, 71)], id="65"),
        pytest.param(
            MIXED % b"A" + b"--A\n\nx\n--A--\nepi\n--A\nContent-Type: text/html\n\ny\n--A--\n",
            [("1", "multipart/mixed", 0, 61, 115), ("1.1", "text/plain", 65, 66, 67)],
            id="66-epilogue",
        ),
        pytest.param(
            MIXED % b"A" + b"--A  \n\nx\n--A--  \npost\n--A\n\nnot a part\n",
            [("1", "multipart/mixed", 0, 61, 99), ("1.1", "text/plain", 67, 68, 69)],
            id="67-trailing-blanks",
        ),
        pytest.param(
            MIXED % b"aBc" + b"--AbC\n\nx\n--ABC--\n",
            [("1", "multipart/mixed", 0, 63, 80), ("1.1", "text/plain", 69, 70, 71)],
            id="68-case",
        ),
        pytest.param(
            MIXED % b"A" + b" --A\n\nx\n --A--\n",
            [("1", "multipart/mixed", 0, 61, 76)],
            id="69-leading-blank",
        ),
        pytest.param(
            MIXED % b"A" + b"--A\n--A\n\n--A--\n",
            [
                ("1", "multipart/mixed", 0, 61, 76),
                ("1.1", "text/plain", 65, 65, 65),
                ("1.2", "text/plain", 69, 70, 70),
            ],
            id="70-empty-parts",
        ),
        pytest.param(
            NESTED,
            [
                ("1", "multipart/mixed", 0, 62, 134),
                ("1.1", "multipart/mixed", 67, 111, 118),
                ("1.1.1", "text/plain", 116, 117, 118),
                ("1.2", "text/plain", 124, 125, 126),
            ],
            id="71-cut-off",
        ),
        pytest.param(
            b"Subject: x\r\nMime-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=AA\r\n\r\n"
            b"--AA\r\nContent-Type: text/plain\r\n\r\nhi\r\n--AA--\r\n",
            [("1", "multipart/mixed", 0, 77, 123), ("1.1", "text/plain", 83, 111, 113)],
            id="74-crlf",
        ),
        pytest.param(
            b"\n" + MV + b"Content-Type: text/html\n\nx\n",
            [("1", "text/plain", 0, 1, 46)],
            id="75-empty-header",
        ),
        pytest.param(b"", [("1", "text/plain", 0, 0, 0)], id="empty-input"),
        pytest.param(b"\n", [("1", "text/plain", 0, 1, 1)], id="one-line-feed"),
        pytest.param(b"\r", [("1", "text/plain", 0, 1, 1)], id="one-cr"),
        pytest.param(b"A: b\n", [("1", "text/plain", 0, 5, 5)], id="only-header"),
        pytest.param(b"A: b\nbody glued\non", [("1", "text/plain", 0, 18, 18)], id="no-empty-line"),
        pytest.param(b"A: b\r\rbody", [("1", "text/plain", 0, 10, 10)], id="cr-ends-no-line"),
        pytest.param(
            MIXED % b"A" + b"--A\nX: y\n--A--\n",
            [("1", "multipart/mixed", 0, 61, 76), ("1.1", "text/plain", 65, 69, 69)],
            id="delimiter-inside-header",
        ),
        pytest.param(
            MIXED % b"A" + b"--A\n\nx\n",
            [("1", "multipart/mixed", 0, 61, 68), ("1.1", "text/plain", 65, 66, 68)],
            id="no-closing-delimiter",
        ),
        pytest.param(
            MIXED % b"A" + b"--A",
            [("1", "multipart/mixed", 0, 61, 64), ("1.1", "text/plain", 64, 64, 64)],
            id="delimiter-is-the-end",
        ),
        pytest.param(
            MIXED % b"A" + b"--A--\n", [("1", "multipart/mixed", 0, 61, 67)], id="closed-at-once"
        ),
        pytest.param(
            MIXED % b"AA" + b"--AAsuffix\n\nx\n--AA--junk\n",
            [("1", "multipart/mixed", 0, 62, 87), ("1.1", "text/plain", 73, 74, 75)],
            id="text-behind-boundary",
        ),
        pytest.param(
            MIXED % b"AA" + b"--AA\nContent-Type: multipart/mixed; boundary=AAB\n\n"
            b"--AAB\n\nx\n--AAB--\n--AA--\n",
            [
                ("1", "multipart/mixed", 0, 62, 136),
                ("1.1", "multipart/mixed", 67, 112, 128),
                ("1.1.1", "text/plain", 118, 119, 120),
            ],
            id="longest-boundary-wins",
        ),
        pytest.param(
            MV
            + b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViOiB4Cg==\n",
            [("1", "message/octet-stream", 0, 82, 95)],
            id="encoded-message-stays-closed",
        ),
    ],
)
def test_parts_and_their_places(data: bytes, parts: list[tuple[str, str, int, int, int]]) -> None:
    assert shape(data) == parts


@pytest.mark.parametrize(
    ("version", "is_mime"),
    [
        pytest.param(b"Mime-Version : 1.0", True, id="76-blank-before-colon"),
        pytest.param(b"Mime-Version: (x) 1.0", True, id="76-comment"),
        pytest.param(b"Mime-Version: 2.0", False, id="76-other-version"),
        pytest.param(b"Mime-Version: 2.0\nMIME-VERSION: 1.0", True, id="any-that-matches"),
        pytest.param(b"Mime-Version:", False, id="empty"),
    ],
)
def test_mime_needs_version_one(version: bytes, is_mime: bool) -> None:
    message = Message(version + b"\nContent-Type: text/html\n\nx\n")
    assert (str(message.content_type) == "text/html") is is_mime


def test_content_type_alone_can_be_followed() -> None:
    data = b"Content-Type: multipart/mixed; boundary=AA\n\n--AA\n\nhi\n--AA--\n"
    assert [part.section for part in Message(data, strict_mime=False).walk()] == ["1", "1.1"]


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"7bit", "7bit"),
        (b"7-bit", "7bit"),
        (b"8 bit", "8bit"),
        (b"BINARY", "8bit"),
        (b"(c) Quoted-Printable junk", "quoted-printable"),
        (b"base64 (really)", "base64"),
        (b"b64", "base64"),
        (b"x-uuencode", "unknown"),
        (b"", "7bit"),
    ],
)
def test_encodings_are_known_by_their_first_letter(value: bytes, encoding: str) -> None:
    message = Message(MV + b"Content-Transfer-Encoding: " + value + b"\n\nx\n")
    assert message.root.encoding == encoding
    unknown = [defect for defect in message.defects() if defect.kind == DefectKind.UNKNOWN_ENCODING]
    assert bool(unknown) is (encoding == "unknown")


@pytest.mark.parametrize(
    ("data", "kind", "offset"),
    [
        pytest.param(NESTED, DefectKind.WRONG_BOUNDARY, 118, id="outer-boundary"),
        pytest.param(
            MV + b"Content-Type: multipart/mixed\n\nx\n", DefectKind.BAD_BOUNDARY, 0, id="no-boundary"
        ),
        pytest.param(
            MIXED % b"A" + b"--A\nContent-Type: multipart/mixed; boundary=AB\n\n--AB--\n--A--\n",
            DefectKind.BAD_BOUNDARY, 65, id="prefix-boundary",
        ),
        pytest.param(MIXED % b"A" + b"--A\n\nx\n", DefectKind.NO_CLOSE, 68, id="no-close"),
        pytest.param(
            MV + b"Content-Type: a/b\nContent-Type: c/d\n\n", DefectKind.DUPLICATE_CONTENT, 36,
            id="two-content-types",
        ),
        pytest.param(
            MV + b"Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\n",
            DefectKind.DUPLICATE_CONTENT, 50, id="two-encodings",
        ),
        pytest.param(b"Subject: h\xc3\xa9\n\n", DefectKind.EIGHT_BIT_HEADER, 10, id="8bit-header"),
        pytest.param(
            MV + b"Content-Type: text/plain; x=" + b"y" * 20_000 + b"\n\n",
            DefectKind.LONG_HEADER, 18, id="long-field",
        ),
        pytest.param(
            MV + b"Content-Type: multipart/mixed; boundary=A\nContent-Transfer-Encoding: base64\n\n",
            DefectKind.INVALID_BASE64, 0, id="multipart-base64",
        ),
        pytest.param(b"\n\xe9", DefectKind.EIGHT_BIT_CONTENT, 1, id="8bit-body"),
        pytest.param(
            MV + b"Content-Transfer-Encoding: base64\n\nab!d", DefectKind.INVALID_BASE64, 55,
            id="base64-junk",
        ),
        pytest.param(
            MV + b"Content-Transfer-Encoding: quoted-printable\n\na=zz", DefectKind.BAD_HEX_IN_QP, 64,
            id="qp-junk",
        ),
        pytest.param(
            MV + b"Content-Transfer-Encoding: quoted-printable\n\na\xe9",
            DefectKind.EIGHT_BIT_IN_QP, 64, id="qp-8bit",
        ),
        pytest.param(
            MV + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"x=\n" * 501,
            DefectKind.LONG_QP_LINE, 63, id="qp-long-line",
        ),
    ],
)  # fmt: skip
def test_defects_are_typed_and_have_a_place(data: bytes, kind: DefectKind, offset: int) -> None:
    found = {defect.kind: defect.offset for defect in Message(data).defects(with_content=True)}
    assert found.get(kind) == offset


def test_a_clean_message_has_no_defects() -> None:
    data = MIXED % b"A" + b"--A\nContent-Transfer-Encoding: 8bit\n\nh\xc3\xa9\n--A--\n"
    assert Message(data).defects(with_content=True) == []


def wrap(count: int) -> bytes:
    """Text inside `count` multiparts."""
    head = b"".join(
        (MV if n == 0 else b"--B%d.\n" % (n - 1))
        + b"Content-Type: multipart/mixed; boundary=B%d.\n\n" % n
        for n in range(count)
    )
    return (
        head
        + b"--B%d.\n\ntext\n" % (count - 1)
        + b"".join(b"--B%d.--\n" % n for n in range(count - 1, -1, -1))
    )


@pytest.mark.parametrize(
    ("data", "is_too_complex"),
    [
        pytest.param(wrap(19), False, id="73-19-levels"),
        pytest.param(wrap(20), True, id="73-20-levels"),
        pytest.param(MIXED % b"A" + b"--A\n\nx\n" * 299 + b"--A--\n", False, id="73-299-parts"),
        pytest.param(MIXED % b"A" + b"--A\n\nx\n" * 300 + b"--A--\n", True, id="73-300-parts"),
    ],
)
def test_limits_stop_the_tree_but_not_the_reading(data: bytes, is_too_complex: bool) -> None:
    message = Message(data)
    kinds = {defect.kind for defect in message.defects()}
    assert (DefectKind.TOO_COMPLEX in kinds) is is_too_complex
    assert len(list(message.walk())) <= 300
    assert message.root.span == (0, len(data))


def test_behind_a_limit_outer_delimiters_still_count() -> None:
    data = MIXED % b"A" + (
        b"--A\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\nx\n--B\n\ny\n--B--\n--A\n\nz\n--A--\n"
    )
    parts = shape(data, Limits(depth=2))
    assert [part[0] for part in parts] == ["1", "1.1", "1.2"]
    assert data[parts[2][3] : parts[2][4]] == b"z"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(MV + b"X: " + b"y" * 1_000_000 + b"\n\nbody", id="long-header-line"),
        pytest.param(b"X: y\n" * 100_000 + b"\nbody", id="many-fields"),
        pytest.param(MIXED % b"A" + b"--A\n\nx\n" * 100_000, id="many-parts"),
        pytest.param(MIXED % b"A" + b"--A\nx\n" * 100_000, id="many-headers-without-end"),
        pytest.param(MIXED % b"A" + b"--B\n" * 100_000, id="many-dashes"),
        pytest.param((MV + b"Content-Type: message/rfc822\n\n") * 1000, id="nested-messages"),
        pytest.param(wrap(1000), id="boundary-bomb"),
    ],
)
def test_hostile_messages_take_linear_time(data: bytes) -> None:
    assert shape(data)[0][4] == len(data)


def test_counts_follow_the_definition() -> None:
    root = Message(b"Subject: x\n\nhello").root
    assert (root.line_count, root.body_line_count, root.body_line_ends) == (3, 1, 0)
    assert Message(b"A: b\r\n\nx\ny\r\n").root.size_with_crlf() == len(b"A: b\r\n\r\nx\r\ny\r\n")


def test_sections_are_found_by_number() -> None:
    message = Message(NESTED)
    found = message.find("1.01.1")
    assert found is not None
    assert found.section == "1.1.1"
    assert found.body() == b"x"


@pytest.mark.parametrize(
    "section", ["", "0", "2", "1.", "1.3", "1.0", "1.-1", "1.x", "1.²", "1." + "9" * 5000]
)
def test_other_numbers_find_nothing(section: str) -> None:
    assert Message(NESTED).find(section) is None


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\n", id="plain-body"),
        pytest.param(MIXED % b"A" + b"--A\n\n", id="body-of-a-part"),
        pytest.param(MIXED % b"A" + b"--A", id="endless-delimiter-line"),
        pytest.param(b"X: ", id="endless-header"),
    ],
)
@pytest.mark.parametrize("filler", [b"x" * 65_536, b"line\n--dashes\n" * 5_000, b"\r" * 65_536])
def test_a_push_parser_holds_only_what_it_needs(head: bytes, filler: bytes) -> None:
    parser = PushParser(Limits(header_bytes=100_000))
    parser.feed(head)
    for _ in range(8):
        parser.feed(filler)
        assert len(parser._data) <= 100_000 + len(filler)
    assert parser.close().end == len(head) + 8 * len(filler)


def test_many_small_pieces_take_linear_time() -> None:
    parser = PushParser()
    parser.feed(MIXED % b"A" + b"--A\nX: ")
    for _ in range(60_000):
        parser.feed(b"y")
    assert parser.close().children[0].body == parser.root.end
