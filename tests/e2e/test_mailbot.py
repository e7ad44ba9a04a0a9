"""`maildrop` runs `mailbot` from the recipe that autoresponse rules become, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.maildir import FilterRecipe, FilterRule, Maildir, RuleKind

OWNER = "bob@example.com"
MESSAGE = (
    b"From: Ann <ann@example.com>\nTo: bob@example.com\nMessage-ID: <1@example.com>\n"
    b"Subject: hello\n\nAre you there?\n"
)
AWAY = b"Content-Type: text/plain; charset=utf-8\n\nAway until Monday.\n"


def script(path: Path, text: str) -> str:
    """An executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with a mailbox, a mail program that keeps answers, and the rule."""
    Maildir.create(tmp_path / "Maildir")
    (tmp_path / "Maildir/autoresponses").mkdir(mode=0o700)
    (tmp_path / "Maildir/autoresponses/away").write_bytes(AWAY)
    script(tmp_path / "sendmail", f'#!/bin/sh\ncat > "{tmp_path}/sent.$$"\n')
    mailbot = script(
        tmp_path / "mailbot",
        f"#!{sys.executable}\nfrom couriermail.cli.mailbot import main\nmain()\n",
    )
    rule = FilterRule(
        name="away",
        kind=RuleKind.ANY_MESSAGE,
        folder="+away noquote days=7",
        sender=OWNER,
        proceed=True,
    )
    text = FilterRecipe(
        maildir=str(tmp_path / "Maildir"), sender=OWNER, rules=(rule,), mailbot=mailbot
    ).to_text()
    (tmp_path / "recipe").write_text(f'SENDMAIL="{tmp_path}/sendmail"\n{text}')
    (tmp_path / "recipe").chmod(0o600)
    return tmp_path


def deliver(home: Path, message: bytes = MESSAGE) -> int:
    """One message through our `maildrop`; its exit code."""
    program = "from couriermail.cli.maildrop import main; main()"
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("SENDER", None)
    done = subprocess.run(
        [sys.executable, "-c", program, "recipe"], input=message, cwd=home, env=environment,
        capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.stderr == b""
    return done.returncode


def sent(home: Path) -> list[bytes]:
    return [path.read_bytes() for path in home.glob("sent.*")]


def test_a_rule_answers_once_and_delivers_every_message(home: Path) -> None:
    assert [deliver(home), deliver(home)] == [0, 0]
    [answer] = sent(home)
    assert f"\nFrom: {OWNER}\n".encode() in b"\n" + answer
    assert b"\nTo: Ann <ann@example.com>\n" in answer
    assert answer.endswith(b"\n\nAway until Monday.\n\n")
    assert len(list((home / "Maildir/new").iterdir())) == 2


def test_lists_bounces_and_the_answer_itself_are_delivered_without_an_answer(home: Path) -> None:
    assert deliver(home) == 0
    [answer] = sent(home)
    for message in (answer, b"Return-Path: <>\n" + MESSAGE, b"List-Id: <l>\n" + MESSAGE,
                    MESSAGE.replace(b"ann@", b"BOB@")):  # fmt: skip
        assert deliver(home, message) == 0
    assert sent(home) == [answer]
    assert len(list((home / "Maildir/new").iterdir())) == 5


def test_when_the_mail_program_fails_the_message_is_tried_again(home: Path) -> None:
    program = home / "sendmail"
    works = program.read_text()
    script(program, "#!/bin/sh\nexit 75\n")
    assert deliver(home) == 75
    assert not list((home / "Maildir/new").iterdir())
    script(program, works)
    assert deliver(home) == 0
    assert len(sent(home)) == 1
