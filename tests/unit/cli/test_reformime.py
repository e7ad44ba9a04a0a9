"""`reformime`: its command line, messages, exit codes and files (spec rfc822 2.2)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import Done, run_ours

from couriermail.cli.reformime import (
    LONG_OPTIONS,
    OPTIONS_WITH_GLUED_VALUE,
    OPTIONS_WITH_VALUE,
    SWITCHES,
    TEXT_OPTIONS,
    read_command_line,
)
from couriermail.cli.reformime_app import app

MESSAGE = b"""\
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary=AA
Subject: =?utf-8?q?h=C3=A9?=

preamble
--AA
Content-Type: text/plain; charset=iso-8859-1; name="a b.txt"
Content-Disposition: inline; filename="=?utf-8?q?h=C3=A9?="; name=foo
Content-Id: <part@id>
Content-Description: =?utf-8?q?h=C3=A9?= x
Content-Transfer-Encoding: quoted-printable

h=E9llo
--AA
Content-Type: message/rfc822

Subject: inner

body
--AA
Content-Type: image/png
Content-Transfer-Encoding: BASE64

aGVsbG8=
--AA--
"""


def reformime(*words: str, data: bytes = MESSAGE, cwd: str | Path = ".") -> Done:
    return run_ours("reformime", *words, data=data, cwd=cwd)


def test_the_help_declares_the_options_that_are_read() -> None:
    options = {
        option
        for parameter in typer.main.get_command(app).params
        for option in parameter.opts
        if option.startswith("-")
    }
    letters = {*SWITCHES, *OPTIONS_WITH_VALUE, *OPTIONS_WITH_GLUED_VALUE, *TEXT_OPTIONS, "X"}
    assert options == {f"-{letter}" for letter in letters} | set(LONG_OPTIONS)


def test_the_help_is_shown() -> None:
    done = reformime("--help")
    assert done.code == 0
    assert b"Examples" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-"], "unknown option -"),
        (["--"], "unknown option --"),
        (["-q"], "unknown option -q"),
        (["-r9"], "unknown option -r9"),
        (["-X"], "Invalid -X option."),
    ],
    ids=str,
)
def test_bad_arguments_are_one_line_and_a_way_on(words: list[str], message: str) -> None:
    expected = f"reformime: {message}\nTry 'reformime --help'.\n".encode()
    assert reformime(*words) == (1, b"", expected)


def test_options_are_not_bundled_and_end_at_the_first_word() -> None:
    request = read_command_line(["-ie", "-s1.1,1.2", "-s", "1.3", "file", "-z"])
    assert request.flags == {"info"}
    assert request.sections == ["1.3"]
    assert request.files == ["file", "-z"]


def test_sections_are_described() -> None:
    assert reformime("-i", "-s", "1.1").out.decode() == (
        "section: 1.1\ncontent-type: text/plain\ncontent-name: a b.txt\n"
        "content-transfer-encoding: quoted-printable\ncharset: iso-8859-1\n"
        "content-disposition: inline\ncontent-disposition-name: foo\n"
        "content-disposition-filename: hé\ncontent-id: <part@id>\n"
        "content-description: hé x\nstarting-pos: 105\nstarting-pos-body: 346\n"
        "ending-pos: 353\nline-count: 7\nbody-line-count: 1\n\n"
    )


def test_a_name_with_line_ends_makes_no_lines_of_its_own() -> None:
    data = b"Mime-Version: 1.0\nContent-Type: a/b; name*=utf-8''x%0Asection:%201.9\n\n"
    assert b"content-name: x section: 1.9\n" in reformime("-i", data=data).out


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ([], b"1\n1.1\n1.2\n1.2.1\n1.3\n"),
        (["-e", "-s", "1.3,1.1"], b"helloh\xe9llo"),
        (["-e"], b"h\xe9llobody" + b"hello"),
        (["-e", "-s01.3"], b"hello"),
        (["-V"], b""),
        (["-c", "utf-8", "-h", "=?utf-8?q?h=C3=A9?="], "hé\n".encode()),
        (["-c", "iso-8859-1", "-h", "=?utf-8?q?h=C3=A9=E2=82=AC?="], b"h\xe9<E2><82><AC>\n"),
        (["-h", "a", "-h", "b"], b"b\n"),
        (["-i", "-h", "text first"], b"text first\n"),
        (["-o"], b"\n"),
    ],
    ids=str,
)
def test_the_modes_write_what_they_say(words: list[str], out: bytes) -> None:
    assert reformime(*words) == (0, out, b"")


def test_the_whole_message_is_given_as_text() -> None:
    text = reformime("-u").out.decode()
    assert "Subject: hé\n\n" in text
    assert "\nhéllo\n" in text
    assert text.endswith("\n\nhello\n")


def test_the_structure_is_given_to_programs() -> None:
    sections = json.loads(reformime("--json").out)
    assert [section["section"] for section in sections] == ["1", "1.1", "1.2", "1.2.1", "1.3"]
    assert sections[1]["filename"] == "hé"


BROKEN = {
    "no-boundary": (b"Content-Type: multipart/mixed\n", "Non-unique MIME boundary delimiters"),
    "two-types": (b"Content-Type: a/b\nContent-Type: c/d\n", "Duplicate MIME Content-* header"),
    "encoding": (b"Content-Transfer-Encoding: x-foo\n", "Unknown Content-Transfer-Encoding"),
    "base64": (
        b"Content-Type: multipart/mixed; boundary=A\nContent-Transfer-Encoding: base64\n",
        "Invalid base64 encoding",
    ),
}


@pytest.mark.parametrize(("field", "reason"), BROKEN.values(), ids=[f"72-{k}" for k in BROKEN])
def test_a_badly_broken_message_is_refused_unless_told_otherwise(field: bytes, reason: str) -> None:
    data = b"Mime-Version: 1.0\n" + field + b"\nbody\n"
    refused = (1, f"Input message:\n    {reason}\n".encode(), b"")
    for words in ([], ["-i"], ["-e"], ["-r"], ["-u"], ["-d"]):
        assert reformime(*words, data=data) == refused
    assert reformime("-V", data=data) == (1, f"Fatal error (1):\n    {reason}\n".encode(), b"")
    assert reformime("--lenient", data=data) == (0, b"1\n", b"")


def test_warnings_are_no_errors() -> None:
    done = reformime("-V", data=b"Subject: \xe9\n\n\xe9\n")
    assert done.code == 0
    assert done.out.startswith(b"Warnings (1):\n    8-bit header content\n    8-bit content ")


def test_leaves_are_saved_under_safe_new_names(tmp_path: Path) -> None:
    assert reformime("-xout-", "-s", "1.1", cwd=tmp_path).code == 0
    assert (tmp_path / "out-h__").read_bytes() == b"h\xe9llo"
    again = reformime("-xout-", "-s", "1.1", cwd=tmp_path)
    assert again == (0, b"out-h__ exists.\n", b"")
    assert (tmp_path / "out-1-h__").exists()
    assert reformime("--unicode-names", "-xu-", "-s", "1.1", cwd=tmp_path).code == 0
    assert (tmp_path / "u-hé").exists()
    nameless = reformime("-xn-", "-s", "1.3", cwd=tmp_path)
    assert nameless.code == 0
    (found,) = tmp_path.glob("n-*")
    assert found.name.endswith(f"-1.{os.uname().nodename}")
    failed = reformime("-xnone/x", "-s", "1.1", cwd=tmp_path)
    assert failed.code == 1
    assert failed.err == b"reformime: none/xh__: No such file or directory\n"


def test_programs_are_found_and_told_what_they_get() -> None:
    done = reformime("-X", "sh", "-c", 'cat; echo "[$CONTENT_TYPE $FILENAME]"')
    assert done.out.startswith(b"h\xe9llo[text/plain h__]\nbody[text/plain ")
    assert reformime("-X", "/none/such") == (
        1, b"", b"reformime: /none/such: No such file or directory\n",
    )  # fmt: skip
    unread = b"Subject: x\n\n" + b"x\n" * 500_000
    assert reformime("-X", "true", data=unread) == (0, b"", b"")


def test_questions_need_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "couriermail.cli.reformime", "-x"],
        input=MESSAGE, capture_output=True, start_new_session=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"reformime: /dev/tty: ")


@pytest.mark.parametrize("answers", [b"n\ny\n\n"], ids=["second-of-two"])
def test_a_person_is_asked_at_the_terminal(answers: bytes, tmp_path: Path) -> None:
    import pty

    (tmp_path / "message").write_bytes(MESSAGE)
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        os.dup2(os.open("message", os.O_RDONLY), 0)
        words = [sys.executable, "-m", "couriermail.cli.reformime", "-s", "1.3,1.1", "-x"]
        os.execv(sys.executable, words)
    os.write(terminal, answers)
    shown = b""
    try:
        while piece := os.read(terminal, 1024):
            shown += piece
    except OSError:  # the other side is closed
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert b"Extract image/png? " in shown
    assert b"Filename [h__]: " in shown
    assert (tmp_path / "h__").read_bytes() == b"h\xe9llo"


@pytest.mark.parametrize("size", [0, 100_000, 6_000_000], ids=["small", "mapped", "spooled"])
def test_files_and_pipes_are_read_alike(size: int) -> None:
    data = MESSAGE.replace(b"preamble", b"p\n" * (size // 2))
    from_file = reformime("-i", data=data)
    command = [sys.executable, "-m", "couriermail.cli.reformime", "-i"]
    from_pipe = subprocess.run(command, input=data, capture_output=True, check=False)
    assert from_pipe.stdout == from_file.out
    assert from_file.out.count(b"section: ") == 5


def test_a_digest_says_which_messages_need_utf8(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Subject: a\n\n\xc3\xa9\n")
    (tmp_path / "b").write_bytes(b"Subject: \xc3\xa9\n\nb\n")
    out = reformime("-m", "a", "b", cwd=tmp_path).out
    assert out.startswith(b"Mime-Version:1.0\nContent-Type: multipart/digest; boundary=")
    assert [line for line in out.split(b"\n") if line.startswith(b"Content-Type: message")] == [
        b"Content-Type: message/rfc822", b"Content-Type: message/global",
    ]  # fmt: skip
    assert reformime("-m", "a", "none", cwd=tmp_path) == (
        1, b"", b"reformime: none: No such file or directory\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    "words", [["-i"], ["-e"], ["-r"], ["-d"], ["-o", "é"], ["-h", "é"]], ids=str
)
def test_a_charset_of_the_environment_that_does_not_exist_is_utf8(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = reformime(*words, data=MESSAGE)
    monkeypatch.setenv("MM_CHARSET", "bogus")
    done = reformime(*words, data=MESSAGE)
    assert (done.code, done.err) == (expected.code, b"")
    assert b"charset=bogus" not in done.out
    assert done.out.count(b"\n") == expected.out.count(b"\n")


def test_rewriting_can_be_repeated_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert reformime("-r8").out == reformime("-r8").out
    assert b"X-Mime-Autoconverted: from quoted-printable to 8bit by reformime (" in (
        reformime("-r8").out
    )
