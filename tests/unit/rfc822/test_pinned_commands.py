"""The pinned cases of spec rfc822 6.7, by number: the commands, and what reports hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.rfc822 import Field, Message, encode_typed_address, rewrite_address_field


def reformail(data: str, *words: str) -> str:
    done = run_ours("reformail", *words, data=data.encode())
    assert (done.code, done.err) == (0, b"")
    return done.out.decode()


def test_case_97_old_fields_are_renamed_and_the_new_one_appended() -> None:
    out = reformail("Subject: one\nSUBJECT: two\nX: y\n\n", "-i", "Subject: new")
    assert out == "Old-Subject: one\nOld-SUBJECT: two\nX: y\nSubject: new\n\n"


def test_case_98_one_field_makes_up_for_one_addition() -> None:
    out = reformail("From: z\n\n", "-a", "From: x", "-a", "From: y")
    assert out == "From: z\nFrom: y\n\n"


def test_case_99_appended_fields_stand_in_the_order_of_their_kinds() -> None:
    out = reformail("H: 0\n\n", "-A", "A: 1", "-a", "B: 2", "-I", "C: 3", "-i", "D: 4")
    # -i before -I (2.4.3), as in the list of the pinned case
    assert out == "H: 0\nB: 2\nA: 1\nD: 4\nC: 3\n\n"


def test_case_100_only_the_last_field_stays_behind_all_others() -> None:
    out = reformail("Subject: one\nSUBJECT: two\nX: y\n\n", "-U", "subject:")
    assert out == "X: y\nSUBJECT: two\n\n"


def test_case_101_a_from_line_becomes_a_return_path() -> None:
    data = (
        "From joe@example.com  Sat Jan  1 00:00:00 2000\nReturn-Path: <old@x>\nSubject: f\n\n"
        ">From x\n>>From y\nFrom z\n"
    )
    out = reformail(data, "-f0")
    assert out == "Subject: f\nReturn-Path: <joe@example.com>\n\nFrom x\n>From y\nFrom z\n"


def test_case_102_duplicates_are_noted(tmp_path: Path) -> None:
    codes = [
        run_ours(
            "reformail", "-D", "30", "f", data=f"Message-ID: {name}\n\n".encode(), cwd=tmp_path
        ).code
        for name in ("<a@b>", "<a@b>", "<c@d>")
    ]
    assert codes == [1, 0, 1]
    # the newest Courier writes one NUL less; T is both read, one more written (2.4.7)
    assert (tmp_path / "f").read_bytes() == b"<a@b>\0<c@d>\0\0"


@pytest.mark.parametrize(
    ("number", "names"),
    [(None, "000,001"), ("0098", "0098,0099"), ("9", "9,10"), ("x9", "x9,x9")],
    ids=["103-unset", "103-padded", "103-short", "103-text"],
)
def test_case_103_messages_are_numbered(
    number: str | None, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILENO", raising=False)
    if number is not None:
        monkeypatch.setenv("FILENO", number)
    out = reformail("From a\nA: 1\n\nFrom b\n", "-s", "sh", "-c", 'cat >/dev/null; echo "$FILENO"')
    assert out.split() == names.split(",")


def test_case_104_an_empty_value_is_an_empty_line() -> None:
    assert reformail("X-Empty:\nA: 1\n\n", "-x", "x-empty:") == "\n"


@pytest.mark.parametrize("data", ["", "\n", "\n\n\n"], ids=["105-none", "105-one", "105-three"])
def test_case_105_no_message_gives_no_output(data: str) -> None:
    assert reformail(data, "-A", "X: 1") == ""


def test_case_106_quotes_are_taken_out_of_a_charset(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x\n")
    done = run_ours("makemime", "-c", "text/plain", "-C", 'u"t\\f', "file", cwd=tmp_path)
    assert done.out.startswith(b'Content-Type: text/plain; charset="utf"\n')


def test_case_107_arguments_and_content_come_from_one_input() -> None:
    done = run_ours("makemime", "@-", data=b"-c\nauto\n&0\n-\nthe content\n")
    assert done == (
        0, b"Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\nthe content\n", b"",
    )  # fmt: skip


def test_case_108_two_parts_get_one_new_boundary(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"text\n")
    (tmp_path / "h").write_bytes(b"<p>html\n")
    words = "-j ( -m multipart/mixed -a Mime-Version:&1.0 ( -c text/plain t ) ) ( -c text/html h )"
    arguments = [word.replace("&", " ") for word in words.split()]
    done = run_ours("makemime", *arguments, cwd=tmp_path)
    message = Message(done.out)
    assert [str(part.content_type) for part in message.walk()] == [
        "multipart/mixed", "text/plain", "text/html",
    ]  # fmt: skip
    assert done.out.count(b"boundary=") == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param('"../../etc/passwd"', "passwd", id="109-path"),
        pytest.param('"C:\\\\dir\\\\x.txt"', "x.txt", id="109-backslashes"),
        pytest.param('"  sp ace.txt "', "sp_ace.txt", id="109-blanks"),
        pytest.param("a" * 20 + "b" * 34, "b" * 32, id="109-long"),
        pytest.param('"h\u00e9.txt"', "h__.txt", id="109-not-ascii"),
        pytest.param('".profile"', "_profile", id="109-hidden"),
        pytest.param('"-rf"', "_rf", id="109-option"),
    ],
)
def test_case_109_file_names_are_safe(name: str, expected: str) -> None:
    message = (
        "Mime-Version: 1.0\nContent-Type: text/plain\n"
        f"Content-Disposition: attachment; filename={name}\n\nx\n"
    )
    done = run_ours(
        "reformime", "-X", "sh", "-c", 'cat >/dev/null; echo "$FILENAME"', data=message.encode()
    )
    assert done.out.decode().removesuffix("\n") == expected


def test_case_110_the_exit_code_of_a_program_is_passed_on() -> None:
    done = run_ours("reformime", "-X", "sh", "-c", "exit 3", data=b"Subject: x\n\nbody\n")
    assert done == (23, b"", b"reformime: sh exited with status 3.\n")


DSN = b"""Mime-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=A

