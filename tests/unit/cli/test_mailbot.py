"""`mailbot`: its command line, its answers, exit codes and the pinned cases (spec filter 6.6)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer.main
from tests.support.commands import Done, run_ours

from couriermail.cli.mailbot import FORMATS, OPTIONS_WITH_VALUE, SWITCHES, read_command_line
from couriermail.cli.mailbot_app import app
from couriermail.filter import AnswerFormat
from couriermail.rfc822 import Message, read_delivery_status, read_feedback_report

ORIGINAL = b"""\
Return-Path: <rp@example.com>
Date: Tue, 14 Nov 2023 22:13:20 +0000
From: =?iso-8859-1?q?H=F3la!?= sender <Test@Example.com>
Reply-To: rt@example.com
To: me@example.com, Other <other@example.com>
Cc: ccaddr@example.com
Message-ID: <m3@example.com>
References: <r1@example.com> <r2@example.com>
Subject: Re: test =?iso-8859-1?Q?H=F3?= (fwd)
Mime-Version: 1.0
Content-Type: text/plain; charset=iso-8859-1

Original
> quoted
"""
MIME_TEXT = (
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nI am away.\n"
)
USAGE = b"mailbot: Invalid arguments, --help shows them.\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with texts, which the commands run in; no envelope sender is known."""
    monkeypatch.delenv("SENDER", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.mime").write_bytes(MIME_TEXT)
    (tmp_path / "t.txt").write_bytes(b"I am away.\n")
    return tmp_path


def mailbot(*words: str, data: bytes = ORIGINAL) -> Done:
    return run_ours("mailbot", *words, data=data)


def answer(*words: str, data: bytes = ORIGINAL) -> Message:
    """The answer, which there has to be."""
    done = mailbot(*words, "-n", data=data)
    assert (done.code, done.err) == (0, b"")
    assert done.out
    return Message(done.out)


def test_the_help_declares_the_options_that_are_read() -> None:
    declared = {
        option
        for parameter in typer.main.get_command(app).params
        for option in parameter.opts
        if option.startswith("-")
    }
    assert declared == {f"-{letter}" for letter in [*OPTIONS_WITH_VALUE, *SWITCHES, "f"]} | {
        "--no-safety"
    }
    assert get_args(AnswerFormat) == FORMATS


def test_the_help_is_shown() -> None:
    done = mailbot("--help")
    assert done.code == 0
    assert b"Examples" in done.out
    assert b"Exit codes" in done.out


@pytest.mark.parametrize(
    "words",
    [["-z"], ["-nN"], ["-T", "bogus"], ["-t", "a", "-m", "b"], ["-T", "replydraft"], ["-D", "x"],
     ["-D"], ["--feedback-", "x"], ["--feedback-a b", "x"], ["--feedback-incidents"], ["--bogus"],
     ["-D", "-1"]],
    ids=" ".join,
)  # fmt: skip
def test_what_has_no_meaning_is_refused(words: list[str]) -> None:
    assert mailbot(*words) == (75, b"", USAGE)


def test_options_end_at_the_mail_program() -> None:
    request = read_command_line(["-n", "-A", "a: 1", "-f", "-D7", "--", "-x", "-n"])
    assert request.command == ["-x", "-n"]
    assert request.fields == [("a", "1")]
    assert (request.sender, request.days) == ("", 7)
    assert read_command_line([]).command == ["sendmail", "-f", ""]


def test_165_an_answer_quotes_the_text_and_keeps_the_thread() -> None:
    done = mailbot("-m", "t.mime", "cat")
    assert done.code == 0
    assert done.out.decode() == (
        "Precedence: junk\nAuto-Submitted: auto-replied\nTo: rt@example.com\n"
        "References: <r1@example.com>\n            <r2@example.com>\n            <m3@example.com>\n"
        "In-Reply-To: <m3@example.com>\nSubject: Re: test =?iso-8859-1?Q?H=F3?=\n"
        "Mime-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\n"
        "Hóla! sender writes:\n\n> Original\n>> quoted\n\nI am away.\n\n"
    )


def test_166_the_envelope_is_answered() -> None:
    assert answer("-e").headers.addresses("to")[0].addr_spec == "rp@example.com"


def test_167_fields_of_the_caller_come_first() -> None:
    done = mailbot("-s", "S", "-A", "From: me@x", "-A", "X-A: 1", "-n")
    assert done.out.startswith(b"From: me@x\nX-A: 1\nPrecedence: junk\n")
    assert Message(done.out).headers["Subject"] == "S"


def test_168_a_delivery_report() -> None:
    report = answer("-M", "me@example.com", "-N")
    status = read_delivery_status(report)
    assert status is not None
    [recipient] = status.recipients
    assert (recipient.final_recipient, recipient.action, recipient.status) == (
        "rfc822; me@example.com", "delivered", "2.0.0",
    )  # fmt: skip
    assert str(report.root.children[2].content_type) == "text/rfc822-headers"
    assert b"Original" not in bytes(report.data)
    whole = answer("-M", "me@example.com", "-N", "-a")
    assert str(whole.root.children[2].content_type) == "message/rfc822"


def test_169_a_feedback_report() -> None:
    report = answer("-T", "replyfeedback", "-R", "abuse", "--feedback-source-ip", "127.0.0.1")
    assert b"Feedback-Type: abuse\n" in bytes(report.data)
    assert b"Source-IP: 127.0.0.1\n" in bytes(report.data)
    found = read_feedback_report(report)
    assert found is not None
    assert (found.feedback_type, found.source_ip) == ("abuse", "127.0.0.1")
    assert "To" not in answer("-T", "feedback", "-R", "fraud").headers
    bare = read_feedback_report(answer("-T", "feedback", "--feedback-source-ip", "127.0.0.1"))
    assert bare is not None
    assert (bare.feedback_type, bare.source_ip) == ("other", "")


@pytest.mark.parametrize(
    ("field", "is_answered"),
    [(b"Precedence: Junk mail", False), (b"Precedence: bulk", False), (b"Precedence: list", False),
     (b"Auto-Submitted: auto-generated", False), (b"Content-Type: multipart/report", False),
     (b"List-ID: <x>", False), (b"Precedence: first-class", True), (b"Auto-Submitted: no", True),
     (b"List-Id:", True)],
    ids=["170-junk", "170-bulk", "170-list", "170-automatic", "170-report", "170-list-id",
         "170-first-class", "170-not-automatic", "170-empty-list-id"],
)  # fmt: skip
def test_only_people_are_answered(field: bytes, is_answered: bool) -> None:
    done = mailbot("-n", data=field + b"\n" + ORIGINAL)
    assert (done.code, bool(done.out), done.err) == (0, is_answered, b"")


def test_171_only_mail_to_some_addresses_is_answered() -> None:
    assert answer("-r", "CCADDR@example.com")
    assert mailbot("-r", "zz@example.com, yy@example.com", "-n") == (0, b"", b"")


def test_172_nobody_is_answered_twice_a_day(place: Path) -> None:
    assert answer("-d", "adb")
    assert mailbot("-d", "adb", "-n") == (0, b"", b"")
    assert answer("-d", "adb", "-D", "0")
    assert (place / "adb.lmdb").exists()
    (place / "adb.lmdb").write_bytes(b"damaged" * 1000)
    done = mailbot("-d", "adb", "-n")
    assert (done.code, done.out, done.err.count(b"\n")) == (75, b"", 1)


def test_when_the_mail_program_fails_the_next_message_is_answered() -> None:
    assert mailbot("-d", "adb", "false").code == 1
    assert mailbot("-d", "adb", "no-such-program").code == 75
    assert answer("-d", "adb")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [(["sh", "-c", "exit 3"], 3, b""),
     (["no-such-program"], 75, b"mailbot: no-such-program: No such file or directory\n"),
     (["-t", "nofile"], 66, b"mailbot: nofile: No such file or directory\n"),
     (["-c", "nocs"], 65, b"Unknown charset: nocs\n"),
     (["-T", "reply", "-R", "abuse"], 64, b"mailbot: -R needs -T feedback or -T replyfeedback\n"),
     (["-A", "no field"], 64, b"mailbot: not a header field: 'no field'\n"),
     (["-A", "a: b\nBcc: x@y"], 64, b"mailbot: not a header field: 'a'\n")],
    ids=["173-status", "173-no-program", "173-no-text", "173-no-charset", "173-conflict",
         "no-field", "two-fields"],
)  # fmt: skip
def test_exit_codes(words: list[str], code: int, complaint: bytes) -> None:
    assert mailbot(*words) == (code, b"", complaint)


