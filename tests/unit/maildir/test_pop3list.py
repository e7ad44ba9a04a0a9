"""Messages as POP3 shows them, and the file that keeps their unique ids (spec maildir 3.10)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couriermail.maildir import Maildir, Pop3List, Pop3Message, list_for_pop3
from couriermail.maildir.pop3list import POP3_FILE, measure, read_pop3_list

FIRST = "1700000001.M1P1.host"
SECOND = "1700000002.M2P1.host"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    Maildir.create(tmp_path / "box")
    return tmp_path / "box"


def put(box: Path, name: str, data: bytes = b"Subject: x\n\nbody\n") -> Path:
    path = box / name
    path.write_bytes(data)
    return path


def test_new_messages_get_numbers_in_order_of_arrival_and_keep_them(box: Path) -> None:
    put(box, f"new/{SECOND}")
    put(box, f"cur/{FIRST}:2,S")

    first = list_for_pop3(box, now=777)
    os.rename(box / f"cur/{FIRST}:2,S", box / f"cur/{FIRST}:2,RS")
    again = list_for_pop3(box, now=999)

    assert [(m.name, m.unique_id) for m in first.messages] == [
        (f"{FIRST}:2,S", "UID1-777"),
        (f"{SECOND}:2,", "UID2-777"),
    ]
    assert [(m.name, m.unique_id) for m in again.messages] == [
        (f"{FIRST}:2,RS", "UID1-777"),
        (f"{SECOND}:2,", "UID2-777"),
    ]
    assert (box / POP3_FILE).read_bytes() == (
        f"/3 3 777\n{FIRST}:2,S 20 1:777:0\n{SECOND}:2, 20 2:777:0\n".encode()
    )


def test_a_number_is_never_given_twice(box: Path) -> None:
    path = put(box, f"cur/{FIRST}:2,")
    list_for_pop3(box, now=5)
    path.unlink()
    put(box, f"cur/{SECOND}:2,")

    found = list_for_pop3(box, now=6)

    assert [message.unique_id for message in found.messages] == ["UID2-5"]
    assert (box / POP3_FILE).read_bytes().startswith(b"/3 3 5\n")


def test_an_old_list_is_understood(box: Path) -> None:
    put(box, f"cur/{FIRST}:2,")
    put(box, f"cur/{SECOND}:2,")
    (box / POP3_FILE).write_text(f"/2 5 777\n{FIRST}:2, 33 3:555\n{SECOND}:2, 99 4:0\n")

    found = list_for_pop3(box)

    assert [(m.size, m.unique_id) for m in found.messages] == [(33, "UID3-555"), (99, "UID4")]


def test_without_messages_no_list_is_made(box: Path) -> None:
    assert list_for_pop3(box, now=1).messages == ()
    assert not (box / POP3_FILE).exists()


@pytest.mark.parametrize(
    "text",
    ["", "/1 2 3\n", "/3 x 3\n", "/3 1\n", "\0\xff", "/3 -1 2\n"],
    ids=["empty", "version 1", "no number", "short", "binary", "negative"],
)
def test_a_list_that_cannot_be_used_starts_anew(box: Path, text: str) -> None:
    put(box, f"cur/{FIRST}:2,")
    (box / POP3_FILE).write_text(text, encoding="latin-1")

    assert [message.unique_id for message in list_for_pop3(box, now=8).messages] == ["UID1-8"]


def test_lines_that_are_not_understood_are_passed_over() -> None:
    found = Pop3List.parse(b"/3 9 7\na b:2,S 10 1:7:1\nnonsense\nx 1 2\ny 1:2:3\nz q 1:7:0\n")

    assert found is not None
    assert [(m.name, m.size, m.is_eight_bit) for m in found.messages] == [("a b:2,S", 10, True)]


def test_a_message_of_a_very_old_list_is_named_by_its_file() -> None:
    message = Pop3Message(name="1.é'x+:2,S", size=1, number=0, uidvalidity=0)
    assert message.unique_id == "1.+C3+A9+27x+2B"


def test_a_symbolic_link_is_no_list(box: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("/3 9 9\n")
    (box / POP3_FILE).symlink_to(tmp_path / "other")
    assert read_pop3_list(box) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", (0, False), id="empty"),
        pytest.param(b"A: b\n\nx\n", (11, False), id="LF"),
        pytest.param(b"A: b\r\n\r\nx\r\n", (11, False), id="CRLF"),
        pytest.param(b"A: \xe9\n\nx\n", (11, True), id="8-bit header"),
        pytest.param(b"A: b\n\n\xe9\n", (11, False), id="8-bit body"),
        pytest.param(b"\n\xe9\n", (5, False), id="no header"),
    ],
)
def test_size_and_header_are_measured(data: bytes, expected: tuple[int, bool]) -> None:
    assert measure(io.BytesIO(data)) == expected


@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n", b"\n\n", b"\xe9"])).map(b"".join)
)
def test_sizes_do_not_depend_on_how_the_file_is_read(data: bytes) -> None:
    """Size = octets with CRLF line ends (spec maildir 3.10)."""

    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    expected = len(data) + data.count(b"\n") - data.count(b"\r\n")
    assert measure(Drops(data)) == measure(io.BytesIO(data))
    assert measure(Drops(data))[0] == expected


@given(
    number=st.integers(1, 2**32),
    names=st.lists(st.text("ab .:,S2=\udc80é", min_size=1), unique=True, max_size=4),
)
def test_what_was_written_is_read_back(number: int, names: list[str]) -> None:
    """Lines are "parsed from the right, so file names may hold blanks" (spec maildir 3.10)."""
    messages = tuple(
        Pop3Message(name=name, size=3, number=place + 1, uidvalidity=5, is_eight_bit=place == 1)
        for place, name in enumerate(names)
    )
    written = Pop3List(uidvalidity=7, next_number=number, messages=messages)
    assert Pop3List.parse(written.to_bytes()) == written
