"""Laws of changing and making messages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.rfc822 import (
    Attachment,
    EncodingError,
    Forward,
    Message,
    Reply,
    compose,
    thread_by_references,
    wrap_header,
)
from couriermail.rfc822.errors import EditError
from couriermail.rfc822.thread import ThreadMessage

PIECES = st.sampled_from(
    [
        b"\n", b"\r\n", b"A", b"--A\n", b"--A--\n", b"\n--A\n", b"\n--AB--\n", b" x\n", b"From: a@b\n",
        b"Subject: x\n", b"Mime-Version: 1.0\n", b"Content-Type: multipart/mixed; boundary=A\n\n",
        b"Content-Type: text/plain; charset=utf-8\n", b"Content-Type: message/rfc822\n\n",
        b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n",
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AB\n\n--AB\n\nx\n", b"\xe9", b"=\n",
    ]
)  # fmt: skip
MESSAGES = st.lists(PIECES, max_size=20).map(b"".join)


@given(MESSAGES)
def test_an_editor_without_changes_gives_the_message(data: bytes) -> None:
    """What was not changed comes back octet for octet."""
    editor = Message(data).edit()
    for part in editor.message.walk():
        editor.remove_field("nothing", part)
        editor.replace_fields(lambda field: field, part)
    assert bytes(editor) == data


@given(MESSAGES, st.integers(0, 9), st.text(max_size=20))
def test_a_changed_field_changes_only_there(data: bytes, index: int, text: str) -> None:
    """What was changed changes only there: all other fields and all bodies stay."""
    message = Message(data)
    parts = list(message.walk())
    part = parts[index % len(parts)]
    editor = message.edit()
    editor.add_field("X-New", text, part)
    changed = bytes(editor)
    start, body = part.span[0], part.body_span[0]
    assert changed.startswith(data[:start])
    assert changed.endswith(data[body:])
    old = part.headers
    new = changed[start : len(changed) - (len(data) - body)]
    assert new.startswith(b"".join(field.raw for field in old))
    assert new.endswith(old.separator)


@given(MESSAGES, st.integers(0, 9), st.binary(max_size=40))
def test_a_changed_body_changes_only_there(data: bytes, index: int, content: bytes) -> None:
    """The tree keeps its shape, the content is the new one, the other leaves keep theirs."""
    message = Message(data)
    parts = list(message.walk())
    part = parts[index % len(parts)]
    editor = message.edit()
    try:
        editor.set_content(part, content)
    except EditError:
        assert part.is_multipart or part.children
        return
    changed = Message(bytes(editor))
    again = list(changed.walk())
    assert [p.section for p in again] == [p.section for p in parts]
    for old, new in zip(parts, again, strict=True):
        if old.section == part.section:
            line_ends = new.decoded().replace(b"\r\n", b"\n")
            assert content in (new.decoded(), line_ends) or line_ends == content.replace(
                b"\r\n", b"\n"
            )
        elif not old.children and not old.is_multipart:
            assert new.body() == old.body()


@given(MESSAGES, st.integers(0, 9))
def test_a_removed_part_takes_nothing_else_along(data: bytes, index: int) -> None:
    """The siblings of a part that is removed keep their octets."""
    message = Message(data)
    parts = [p for p in message.walk() if p.parent is not None and p.parent.is_multipart]
    if not parts:
        return
    part = parts[index % len(parts)]
    parent = part.parent
    assert parent is not None
    editor = message.edit()
    editor.remove_part(part)
    around = Message(bytes(editor)).find(parent.section)
    assert around is not None
    kept = [p.body() for p in parent.children if p.section != part.section]
    assert [p.body() for p in around.children] == kept


@given(MESSAGES, st.lists(st.tuples(st.integers(0, 9), st.sampled_from("rcf")), max_size=6))
def test_changes_of_many_parts_do_not_disturb_each_other(
    data: bytes, changes: list[tuple[int, str]]
) -> None:
    """Each leaf that is left has its own octets, or the new ones it was given."""
    message = Message(data)
    parts = list(message.walk())
    editor = message.edit()
    removed: set[str] = set()
    filled: set[str] = set()
    for index, change in changes:
        part = parts[index % len(parts)]
        if change == "f":
            editor.set_field("X-New", "y", part)
        elif change == "c" and not part.children and not part.is_multipart:
            editor.set_body(part, b"new")
            filled.add(part.section)
        elif part.parent is not None and part.parent.is_multipart:
            editor.remove_part(part)
            removed.add(part.section)
    kept = [
        b"new" if part.section in filled else part.body()
        for part in parts
        if not part.children and not part.is_multipart
        if not any(f"{part.section}.".startswith(f"{gone}.") for gone in removed)
    ]
    again = Message(bytes(editor)).walk()
    assert [p.body() for p in again if not p.children and not p.is_multipart] == kept


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(deadline=None)
@given(
    TEXTS, TEXTS, st.none() | TEXTS, st.lists(st.tuples(TEXTS, st.binary(max_size=60)), max_size=2)
)
def test_a_composed_message_is_read_as_it_was_meant(
    subject: str, text: str, html: str | None, files: list[tuple[str, bytes]]
) -> None:
    """Any text and any octets can be sent, in 7 bits, and come back."""
    message = compose(
        sender="a@b", to=["c@d"], subject=subject, text=text, html=html,
        attachments=[Attachment(name, data, content_type="application/x") for name, data in files],
    )  # fmt: skip
    assert bytes(message).isascii()
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert message.text() == (lines if lines.endswith("\n") or not lines else lines + "\n")
    assert message.headers["Subject"].split() == subject.split()
    attached = [p for p in message.walk() if p.disposition is not None]
    assert [p.decoded() for p in attached] == [data for _, data in files]
    assert not message.defects(with_content=True)


@settings(deadline=None)
@given(MESSAGES, st.sampled_from(["reply", "replyall", "replydsn", "feedback", "replydraft"]))
def test_every_message_can_be_answered_and_passed_on(data: bytes, mode: str) -> None:
    """Any octets: the answer is a message with a header of its own, and no other error."""
    original = Message(data)
    for written in (
        Reply(original=original, mode=mode, content=b"x\n", dsn_recipient="a@b"),  # type: ignore[arg-type]  # sampled texts
        Forward(original=original, content=b"x\n"),
    ):
        try:
            answer = Message(bytes(written))
        except EncodingError:
            continue
        assert answer.headers["Mime-Version"] == "1.0"
        assert "subject" in answer.headers


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=4), st.integers(0, 3)),
        max_size=12,
    )
)
def test_every_message_is_in_one_thread(mailbox: list[tuple[int, list[int], int]]) -> None:
    """RFC 5256: threads are a partition of the mailbox, whatever its fields say."""
    messages = [
        ThreadMessage(
            place, number=place + 1, message_id=str(own) if own else "",
            references=tuple(map(str, references)), subject=f"s{subject}" if subject else "",
            is_reply=subject == 2, date=own,
        )
        for place, (own, references, subject) in enumerate(mailbox)
    ]  # fmt: skip
    threads = thread_by_references(messages)
    found = [t.message.key for root in threads for _, t in root.walk() if t.message]
    assert sorted(map(str, found)) == sorted(str(m.key) for m in messages)
    for root in threads:
        assert all(t.message is not None for depth, t in root.walk() if depth)


@given(st.sampled_from(["To", "Subject"]), st.text(max_size=60), st.integers(1, 30))
def test_every_field_can_be_shown(name: str, value: str, width: int) -> None:
    """Any text: shown, wrapped, no exception (spec rfc822 4.5)."""
    assert all(isinstance(line, str) for line in wrap_header(name, value, width))