def _draft(maildir: Path, name: str, text: bytes, age: int) -> None:
    path = maildir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))


def test_174_the_newest_draft_is_the_answer(place: Path) -> None:
    head = b"Subject: draft\nContent-Type: text/plain; charset=utf-8\nX-Y: z\n\n"
    _draft(place / "vac", "cur/1.x:2,ST", head + b"deleted\n", 0)
    _draft(place / "vac", "cur/2.x:2,S", head + b"newest\n", 10)
    _draft(place / "vac", "new/3.x", head + b"old\n", 20)
    draft = answer("-T", "replydraft", "-l", "vac")
    first, second = draft.root.children
    assert first.headers.raw == b"Content-Type: text/plain; charset=utf-8\n\n"
    assert first.text() == "newest\n"
    assert str(second.content_type) == "text/rfc822-headers"
    assert mailbot("-T", "replydraft", "-l", "none", "-n") == (0, b"", b"")
    (place / "empty" / "new").mkdir(parents=True)
    (place / "empty" / "cur").mkdir()
    assert mailbot("-T", "replydraft", "-l", "empty", "-n") == (0, b"", b"")
    assert mailbot("-T", "replydraft", "-n") == (75, b"", USAGE)


def test_the_chosen_sender_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer("-fbob@example.com").headers["To"] == "bob@example.com"
    assert answer("-f").headers["To"] == "rt@example.com"
    monkeypatch.setenv("SENDER", "ann@example.com")
    assert answer("-f").headers["To"] == "ann@example.com"
    monkeypatch.setenv("SENDER", "")
    assert mailbot("-n") == (0, b"", b"")
    assert answer("--no-safety").headers["To"] == "rt@example.com"


