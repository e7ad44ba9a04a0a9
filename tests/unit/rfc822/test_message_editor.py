"""Changing messages: what is not changed stays octet for octet."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import DefectKind, EditError, Field, Limits, Message, MessageEditor, compose

MIXED = (
    b"From: a@b\r\nSubject:  old\r\nX: 1\r\nsubject: older\r\nMime-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=A\r\n\r\npreamble\r\n"
    b"--A\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nfirst\r\n"
    b"--A\r\nContent-Type: text/html\r\n\r\n<p>\r\n--A--\r\nepilogue"
)
EMPTY_PARTS = b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n--A\n--A\nX: y\n--A\n\n--A--\n"


MIME_WITH_SHARED_LINE_END = (
    b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n"
    b"--A\nContent-Type: message/rfc822\n\n\n--A\n"
)


def edit(data: bytes) -> MessageEditor:
    return Message(data).edit()


def test_without_changes_nothing_changes() -> None:
    assert bytes(edit(MIXED)) == MIXED


def test_a_field_is_changed_where_it_stood() -> None:
    editor = edit(MIXED)
    editor.set_field("Subject", "né")
    expected = MIXED.replace(b"Subject:  old\r\n", b"Subject: =?utf-8?B?bsOp?=\r\n")
    assert bytes(editor) == expected.replace(b"subject: older\r\n", b"")


def test_fields_are_added_at_the_end_and_removed_by_name() -> None:
    editor = edit(MIXED)
    editor.add_field("X", "2")
    editor.set_field("Y", "3")
    assert editor.remove_field("SUBJECT") == 2
    assert editor.remove_field("nothing") == 0
    headers = Message(bytes(editor)).headers
    assert [field.name for field in headers] == [
        "From", "X", "Mime-Version", "Content-Type", "X", "Y",
    ]  # fmt: skip
    assert bytes(editor).endswith(MIXED[MIXED.index(b"\r\n\r\npreamble") :])


def test_fields_are_rewritten_one_by_one() -> None:
    editor = edit(MIXED)
    editor.replace_fields(lambda field: None if field.key == b"x" else field)
    assert bytes(editor) == MIXED.replace(b"X: 1\r\n", b"")


def test_the_header_of_a_part_is_its_own() -> None:
    message = Message(MIXED)
    editor = message.edit()
    editor.set_field("Content-Description", "d", message.root.children[1])
    assert bytes(editor) == MIXED.replace(
        b"text/html\r\n", b"text/html\r\nContent-Description: d\r\n"
    )


def test_text_keeps_its_charset_where_it_can() -> None:
    message = Message(MIXED)
    editor = message.edit()
    editor.set_text(message.root.children[0], "é\n")
    changed = Message(bytes(editor))
    part = changed.root.children[0]
    assert (part.text(), part.content_type.charset, part.encoding) == ("é\n", "iso-8859-1", "8bit")
    assert changed.root.children[1].body() == b"<p>"
    assert changed.headers.raw == message.headers.raw


def test_text_that_the_charset_lacks_becomes_utf8_and_other_parameters_stay() -> None:
    data = b"Mime-Version: 1.0\nContent-Type: text/plain; charset=us-ascii; format=flowed\n\nx\n"
    message = Message(data)
    editor = message.edit()
    editor.set_text(message.root, "日\n")
    part = Message(bytes(editor)).root
    assert (part.text(), part.content_type.charset) == ("日\n", "utf-8")
    assert part.content_type.get("format") == "flowed"


def test_a_message_without_mime_gets_it_when_it_needs_it() -> None:
    message = Message(b"Subject: x\n\nold\n")
    editor = message.edit()
    editor.set_text(message.root, "é\n")
    changed = Message(bytes(editor))
    assert (changed.text(), changed.root.content_type.charset) == ("é\n", "utf-8")
    plain = message.edit()
    plain.set_text(message.root, "new\n")
    assert bytes(plain) == b"Subject: x\n\nnew\n"


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("content", ["x\n", "é\n", "--A\nx\n", "x" * 2000, "a\0b", ""])
def test_content_comes_back_whatever_it_is(encoding: str, content: str) -> None:
    data = (
        "Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n--A\n"
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n\n--A--\n"
    )
    message = Message(data.encode())
    editor = message.edit()
    editor.set_content(message.root.children[0], content.encode())
    changed = Message(bytes(editor))
    assert len(changed.root.children) == 1
    assert changed.root.children[0].decoded() == content.encode()
    kinds = {defect.kind for defect in changed.defects(with_content=True)}
    assert kinds <= {DefectKind.LONG_QP_LINE}


def test_a_body_that_would_end_its_multipart_is_refused() -> None:
    message = Message(MIXED)
    editor = message.edit()
    with pytest.raises(EditError):
        editor.set_body(message.root.children[0], b"x\r\n--a\r\n")
    editor.set_body(message.root.children[0], b"x --A")
    assert bytes(editor) == MIXED.replace(b"first", b"x --A")


@pytest.mark.parametrize(
    ("index", "gone"),
    [
        (0, b"--A\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nfirst\r\n"),
        (1, b"--A\r\nContent-Type: text/html\r\n\r\n<p>\r\n"),
    ],
)
def test_a_part_is_removed_with_its_delimiter(index: int, gone: bytes) -> None:
    message = Message(MIXED)
    editor = message.edit()
    editor.remove_part(message.root.children[index])
    editor.set_field("X", "ignored", message.root.children[index])
    assert bytes(editor) == MIXED.replace(gone, b"")


def test_all_parts_of_a_composed_message_can_be_removed() -> None:
    message = compose(sender="a@b", to=["c@d"], text="x", html="<p>y")
    for index in range(2):
        editor = message.edit()
        editor.remove_part(message.root.children[index])
        left = Message(bytes(editor))
        assert [p.decoded() for p in left.root.children] == [
            message.root.children[1 - index].decoded()
        ]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_empty_parts_are_removed_and_filled(index: int) -> None:
    message = Message(EMPTY_PARTS)
    assert len(message.root.children) == 3
    editor = message.edit()
    editor.remove_part(message.root.children[index])
    assert len(Message(bytes(editor)).root.children) == 2
    editor = message.edit()
    editor.set_body(message.root.children[index], b"filled")
    filled = Message(bytes(editor)).root.children
    assert [part.body() for part in filled][index] == b"filled"
    assert len(filled) == 3
    editor = message.edit()
    editor.add_field("Z", "z", message.root.children[index])
    assert Message(bytes(editor)).root.children[index].headers["Z"] == "z"


def test_a_line_end_that_two_parts_share_stays_with_the_first() -> None:
    data = MIME_WITH_SHARED_LINE_END
    message = Message(data)
    editor = message.edit()
    editor.remove_part(message.root.children[1])
    assert Message(bytes(editor)).root.children[0].body() == b"\n"


def test_what_would_do_harm_is_refused() -> None:
    message = Message(MIXED)
    editor = message.edit()
    with pytest.raises(EditError):
        editor.set_text(message.root, "x")
    with pytest.raises(EditError):
        editor.set_content(message.root, b"x")
    with pytest.raises(EditError):
        editor.remove_part(message.root)
    with pytest.raises(EditError):
        editor.set_field("X: y", "z")
    with pytest.raises(EditError):
        Message(MIXED, limits=Limits(header_bytes=20)).edit().set_field("X", "y")


def test_line_ends_in_a_field_become_blanks() -> None:
    editor = edit(b"A: b\n\n")
    editor.add_field("X", "a\r\nBcc: z")
    editor.replace_fields(lambda field: field if field.key != b"a" else Field(b"A: c\n"))
    assert bytes(editor) == b"A: c\nX: a  Bcc: z\n\n"


def test_a_header_without_line_end_gets_one() -> None:
    editor = edit(b"A: b")
    editor.add_field("X", "y")
    assert bytes(editor) == b"A: b\nX: y\n"
    message = Message(b"A: b")
    editor = message.edit()
    editor.set_body(message.root, b"body")
    assert bytes(editor) == b"A: b\n\nbody"