--A

text
--A
Content-Type: message/delivery-status

Reporting-MTA: dns; x

Final-Recipient: rfc822; u1@example.com
Original-Recipient: rfc822;o1@example.com
Action: FAILED

--A--
"""


@pytest.mark.parametrize(
    ("option", "line"),
    [("-d", b"failed u1@example.com\n"), ("-D", b"failed o1@example.com\n")],
    ids=["111-final", "111-original"],
)
def test_case_111_recipients_of_a_report_are_listed(option: str, line: bytes) -> None:
    assert run_ours("reformime", option, data=DSN) == (0, line, b"")
    assert run_ours("reformime", option, data=b"Subject: x\n\nno report\n") == (1, b"", b"")


@pytest.mark.parametrize(
    ("address", "form", "expected"),
    [
        ("n+x=y@e.c", "utf-8", "rfc822;n+2Bx+3Dy@e.c"),
        ("и@и.com", "utf-8", "utf-8;и@и.com"),
        ("и@и.com", "unitext", r"utf-8;\x{438}@\x{438}.com"),
        ("и@и.com", "rfc822", "rfc822;+D0+B8@xn--h1a.com"),
    ],
    ids=["112-ascii", "112-utf8", "112-unitext", "112-rfc822"],
)
def test_case_112_addresses_get_their_type(address: str, form: str, expected: str) -> None:
    assert encode_typed_address(address, form) == expected


def test_case_113_submitted_address_fields_are_completed_and_folded() -> None:
    field = Field(
        b"To: one@example.com, two@example.com, three@example.com, fourth@example.com, bob\n"
    )
    out = rewrite_address_field(field, lambda addr: addr if "@" in addr else f"{addr}@example.net")
    assert out == (
        b"To: one@example.com, two@example.com, three@example.com,\n"
        b"      fourth@example.com, bob@example.net\n"
    )
    assert Field(b"Return-Path: <x@y>\n").renamed("Old-Return-Path").raw == (
        b"Old-Return-Path: <x@y>\n"
    )
