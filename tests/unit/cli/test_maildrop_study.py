"""`maildrop --check`, `--explain` and `--dry-run` as commands."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.cli.maildrop import STUDIES
from couriermail.cli.maildrop_progress import Progress
from couriermail.cli.maildrop_study import APPS
from couriermail.maildir import Maildir

COMMAND = [sys.executable, "-c", "from couriermail.cli.maildrop import main; main()"]
MESSAGE = b"Subject: hello\n\nbody\n"


def maildrop(home: Path, *arguments: str, message: bytes = MESSAGE) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=home,
        input=message,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "COLUMNS": "200"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Maildir.create(tmp_path / "Maildir")
    (tmp_path / "good").write_text('if (/^Subject: *(hello)/)\n  to "./Maildir"\n')
    (tmp_path / "odd").write_text("/a/:q\n")
    (tmp_path / "bad").write_text("if (1)\n  to\n")
    return tmp_path


def test_the_command_knows_the_studies() -> None:
    assert set(APPS) == STUDIES


@pytest.mark.parametrize(
    ("recipe", "code", "converted", "words"),
    [
        (b"/^X: !(a|b)/\nto $MATCH2\n", 0, "/^X: ((?:a|b))/\nto $MATCH1\n", ""),
        (b"exit\n/a$X/\n", 65, "exit\n# 2:1: not converted: ", "old:2:1: not converted: "),
        (None, 66, "", "No such file"),
    ],
)
def test_a_recipe_of_maildrop_1_is_rewritten(
    home: Path, recipe: bytes | None, code: int, converted: str, words: str
) -> None:
    if recipe is not None:
        (home / "old").write_bytes(recipe)
    status, output, complaints = maildrop(home, "--convert-old", "old")
    assert status == code
    assert output.startswith(converted)
    assert words in complaints
    assert bool(complaints) is bool(code)


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (["good"], 0, ""),
        (["good", "odd"], 1, "odd:1:1: warning: "),
        (["odd", "bad"], 65, "bad:2:5: error: Syntax error"),
        (["none"], 66, ""),
    ],
    ids=["clean", "warnings", "errors", "unreadable"],
)
def test_the_exit_code_of_a_check_tells_the_worst(
    home: Path, names: list[str], code: int, words: str
) -> None:
    returned, out, _ = maildrop(home, "--check", *names)
    assert (returned, words in out, bool(out)) == (code, True, bool(words))


def test_a_check_looks_for_mailboxes_on_request(home: Path) -> None:
    (home / "there").write_text('to "$HOME/none/box"\n')
    code, out, _ = maildrop(home, "--check", "--mailboxes", "--home", ".", "--json", "there")
    (finding,) = json.loads(out)
    assert (code, finding["code"], finding["line"]) == (1, "missing-mailbox", 1)


def test_an_explanation_is_text_or_json_and_delivers_nothing(home: Path) -> None:
    code, out, _ = maildrop(home, "--explain", "good")
    assert (code, 'MATCH1 = "hello"' in out, "to: delivered to" in out) == (0, True, True)
    code, out, _ = maildrop(home, "--explain", "--json", "good")
    assert json.loads(out)["deliveries"] == [
        {"kind": "maildir", "target": "./Maildir", "verb": "to"}
    ]
    assert [*(home / "Maildir/new").iterdir()] == []


@pytest.mark.parametrize("study", [["--explain"], ["--dry-run", "Maildir"]])
def test_a_recipe_that_cannot_be_read_is_shown_as_by_a_check(home: Path, study: list[str]) -> None:
    code, out, err = maildrop(home, *study, "bad")
    assert (code, out) == (65, "")
    assert err.startswith("bad:2:5: error: Syntax error")


def test_a_dry_run_shows_each_message_and_the_totals(home: Path) -> None:
    key = Maildir.open(home / "Maildir").deliver(MESSAGE)
    code, out, err = maildrop(home, "--dry-run", "Maildir", "good")
    assert (code, err) == (0, "")
    assert out == f"new/{key} -> ./Maildir\n\n1 messages\n       1  ./Maildir\n"
    code, out, _ = maildrop(home, "--dry-run", "--json", "Maildir", "good")
    first, totals = map(json.loads, out.splitlines())
    assert first["message"] == f"new/{key}"
    assert totals["totals"]["destinations"] == {"./Maildir": 1}
    assert maildrop(home, "--dry-run", "--totals", "Maildir", "good")[1].startswith("\n1 messages")


def test_a_dry_run_ends_with_75_when_messages_would_be_kept(home: Path) -> None:
    (home / "lost").write_text('to "none/box"\n')
    (home / "m").write_bytes(MESSAGE)
    code, out, _ = maildrop(home, "--dry-run", "m", "lost")
    assert code == 75
    assert "1 would be kept and tried again" in out
    assert maildrop(home, "--dry-run", "nothing", "good")[0] == 66


@pytest.mark.parametrize("study", sorted(STUDIES))
def test_help_has_examples_and_exit_codes_and_bad_usage_ends_with_75(
    home: Path, study: str
) -> None:
    code, out, _ = maildrop(home, study, "--help")
    assert (code, f"maildrop {study}" in out, "Exit codes:" in out) == (0, True, True)
    assert maildrop(home, study, "--nonsense")[0] == 75


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_progress_is_shown_late_and_on_terminals_only(stream: io.StringIO) -> None:
    now = [0.0]
    with Progress(10, stream=stream, clock=lambda: now[0]) as progress:
        progress.advance(2)
        assert stream.getvalue() == ""
        now[0] = 1.5
        progress.advance(3)
        shown = stream.getvalue()
        assert ("50%" in shown) is isinstance(stream, Terminal)
        progress.advance(1)
        assert stream.getvalue() == shown  # not more often than people can see
    assert stream.getvalue().endswith("\r\x1b[K") is isinstance(stream, Terminal)


def test_signs_that_the_locale_lacks_are_escaped(home: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--explain", "good"],
        cwd=home,
        input="Subject: hello \N{SNOWMAN}\n\nb\n".encode(),
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert b"hello \\u2603" in done.stdout
