"""The decoded feed for searches (spec rfc822 4.18)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import Message, contains_text, iter_feed, write_feed

DATA = b"""\
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
To: "a, b" <c@d>
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary=A

--A
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

na=EFve=
 text
--A
Content-Type: application/x
Content-Transfer-Encoding: base64

AP8=
--A--
"""


def test_the_feed_is_the_message_as_text() -> None:
    assert (
        b"".join(write_feed(Message(DATA), add_eol=True))
        == (
            "Subject: Grüße\n"
            'To: "a, b" <c@d>\n'
            "Mime-Version: 1.0\n"
            "Content-Type: multipart/mixed; boundary=A\n\n"
            "Content-Type: text/plain; charset=iso-8859-1\n"
            "Content-Transfer-Encoding: quoted-printable\n\n"
            "naïve text\n"
            "Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n"
        ).encode()
        + b"\0\xff\n"
    )


def test_names_can_be_lower_case_and_bodies_left_out() -> None:
    lower = b"".join(write_feed(Message(DATA), lower_names=True, bodies="none"))
    assert lower.startswith("subject: Grüße\nto: ".encode())
    assert "naïve".encode() not in lower
    text_only = b"".join(write_feed(Message(DATA), bodies="text"))
    assert b"\xff" not in text_only.replace("ÿ".encode(), b"")
    assert "naïve".encode() in text_only


def test_errors_are_marked_only_when_asked_for() -> None:
    damaged = b"Mime-Version: 1.0\nContent-Transfer-Encoding: base64\n\n!!!\n"
    assert b"error" not in b"".join(write_feed(Message(damaged)))
    assert b"[MIME decoding error]\n" in b"".join(write_feed(Message(damaged), mark_errors=True))


def test_fields_can_be_chosen() -> None:
    items = iter_feed(Message(DATA), bodies="none", wanted=lambda _part, name: name == "To")
    assert [item.text for item in items if item.kind == "field"] == ['"a, b" <c@d>']


@pytest.mark.parametrize(
    ("needle", "where", "is_found"),
    [
        pytest.param("GRÜSSE", "text", False, id="no-folding"),
        pytest.param("GRÜßE", "text", True, id="any-case"),
        pytest.param("subject: grü", "header", True, id="name-and-value"),
        pytest.param("NAÏVE TEXT", "body", True, id="decoded-body"),
        pytest.param("naïve", "header", False, id="not-in-the-header"),
        pytest.param("grü", "body", False, id="not-in-the-body"),
        pytest.param("Grüße\nTo", "text", False, id="not-across-fields"),
        pytest.param("", "text", True, id="empty"),
    ],
)
def test_a_search_finds_decoded_text(needle: str, where: str, is_found: bool) -> None:
    assert contains_text(Message(DATA), needle, where=where) is is_found


def test_a_search_knows_both_sigmas() -> None:
    assert contains_text(Message("A: b\n\nΟΔΥΣΣΕΑΣ\n".encode()), "οδυσ")
    assert contains_text(Message("A: b\n\nοδος\n".encode()), "ΟΔΟΣ")


def test_a_search_finds_what_lies_across_windows() -> None:
    for before in (65_530, 65_533, 65_536):
        message = Message(b"A: b\n\n" + b"x" * before + b"needle" + b"y" * 99)
        assert contains_text(message, "NEEDLE")
        assert not contains_text(message, "needlex")
