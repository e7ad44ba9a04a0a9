"""Sections as IMAP numbers them (RFC 3501 6.4.5, spec rfc822 4.12)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import Message

MV = b"Mime-Version: 1.0\n"
LEAF = b"From: a@b\nSubject: x\nMime-Version: 1.0\nContent-Type: text/plain\n\nbody\n"
INNER = (
    b"Subject: in\n" + MV + b"Content-Type: multipart/mixed; boundary=x\n\n"
    b"--x\nContent-Type: text/html\n\n<p>\n--x\n\nb\n--x--\n"
)
EMBEDDED = MV + b"Content-Type: message/rfc822\nX: 1\n\n" + INNER
NESTED = (
    b"Subject: out\n" + MV + b"Content-Type: multipart/mixed; boundary=AA\n\n"
    b"--AA\n\nfirst\n--AA\nContent-Type: message/rfc822\nX: 2\n\n" + INNER + b"\n--AA\n"
    b"Content-Type: message/rfc822\n\nSubject: plain\n\nplain body\n--AA--\n"
)


@pytest.mark.parametrize(
    ("data", "section", "octets"),
    [
        pytest.param(LEAF, "", LEAF, id="all"),
        pytest.param(LEAF, "1", b"body\n", id="a-leaf-is-its-own-part"),
        pytest.param(LEAF, "TEXT", b"body\n", id="text"),
        pytest.param(LEAF, "HEADER", LEAF[:-5], id="header"),
        pytest.param(LEAF, "header.fields (SUBJECT X)", b"Subject: x\n\n", id="fields"),
        pytest.param(
            LEAF,
            "HEADER.FIELDS.NOT (Subject From)",
            MV + b"Content-Type: text/plain\n\n",
            id="fields-not",
        ),
        pytest.param(LEAF, "1.MIME", MV + b"Content-Type: text/plain\n\n", id="mime"),
        pytest.param(LEAF, "2", None, id="no-second-part"),
        pytest.param(LEAF, "1.1", None, id="nothing-below-a-leaf"),
        pytest.param(LEAF, "1.TEXT", None, id="a-leaf-is-no-message"),
        pytest.param(EMBEDDED, "1", INNER, id="a-message-in-a-message"),
        pytest.param(EMBEDDED, "1.1", b"<p>", id="62-its-first-part"),
        pytest.param(EMBEDDED, "1.2", b"b", id="its-second-part"),
        pytest.param(EMBEDDED, "1.HEADER.FIELDS (Subject)", b"Subject: in\n\n", id="its-header"),
        pytest.param(
            EMBEDDED, "1.MIME", MV + b"Content-Type: message/rfc822\n\n", id="the-header-around-it"
        ),
        pytest.param(NESTED, "1", b"first", id="first"),
        pytest.param(NESTED, "2", INNER, id="embedded"),
        pytest.param(NESTED, "2.2", b"b", id="part-of-the-embedded"),
        pytest.param(NESTED, "2.MIME", b"Content-Type: message/rfc822\n\n", id="embedded-mime"),
        pytest.param(NESTED, "2.2.MIME", b"\n", id="part-without-fields"),
        pytest.param(NESTED, "3.1", b"plain body", id="leaf-in-an-embedded-message"),
        pytest.param(NESTED, "3.TEXT", b"plain body", id="text-of-an-embedded-message"),
        pytest.param(NESTED, "3.2", None, id="no-such-part"),
        pytest.param(NESTED, "3.1.1", None, id="below-a-leaf"),
        pytest.param(NESTED, "MIME", None, id="mime-needs-a-number"),
        pytest.param(NESTED, "HEADER.FIELDS", None, id="fields-need-names"),
        pytest.param(NESTED, "HEADER (X)", None, id="names-need-fields"),
        pytest.param(NESTED, "1.x", None, id="no-section"),
        pytest.param(NESTED, "0", None, id="zero"),
        pytest.param(NESTED, "9" * 5000, None, id="huge"),
        pytest.param(NESTED, ".", None, id="dot"),
    ],
)
def test_a_section_is_found(data: bytes, section: str, octets: bytes | None) -> None:
    found = Message(data).find_imap(section)
    assert (None if found is None else found.octets()) == octets
