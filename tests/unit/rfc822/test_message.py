"""Messages: opening, parts, text, names of attachments."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.core import StorageError
from couriermail.rfc822 import Limits, Message, MessageFileError, PushParser

DATA = b"""\
From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>
To: a@example.com, "B" <b@example.com>
Subject: =?utf-8?b?aMOp?=
Date: Tue, 14 Nov 2023 22:13:20 +0000
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary=AA

--AA
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<p>h=E9</p>
--AA
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

aMOpDQp4
--AA
Content-Type: application/pdf; name=other.pdf
Content-Disposition: attachment; filename*=utf-8''h%C3%A9.pdf
Content-ID: <one@example.com> (c)

%PDF
--AA
Content-Type: application/pdf; name="../x.pdf"

%PDF
--AA--
"""


def test_a_mapped_message_is_the_message_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(DATA)
    with Message.open(path) as message:
        assert message.headers["Subject"] == "hé"
        assert [part.span for part in message.walk()] == [
            part.span for part in Message(DATA).walk()
        ]
        assert bytes(message) == DATA
        assert len(message) == len(DATA)


def test_an_empty_file_is_an_empty_message(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with Message.open(path) as message:
        assert list(message.headers) == []
        assert [str(part.content_type) for part in message.walk()] == ["text/plain"]


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_file_that_cannot_be_mapped_is_a_temporary_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(MessageFileError) as caught:
        Message.open(tmp_path / name)
    assert isinstance(caught.value, StorageError)
    assert caught.value.is_temporary
    assert caught.value.path == str(tmp_path / name)


def test_the_public_face_works() -> None:
    message = Message(DATA)
    assert message.headers.addresses("From")[0].name == "Zoë"
    assert [address.addr_spec for address in message.addresses("To")] == [
        "a@example.com",
        "b@example.com",
    ]
    seen = [(part.section, str(part.content_type)) for part in message.walk()]
    assert seen == [
        ("1", "multipart/mixed"),
        ("1.1", "text/html"),
        ("1.2", "text/plain"),
        ("1.3", "application/pdf"),
        ("1.4", "application/pdf"),
    ]


def test_bodies_are_decoded_by_encoding_and_charset() -> None:
    html, plain = Message(DATA).root.children[:2]
    assert (html.decoded(), html.text()) == (b"<p>h\xe9</p>", "<p>hé</p>")
    assert (plain.decoded(), plain.text()) == ("hé\r\nx".encode(), "hé\nx")


def test_the_text_of_a_message_is_its_plain_part() -> None:
    assert Message(DATA).text() == "hé\nx"
    assert Message(b"\nhello\n").text() == "hello\n"
    assert Message(b"Mime-Version: 1.0\nContent-Type: image/png\n\nx").text() == ""


def test_names_and_identifiers_of_attachments() -> None:
    first, second = Message(DATA).root.children[2:]
    assert (first.filename, first.content_id) == ("hé.pdf", "one@example.com")
    assert first.disposition is not None
    assert first.disposition.value == "attachment"
    assert (second.filename, second.content_id, second.disposition) == ("../x.pdf", None, None)


def test_parents_and_children_are_parts_of_the_same_message() -> None:
    message = Message(DATA)
    child = message.root.children[0]
    assert child.parent is not None
    assert child.parent.section == "1"
    assert message.root.parent is None
    assert child.message is message


def test_headers_and_body_span_do_not_look_for_parts() -> None:
    message = Message(DATA)
    start, end = message.body_span
    assert DATA[start:end].startswith(b"--AA\n")
    assert end == len(DATA)
    assert message._root is None


def test_a_header_over_the_limit_is_cut_and_the_body_stays_where_it_is() -> None:
    data = b"A: b\n" * 100 + b"\nbody"
    message = Message(data, limits=Limits(header_bytes=50))
    assert len(message.headers) == len(message.root.headers) == 10
    assert message.body_span == message.root.body_span == (501, 505)


def test_a_structure_that_was_found_while_arriving_is_used() -> None:
    parser = PushParser()
    for start in range(0, len(DATA), 10):
        parser.feed(DATA[start : start + 10])
    message = Message(DATA, structure=parser.close())
    assert message.root.children[1].text() == "hé\nx"