@pytest.mark.parametrize("words", [["-A", "From: RT@example.com"], ["-M", "rt@example.com"],
                                   ["-r", "rt@example.com,me@example.com"]], ids=" ".join)  # fmt: skip
def test_it_never_answers_itself(words: list[str]) -> None:
    assert mailbot(*words, "-n") == (0, b"", b"")


def test_a_reply_to_all_leaves_out_its_own_address() -> None:
    message = answer("-T", "replyall", "-A", "From: other@example.com")
    assert [a.addr_spec for a in message.headers.addresses("cc")] == [
        "me@example.com", "ccaddr@example.com",
    ]  # fmt: skip


def test_a_text_that_is_not_plain_stands_alone(place: Path) -> None:
    (place / "h.mime").write_bytes(b"Content-Type: text/html\n\n<p>Away\n")
    assert answer("-m", "h.mime").text() == "<p>Away\n\n"


def test_a_forward_goes_to_whom_the_caller_names() -> None:
    message = answer("-T", "forward", "-A", "To: boss@x", "-t", "t.txt", "-F", "--- old ---")
    assert message.headers["To"] == "boss@x"
    assert "I am away." in message.text()
    assert "--- old ---\n" in message.text()
    attached = answer("-T", "forwardatt").root.children[1]
    assert attached.headers["Content-Description"] == "Forwarded message"


@pytest.mark.parametrize(
    "field",
    [b"Subject: x\r Bcc: v@w", b"Subject: =?utf-8?q?x=0ABcc:_v@w?=", b"Message-ID: <a\rBcc: v@w>",
     b'From: "a\rBcc: v@w" <a@b>', b"From: =?utf-8?q?a=0D=0ABcc:_v@w?= <a@b>",
     b"Reply-To: a@b\0\r\n Bcc: v@w, c@d"],
    ids=ascii,
)  # fmt: skip
def test_a_message_cannot_add_header_fields(field: bytes) -> None:
    done = mailbot("-n", data=field + b"\n" + ORIGINAL.replace(b"Reply-To: rt@example.com\n", b""))
    head = done.out.partition(b"\n\n")[0]
    assert done.out
    assert b"\r" not in head
    assert b"\0" not in head
    assert "bcc" not in Message(done.out).headers


def test_a_subject_of_two_lines_stays_one_field() -> None:
    message = answer("-s", "a\nBcc: v@w")
    assert "bcc" not in message.headers


def test_no_message_gets_no_answer() -> None:
    assert mailbot("-n", data=b"") == (0, b"", b"")


@pytest.mark.parametrize(
    "words",
    [["-r", "zz@x", "-A", "From: Me <me@x>"], ["-d", "adb", "-A", "From: Me <me@x>"]],
    ids=["not-for-me", "answered-already"],
)
def test_mail_that_gets_no_answer_loads_nothing_heavy(words: list[str]) -> None:
    assert mailbot("-t", "t.txt", "-d", "adb", "true").code == 0
    program = (
        f"import sys; sys.argv = ['mailbot', '-t', 't.txt', *{words!r}, 'false']\n"
        "from couriermail.cli.mailbot import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, *{'re', 'attr', 'typing'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        input=ORIGINAL, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == b"0\n"
