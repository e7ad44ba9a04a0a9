"""`reformail`: its command line, messages, exit codes and large input (spec rfc822 2.4)."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import run_ours

from couriermail.cli import reformail_duplicates
from couriermail.cli.message_io import CommandError
from couriermail.cli.reformail import OPTIONS_WITH_VALUE, SWITCHES, read_command_line
from couriermail.cli.reformail_app import app
from couriermail.cli.reformail_duplicates import check_duplicate

INVALID = (1, b"", b"reformail: Invalid arguments.\n")


def test_the_help_declares_the_options_that_are_read() -> None:
    declared = {
        option.removeprefix("-")
        for parameter in typer.main.get_command(app).params
        for option in parameter.opts
        if option.startswith("-") and not option.startswith("--")
    }
    assert declared == {*OPTIONS_WITH_VALUE, *SWITCHES}


def test_the_help_is_shown() -> None:
    done = run_ours("reformail", "--help")
    assert done.code == 0
    assert b"Examples" in done.out
    assert b"-D" in done.out


@pytest.mark.parametrize(
    "words",
    [
        ["-z"], ["-Z"], ["-r"], ["-k"], ["-t"], ["-p"], ["-P"], ["-a"], ["-A", ""], ["-R", "a:"],
        ["-s"], ["-D"], ["-D", "5"], ["-D", "x", "f"], ["-A", "a: b", "-s", "cat"],
        ["-D", "5", "f", "-A", "a: b"], ["-x", "a:", "-D", "5", "f"], ["-D", "5", "f", "-s", "cat"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_has_no_meaning_is_refused(words: list[str]) -> None:
    assert run_ours("reformail", *words, data=b"A: 1\n\n") == INVALID


def test_options_end_at_the_first_other_word() -> None:
    request = read_command_line(["-A", "a: 1", "word", "-z"])
    assert request.lists == {"append": [b"a: 1"]}
    assert not read_command_line(["--", "-z"]).has_edits
    assert not read_command_line(["-", "-z"]).has_edits


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["-f"], "remove"), (["-f0"], "remove"), (["-f", "0"], "remove"), (["-f1"], "add"),
     (["-f", "1"], "add"), (["-f", "-c"], "remove"), ([], None)],
    ids=str,
)  # fmt: skip
def test_the_value_of_f_may_stand_apart(words: list[str], expected: str | None) -> None:
    request = read_command_line(words)
    assert request.from_line == expected
    assert request.join is ("-c" in words)


def test_new_identifiers_are_unique_and_name_the_host() -> None:
    pattern = rb"A: 1\n([\w-]+): <[0-9A-F]{16}\.[0-9A-F]{16}\.[0-9A-F]+\.reformail@%s>\n\n"
    pattern %= re.escape(os.uname().nodename.encode())
    seen = set()
    for name in ("Message-ID:", "Resent-Message-ID:", "Resent_Message_ID:", "message-id:"):
        for option in ("-a", "-A"):
            done = run_ours("reformail", option, name, data=b"A: 1\n\n")
            found = re.fullmatch(pattern, done.out)
            assert found, done
            assert found[1].lower() in (b"message-id", b"resent-message-id")
            seen.add(done.out.partition(b"<")[2])
    assert len(seen) == 8


def test_a_large_message_is_streamed_and_kept(tmp_path: Path) -> None:
    body = (b"x" * 75 + b"\n") * 60_000 + b">From y\n" + b"z" * 3_000_000
    done = run_ours("reformail", "-A", "X: 1", data=b"A: 1\n\n" + body)
    assert done.out == b"A: 1\nX: 1\n\n" + body + b"\n"
    quoted = run_ours("reformail", "-f1", data=b"A: 1\n\n" + body)
    assert quoted.out.partition(b"\n")[2] == (
        b"A: 1\n\n" + body.replace(b">From", b">>From") + b"\n"
    )


def test_a_reader_that_goes_away_is_no_news() -> None:
    command = f"'{sys.executable}' -m couriermail.cli.reformail -A 'X: 1' | head -c 10"
    done = subprocess.run(
        ["sh", "-c", command],
        input=b"A: 1\n\n" + b"x\n" * 2_000_000,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, len(done.stdout), done.stderr) == (0, 10, b"")


def test_output_that_cannot_be_written_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "couriermail.cli.reformail"],
            input=b"A: 1\n\nx\n", stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == b"reformail: write: No space left on device\n"


def test_a_program_that_cannot_be_started_ends_the_splitting() -> None:
    done = run_ours("reformail", "-s", "/none/such", data=b"From a\n\nx\n")
    assert done == (0, b"", b"reformail: /none/such: No such file or directory\n")


def test_a_program_need_not_read_its_message() -> None:
    data = b"From a\n\n" + b"x\n" * 500_000 + b"From b\n\ny\n"
    done = run_ours("reformail", "-s", "sh", "-c", "echo $FILENO", data=data)
    assert done == (0, b"000\n001\n", b"")


def test_a_list_that_stays_locked_is_a_temporary_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reformail_duplicates, "_PATIENCE_SECONDS", 0.0)
    path = tmp_path / "seen"
    path.touch()
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if not child:  # locks of this kind hold between processes only
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(to_parent, b"x")
            os.read(from_parent, 1)
            os._exit(0)
    try:
        os.read(from_child, 1)
        with pytest.raises(CommandError, match="locked by another program") as caught:
            check_duplicate(b"Message-ID: <a>\n", 30, str(path))
        assert caught.value.code == os.EX_TEMPFAIL
    finally:
        os.write(to_child, b"x")
        os.waitpid(child, 0)
        for descriptor in (from_child, to_parent, from_parent, to_child):
            os.close(descriptor)


@pytest.mark.parametrize("stale", [b"", b"\0", b"<old@x>\0<older", b"\0\0stale\0bytes\0"], ids=repr)
def test_any_list_can_be_read_and_is_cut_to_what_is_in_it(stale: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seen"
    path.write_bytes(stale)
    assert check_duplicate(b"Message-ID: <a@b>\n", 1000, str(path)) == 1
    assert path.read_bytes().endswith(b"<a@b>\0\0")
    assert check_duplicate(b"message-id: <a@b>\n", 1000, str(path)) == 0


def test_a_list_that_is_a_directory_is_a_temporary_failure(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        check_duplicate(b"Message-ID: <a@b>\n", 30, str(tmp_path))
    assert caught.value.code == os.EX_TEMPFAIL
