"""Threads (RFC 5256 3, spec rfc822 4.24)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    Headers,
    Thread,
    ThreadMessage,
    thread_by_references,
    thread_by_subject,
)


def message(
    key: str, references: str = "", subject: str = "", date: int = 0, *, number: int = 0
) -> ThreadMessage:
    return ThreadMessage(
        key,
        number=number or ord(key[0]),
        message_id=key.rstrip("'"),
        references=tuple(references.split()),
        subject=subject.removeprefix("Re "),
        is_reply=subject.startswith("Re "),
        date=date,
    )


def shape(threads: list[Thread]) -> str:
    def one(thread: Thread) -> str:
        key = "-" if thread.message is None else str(thread.message.key)
        below = " ".join(one(child) for child in thread.children)
        return f"{key}({below})" if below else key

    return " ".join(map(one, threads))


@pytest.mark.parametrize(
    ("messages", "threads"),
    [
        pytest.param([], "", id="none"),
        pytest.param([message("a"), message("b")], "a b", id="apart"),
        pytest.param([message("a"), message("b", "a"), message("c", "a b")], "a(b(c))", id="chain"),
        pytest.param([message("c", "a b"), message("b", "a"), message("a")], "a(b(c))", id="reversed"),
        pytest.param([message("c", "a b"), message("a")], "a(c)", id="missing-in-the-middle"),
        pytest.param([message("b", "x"), message("c", "x")], "-(b c)", id="missing-root-holds-two"),
        pytest.param([message("b", "x")], "b", id="missing-root-of-one"),
        pytest.param([message("b", "x y"), message("c", "x")], "-(b c)", id="two-missing"),
        pytest.param([message("a", "b"), message("b", "a")], "b(a)", id="circle"),
        pytest.param([message("a", "a")], "a", id="answers-itself"),
        pytest.param([message("a"), message("a'", "a")], "a(a')", id="duplicate-id"),
        pytest.param(
            [message("c", "a c b"), message("a"), message("b")], "a(c) b", id="own-id-among-its-references"
        ),
        pytest.param([message("c", "b"), message("b", "a"), message("a")], "a(b(c))", id="truncated"),
        pytest.param(
            [message("a", date=30), message("b", date=20), message("c", "a", date=10)], "b a(c)", id="sorted-by-date"
        ),
        pytest.param(
            [message("a", date=1), message("b", "a", date=9), message("c", "a", date=5)], "a(c b)", id="siblings-sorted"
        ),
        pytest.param([message("a", subject="S"), message("b", subject="Re S")], "a(b)", id="reply-by-subject"),
        pytest.param([message("a", subject="Re S"), message("b", subject="S")], "b(a)", id="reply-came-first"),
        pytest.param([message("a", subject="S"), message("b", subject="S")], "-(a b)", id="same-subject"),
        pytest.param([message("a", subject=""), message("b", subject="")], "a b", id="no-subject"),
        pytest.param(
            [message("b", "x", "S"), message("c", "x", "S"), message("d", subject="Re S")], "-(b c d)", id="joins-a-missing-root"
        ),
        pytest.param(
            [message("b", "x", "S"), message("c", "x", "S"), message("d", "y", "S"), message("e", "y", "S")],
            "-(b c d e)", id="two-missing-roots-merge",
        ),
    ],
)  # fmt: skip
def test_messages_become_threads(messages: list[ThreadMessage], threads: str) -> None:
    assert shape(thread_by_references(messages)) == threads


def test_threads_by_subject_are_flat() -> None:
    messages = [
        message("a", subject="S", date=5),
        message("b", subject="T", date=3),
        message("c", subject="Re S", date=9),
    ]
    assert shape(thread_by_subject(messages)) == "b a(c)"


def test_the_fields_of_a_header_are_read() -> None:
    headers = Headers(
        b"Message-ID: <a@b>\nIn-Reply-To: <x@y> <z@y>\nSubject: Re: =?utf-8?q?h=C3=A9?=\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\n\n"
    )
    found = ThreadMessage.of_headers("k", headers, number=3)
    assert (found.message_id, found.references, found.date) == ("a@b", ("x@y",), 1700000000)
    assert (found.subject, found.is_reply) == ("HÉ", True)
    bare = ThreadMessage.of_headers("k", Headers(b"Message-ID: <a> <b>\n\n"), number=1, received=7)
    assert (bare.message_id, bare.references, bare.date) == ("", (), 7)


def test_deep_and_wide_mailboxes_take_linear_time() -> None:
    count = 20_000
    forward = [
        ThreadMessage(n, number=n + 1, message_id=f"{n}", references=(f"{n - 1}",) if n else ())
        for n in range(count)
    ]
    deepest = max(depth for depth, _ in thread_by_references(forward)[0].walk())
    assert deepest == count - 1
    assert len(thread_by_references(list(reversed(forward)))) == 1
    wide = [ThreadMessage(n, number=n + 1, subject="S") for n in range(count)]
    assert len(thread_by_references(wide)) == 1
