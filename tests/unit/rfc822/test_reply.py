"""Answers: pinned cases 122 and 123 of spec rfc822 6.8, and 4.22."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    Address,
    EncodingError,
    Forward,
    Headers,
    Message,
    Reply,
    autoreply_obstacle,
    format_salutation,
    read_delivery_status,
    read_feedback_report,
    strip_subject,
)
from couriermail.rfc822.reply import ReplyMode

ORIGINAL = b"""\
Return-Path: <bounce@example.com>
From: =?utf-8?q?J=C3=B6?= <joe@example.com>
To: bob@example.com, "X, Y" <xy@example.com>, list@lists.example.com
Cc: carol@example.com, JOE@example.com, bob@EXAMPLE.com
Subject: Re: test message (fwd)
Message-ID: <a@b>
References: <1@x> <2@x>
Date: Tue, 14 Nov 2023 22:13:20 +0000

Message
> Quote 1
>> Q2
>
 space
"""
QUOTED = "> Message\n>> Quote 1\n>>> Q2\n>>\n>  space\n"


def reply(mode: ReplyMode = "reply", original: bytes = ORIGINAL) -> Reply:
    return Reply(original=Message(original), mode=mode, content=b"hello\n", now=1.7e9)


def test_case_122_what_is_quoted_gets_one_more_mark() -> None:
    assert QUOTED in bytes(reply()).decode()


@pytest.mark.parametrize(
    ("subject", "answer"),
    [
        pytest.param("Re: test message (fwd)", "test message", id="123"),
        pytest.param("Re: [list] hello (fwd)", "[list] hello", id="list"),
        pytest.param("[list] Re: [list] hello", "[list] hello", id="list-twice"),
        pytest.param("[a] Re: [b] x", "[a] [b] x", id="two-lists"),
        pytest.param("[12] Re: x", "x", id="number"),
        pytest.param("[Fwd: Re: x]", "x", id="wrapper"),
        pytest.param("Re[2]: x", "x", id="numbered"),
        pytest.param("=?utf-8?q?Re:_x?=", "=?utf-8?q?Re:_x?=", id="encoded"),
        pytest.param("Re: Re: ", "", id="nothing"),
        pytest.param("[blob]", "[blob]", id="blob-only"),
    ],
)
def test_the_subject_of_an_answer_loses_marks_but_not_lists(subject: str, answer: str) -> None:
    assert strip_subject(subject) == answer


def test_case_123_subjects_of_replies_and_forwards() -> None:
    assert Message(bytes(reply())).headers["Subject"] == "Re: test message"
    forwarded = Message(bytes(Forward(original=Message(ORIGINAL))))
    assert forwarded.headers["Subject"] == "test message (fwd)"


def test_a_reply_is_written_as_it_always_was() -> None:
    assert bytes(reply()).decode() == (
        "To: =?utf-8?q?J=C3=B6?= <joe@example.com>\n"
        "References: <1@x>\n            <2@x>\n            <a@b>\n"
        "In-Reply-To: <a@b>\n"
        "Subject: Re: test message\n"
        "Mime-Version: 1.0\n"
        'Content-Type: text/plain; format=flowed; delsp=yes; charset="utf-8"\n'
        "Content-Transfer-Encoding: 8bit\n\n"
        f"Jö writes:\n\n{QUOTED}\nhello\n\n"
    )


def addresses(answer: Reply) -> tuple[list[str], list[str]]:
    to, cc = answer.recipients
    return [a.addr for a in to], [a.addr for a in cc]


@pytest.mark.parametrize(
    ("answer", "to", "cc"),
    [
        pytest.param(reply(), ["joe@example.com"], [], id="reply"),
        pytest.param(
            reply("replyall"),
            ["joe@example.com"],
            ["bob@example.com", "xy@example.com", "list@lists.example.com", "carol@example.com", "JOE@example.com"],
            id="all-local-parts-are-exact",
        ),
        pytest.param(
            Reply(original=Message(ORIGINAL), mode="replyall", is_my_address=lambda a: "example.com" in a and a[0] in "bx"),
            ["joe@example.com"], ["list@lists.example.com", "carol@example.com", "JOE@example.com"],
            id="all-but-me",
        ),
        pytest.param(
            Reply(original=Message(ORIGINAL), mode="replylist", is_mailing_list=lambda a: a.startswith("list@")),
            ["list@lists.example.com"], [], id="list",
        ),
        pytest.param(
            Reply(original=Message(ORIGINAL), reply_to_envelope=True), ["bounce@example.com"], [], id="envelope"
        ),
        pytest.param(
            Reply(original=Message(ORIGINAL), to=(Address.make("z@x"),)), ["z@x"], [], id="override"
        ),
        pytest.param(reply("feedback"), [], [], id="feedback"),
        pytest.param(reply("reply", b"Subject: x\n\n"), [], [], id="nobody"),
        pytest.param(
            reply("reply", b"Reply-To: r@x\nFrom: f@x\n\n"), ["r@x"], [], id="reply-to"
        ),
    ],
)  # fmt: skip
def test_who_is_answered(answer: Reply, to: list[str], cc: list[str]) -> None:
    assert addresses(answer) == (to, cc)


def test_an_answer_to_a_list_without_lists_goes_to_all() -> None:
    assert addresses(reply("replylist")) == addresses(reply("replyall"))


def test_nothing_is_quoted_without_plain_text_or_when_not_wanted() -> None:
    html = b"From: a@b\nMime-Version: 1.0\nContent-Type: text/html\n\n<p>\n"
    assert b"writes" not in bytes(reply("reply", html))
    assert b"writes" not in bytes(Reply(original=Message(ORIGINAL), quote=False))


def test_flowed_text_stays_flowed_and_long_lines_are_wrapped() -> None:
    flowed = (
        b"From: a@b\nMime-Version: 1.0\nContent-Type: text/plain; format=flowed\n\n"
        b"one \ntwo\n> q \n> r\n" + b"word " * 40 + b"\n"
    )
    written = bytes(reply("reply", flowed)).decode()
    assert "> one  \n> two\n>> q  \n>> r\n" in written
    assert max(len(line) for line in written.split("\n")) <= 78


def test_another_charset_gets_what_it_can_express() -> None:
    original = b"From: a@b\n\n" + "é日\n".encode()
    written = bytes(Reply(original=Message(original), charset="iso-8859-1"))
    assert b"> \xe9<E6><97><A5>\n" in written
    assert b'charset="iso-8859-1"' in written


def test_fields_of_a_text_that_has_its_own_are_used() -> None:
    answer = Reply(
        original=Message(ORIGINAL),
        content=b"x\n",
        content_header=b"Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n",
    )
    part = Message(bytes(answer)).root
    assert (part.content_type.charset, part.encoding) == ("us-ascii", "8bit")
    assert len(part.headers.get_fields("content-type")) == 1


def test_a_delivery_report_says_that_it_was_delivered() -> None:
    answer = Reply(
        original=Message(ORIGINAL), mode="replydsn", dsn_recipient="bob@example.com",
        reporting_mta="mx.example.com", now=1.7e9, content=b"got it\n",
    )  # fmt: skip
    message = Message(bytes(answer))
    status = read_delivery_status(message)
    assert status is not None
    assert status.message.reporting_mta == "dns; mx.example.com"
    assert [(r.final_address, r.action, r.status) for r in status.recipients] == [
        ("bob@example.com", "delivered", "2.0.0")
    ]
    kinds = [str(part.content_type) for part in message.root.children]
    assert kinds == ["text/plain", "message/delivery-status", "text/rfc822-headers"]
    message.validate()


def test_a_delivery_report_for_an_international_address_is_global() -> None:
    answer = Reply(original=Message(ORIGINAL), mode="replydsn", dsn_recipient="jö@example.com")
    assert "Final-Recipient: utf-8; jö@example.com\n" in bytes(answer).decode()
    with pytest.raises(EncodingError):
        bytes(Reply(original=Message(ORIGINAL), mode="replydsn"))


def test_feedback_names_its_type_and_returns_the_whole_message() -> None:
    answer = Reply(
        original=Message(ORIGINAL), mode="replyfeedback", feedback_type="fraud", full_message=True,
        feedback_fields=(("source-ip", "192.0.2.1"), ("reported-domain", "example.com")),
    )  # fmt: skip
    message = Message(bytes(answer))
    report = read_feedback_report(message)
    assert report is not None
    assert (report.feedback_type, report.source_ip, report.version) == ("fraud", "192.0.2.1", "1")
    assert report.get_all("Reported-Domain") == ["example.com"]
    assert message.root.children[2].body() == ORIGINAL
    assert b"Feedback-Type: fraud\n" in bytes(answer)
    assert message.headers["Subject"] == "Re: test message (fwd)"


def test_a_draft_is_sent_with_the_header_of_the_original() -> None:
    draft = b"Subject: no\nContent-Type: text/html\n\n<p>hi\n"
    answer = Reply(original=Message(ORIGINAL), mode="replydraft", content=draft)
    parts = Message(bytes(answer)).root.children
    assert [str(part.content_type) for part in parts] == ["text/html", "text/rfc822-headers"]
    assert parts[0].body() == b"<p>hi\n"
    assert "subject" not in parts[0].headers


def test_what_a_caller_gives_cannot_become_another_field() -> None:
    for field in (("X", "a\nBcc: b"), ("X: y\nZ", "a")):
        with pytest.raises(EncodingError):
            bytes(Reply(original=Message(ORIGINAL), fields=(field,)))
    folded = Reply(original=Message(ORIGINAL), subject="a\nBcc: b")
    assert "bcc" not in Message(bytes(folded)).headers


HEADERS = Headers(ORIGINAL)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param("%F writes:", "Jö writes:", id="name"),
        pytest.param("%f", "joe@example.com", id="address"),
        pytest.param("%s|%S", "Re: test message (fwd)|Re: test message (fwd)", id="subject"),
        pytest.param("%i%%%x", "<a@b>%x", id="id-percent-other"),
        pytest.param("a%nb", "a\nb", id="new-line"),
        pytest.param("%{%Y}d", "2023", id="date-format"),
        pytest.param("%N%C.", ".", id="absent-fields"),
        pytest.param("word " * 16 + "end", "word " * 14 + "word \nword end", id="wrapped"),
    ],
)
def test_a_salutation_is_filled_in(pattern: str, text: str) -> None:
    assert format_salutation(HEADERS, pattern) == text


def test_a_salutation_for_a_message_without_sender_and_date() -> None:
    assert format_salutation(Headers(b"\n"), "%f %F %d.") == "(no address given) @ ."


MIXED = (
    b"Subject: x\nMime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n"
    b"--A\nContent-Type: text/plain\n\nhi\n--A\nContent-Type: image/png\n\nPNG\n--A--\n"
)


def test_a_forward_keeps_what_is_attached() -> None:
    message = Message(bytes(Forward(original=Message(MIXED), content=b"look\n")))
    text, image = message.root.children
    assert text.text() == "look\n\n\n--- Forwarded message ---\nSubject: x\n\nhi\n"
    assert image.body() == b"PNG"
    message.validate()


@pytest.mark.parametrize(
    "original",
    [
        pytest.param(b"Mime-Version: 1.0\nContent-Type: text/html\n\n<p>\n", id="no-plain-text"),
        pytest.param(MIXED.replace(b"text/plain", b"text/html"), id="mixed-without-text"),
    ],
)
def test_what_has_no_text_is_attached_whole(original: bytes) -> None:
    parts = Message(bytes(Forward(original=Message(original), description="Grüße"))).root.children
    assert [str(part.content_type) for part in parts] == ["text/plain", "message/rfc822"]
    assert parts[1].body() == original
    assert parts[1].headers["Content-Description"] == "Grüße"


def test_a_message_can_be_forwarded_as_attachment_also_with_utf8_header() -> None:
    original = "Subject: é\n\nx\n".encode()
    parts = Message(bytes(Forward(original=Message(original), mode="forwardatt"))).root.children
    assert str(parts[1].content_type) == "message/global"


def test_a_forward_of_signed_mail_shows_what_was_signed() -> None:
    signed = (
        b"Mime-Version: 1.0\nContent-Type: multipart/signed; boundary=A\n\n"
        b"--A\nContent-Type: text/plain\n\nsigned\n--A\nContent-Type: application/pgp-signature\n\nx\n--A--\n"
    )
    forwarded = Message(bytes(Forward(original=Message(signed))))
    assert forwarded.text().endswith("signed\n")
    assert not forwarded.root.children


@pytest.mark.parametrize(
    ("header", "may_answer"),
    [
        pytest.param(b"From: a@b\n", True, id="plain"),
        pytest.param(b"From: a@b\nAuto-Submitted: no\n", True, id="not-automatic"),
        pytest.param(b"From: a@b\nAuto-Submitted: auto-replied\n", False, id="automatic"),
        pytest.param(b"From: a@b\nPrecedence: BULK\n", False, id="bulk"),
        pytest.param(b"From: a@b\nList-Id: <x>\n", False, id="list"),
        pytest.param(b"From: a@b\nReturn-Path: <>\n", False, id="null-sender"),
        pytest.param(b"From: a@b\nContent-Type: multipart/report; x=y\n", False, id="report"),
        pytest.param(b"From: a@b\nX-Auto-Response-Suppress: DR, OOF\n", False, id="suppress"),
        pytest.param(b"Subject: x\n", False, id="no-sender"),
    ],
)
def test_programs_do_not_answer_programs(header: bytes, may_answer: bool) -> None:
    assert (autoreply_obstacle(Headers(header)) is None) is may_answer
