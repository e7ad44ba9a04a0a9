"""Lines of the mail log (spec mta 15, 19.1)."""

from __future__ import annotations

import re

import pytest

from couriermail.mta import maillog

ID = "000000000023A519.000000006B02A08C.000000BD"


def test_the_lines_of_a_delivery_are_those_that_log_readers_know() -> None:
    assert [
        maillog.newmsg(ID, "dns; localhost (localhost [127.0.0.1])"),
        maillog.newmsg(ID, "dns; x", auth="alice@example.com"),
        maillog.started(
            ID, "alice@example.com", module="local", host="bob!!2002!2002!/home/bob!!", address="bob"
        ),
        maillog.success(ID, "alice@example.com", "bob@example.com", "Message delivered.", size=340),
        maillog.completed(ID),
    ] == [
        f"newmsg,id={ID}: dns; localhost (localhost [127.0.0.1])",
        f"newmsg,id={ID}, auth=alice@example.com: dns; x",
        f"started,id={ID},from=<alice@example.com>,module=local,"
        "host=bob!!2002!2002!/home/bob!!,addr=<bob>",
        f"id={ID},from=<alice@example.com>,addr=<bob@example.com>,size=340,"
        "success: Message delivered.",
        f"completed,id={ID}",
    ]  # fmt: skip


@pytest.mark.parametrize(("is_deferred", "word"), [(True, "deferred"), (False, "failure")])
def test_a_failure_is_explained_line_by_line(*, is_deferred: bool, word: str) -> None:
    lines = maillog.failure(ID, "a@b", "c@d", ["550-no", "550 never"], is_deferred=is_deferred)
    head = f"id={ID},from=<a@b>,addr=<c@d>"
    assert lines == [f"{head}: 550-no", f"{head}: 550 never", f"{head},status: {word}"]


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("success", r"^id=[^,]*,from=(<.*>),addr=(<.*>),size=(\d+),status: success"),
        ("failure", r"^id=[^,]*,from=(<.*>),addr=(<.*>),size=\d+,status: fail"),
        ("deferred", r"^id=[^,]*,from=(<.*>),addr=(<.*>),size=\d+,status: defer"),
    ],
)
def test_courier_analog_understands_a_status(kind: str, pattern: str) -> None:
    assert re.match(pattern, maillog.status(ID, "a@b", "c@d", kind, size=7))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\n", "a/b"),
        ("a\n", "a"),
        ("a\tb\x00c\x7f\x9b", "a.b.c.."),
        ("x" * 128, "x" * 128),
        ("x" * 129, "x" * 128 + "..."),
        ("ü\u2028", "ü."),
    ],
)
def test_inserted_text_cannot_forge_a_line(text: str, shown: str) -> None:
    assert maillog.info(ID, "", "", text) == f"id={ID},from=<>,addr=<>: {shown}"


def test_a_line_has_at_most_1023_octets() -> None:
    long = "€" * 500
    line = maillog.started(long, long, module=long, host=long, address=long)
    assert len(line.encode()) in {1021, 1022, 1023}
    assert maillog.info(ID, "\ud800", "", "x").isascii()
