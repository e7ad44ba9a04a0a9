"""New messages in one call."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import Address, Attachment, EncodingError, Message, compose

PNG = bytes(range(256))


def kinds(message: Message) -> list[str]:
    return [f"{part.section} {part.content_type}" for part in message.walk()]


def test_a_plain_message_is_plain() -> None:
    message = compose(sender="a@b", to=["c@d"], subject="hi", text="hello")
    assert bytes(message) == (
        b"From: a@b\nTo: c@d\nSubject: hi\nMime-Version: 1.0\n"
        b"Content-Type: text/plain;\n  charset=us-ascii\nContent-Transfer-Encoding: 7bit\n\nhello\n"
    )


def test_everything_together_is_nested_as_readers_expect() -> None:
    message = compose(
        sender="Zoë <zoe@example.com>",
        to=["Bob <bob@bücher.example>, carol@example.com", Address.make("d@e", "D. E")],
        subject="Grüße " * 30,
        text="Hallo\r\nWörld",
        html="<p>Hallö <img src='cid:logo'>",
        inline=[Attachment("logo.png", PNG, "logo")],
        attachments=[Attachment("bericht ü.pdf", PNG), Attachment("mail.eml", b"A: b\n\nx", content_type="message/rfc822")],
        date=1700000000,
        utc_offset=3600,
        message_id="id@example.com",
        in_reply_to="<old@x>",
        references=["older@x"],
        fields=[("X-Note", "schön")],
    )  # fmt: skip
    message.validate()
    assert bytes(message).isascii()
    assert max(map(len, bytes(message).split(b"\n"))) <= 78
    assert kinds(message) == [
        "1 multipart/mixed",
        "1.1 multipart/alternative",
        "1.1.1 text/plain",
        "1.1.2 multipart/related",
        "1.1.2.1 text/html",
        "1.1.2.2 image/png",
        "1.2 application/pdf",
        "1.3 message/rfc822",
        "1.3.1 text/plain",
    ]
    headers = message.headers
    assert headers["Subject"].split() == ["Grüße"] * 30
    assert headers["X-Note"] == "schön"
    assert headers["Date"] == "Tue, 14 Nov 2023 23:13:20 +0100"
    assert headers["References"].split() == ["<older@x>", "<old@x>"]
    assert headers.addresses("From")[0].name == "Zoë"
    assert [a.addr for a in headers.addresses("To")] == [
        "bob@xn--bcher-kva.example",
        "carol@example.com",
        "d@e",
    ]
    assert message.text() == "Hallo\nWörld\n"
    image, report = message.find("1.1.2.2"), message.find("1.2")
    assert image is not None
    assert report is not None
    assert (image.content_id, image.decoded()) == ("logo", PNG)
    assert (report.filename, report.decoded()) == ("bericht ü.pdf", PNG)


@pytest.mark.parametrize(
    ("item", "encoding"),
    [
        pytest.param(Attachment("a.txt", b"plain\n"), "7bit", id="text"),
        pytest.param(Attachment("a.txt", b"crlf\r\n"), "base64", id="crlf-is-kept"),
        pytest.param(Attachment("a.txt", b"x" * 2000), "quoted-printable", id="long-line"),
        pytest.param(Attachment("a.csv", "größer als üblich".encode()), "base64", id="8bit"),
        pytest.param(Attachment("a.tar.gz", b"abc"), "base64", id="compressed"),
        pytest.param(Attachment("", b"abc"), "base64", id="no-name"),
        pytest.param(Attachment("x", b"-" * 30 + b"\n", "", "text/x"), "7bit", id="given-type"),
        pytest.param(
            Attachment("m.eml", b"A: \xe9\n\n", "", "message/rfc822"), "8bit", id="message"
        ),
    ],
)
def test_what_is_attached_comes_back_octet_for_octet(item: Attachment, encoding: str) -> None:
    message = compose(sender="a@b", to=["c@d"], text="x", attachments=[item])
    part = message.root.children[1]
    assert (part.encoding, part.decoded()) == (encoding, item.data)
    assert part.filename == (item.filename or None)
    assert part.disposition is not None
    assert part.disposition.value == "attachment"


def test_boundaries_avoid_what_the_text_says() -> None:
    inner = compose(sender="a@b", to=["c@d"], text="x", html="<p>y")
    text = "--=_courier_0\n--=_COURIER_1 x\n"
    outer = compose(
        sender="a@b", to=["c@d"], text=text, html="z",
        attachments=[Attachment("i.eml", bytes(inner), content_type="message/rfc822")],
    )  # fmt: skip
    outer.validate()
    assert outer.text() == text
    assert outer.root.children[1].decoded() == bytes(inner)


@pytest.mark.parametrize(
    ("text", "eight_bit", "encoding"),
    [
        pytest.param("schön und gut, so ist es", False, "quoted-printable", id="seven-bit"),
        pytest.param("schön", True, "8bit", id="eight-bit"),
        pytest.param("日本語", False, "base64", id="mostly-8bit"),
        pytest.param("x" * 1200, True, "quoted-printable", id="long-line"),
        pytest.param("", False, "7bit", id="empty"),
        pytest.param("a\rb\r\nc", False, "7bit", id="line-ends"),
    ],
)
def test_text_gets_the_encoding_it_needs(text: str, eight_bit: bool, encoding: str) -> None:
    message = compose(sender="a@b", to=["c@d"], text=text, eight_bit=eight_bit)
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert message.root.encoding == encoding
    assert message.text() == (f"{expected}\n" if expected else "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "Mary Smith"},
        {"sender": ""},
        {"sender": "a@b", "to": ["a <b@c"]},
        {"sender": "a@b", "fields": [("X:", "y")]},
        {"sender": "a@b", "fields": [("", "y")]},
        {"sender": "a@b", "inline": [Attachment("a.png", b"", "x")]},
        {"sender": "a@b", "attachments": [Attachment("a", b"", content_type="x/y\nBcc: z")]},
        {"sender": "a@b", "attachments": [Attachment("a", b"", content_type="nothing")]},
    ],
)
def test_what_cannot_be_written_is_an_error(wrong: dict[str, str]) -> None:
    with pytest.raises(EncodingError):
        compose(**wrong)  # type: ignore[arg-type]  # the table holds wrong arguments of all kinds


@pytest.mark.parametrize("evil", ["a\nBcc: x@y", "a\r\nBcc: x@y", "a\rBcc: x", "a\n\nbody"])
def test_line_ends_never_make_another_field(evil: str) -> None:
    message = compose(
        sender="a@b", to=["c@d"], subject=evil, text="x",
        fields=[("X", evil)], attachments=[Attachment(evil, b"")],
    )  # fmt: skip
    names = [field.name for part in message.walk() for field in part.headers]
    assert "Bcc" not in names
    assert "body" not in names
    assert len(message.root.children) == 2
    for field in ("message_id", "in_reply_to"):
        with pytest.raises(EncodingError):
            compose(sender="a@b", **{field: evil})  # type: ignore[arg-type]  # texts, by name
