"""`lockmail`: its command line, waiting, and exit codes (spec maildir 2.7, 6)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import run_ours

from couriermail.cli.lockmail import (
    DEFAULT_ATTEMPTS,
    USAGE,
    Interrupted,
    read_command_line,
    wait_for_lock,
)
from couriermail.cli.lockmail_app import app
from couriermail.cli.message_io import CommandError
from couriermail.maildir import MailboxLock


@pytest.mark.parametrize(
    ("words", "attempts", "may_share", "program"),
    [
        (["m", "p"], DEFAULT_ATTEMPTS, False, ["p"]),
        (["-r", "m", "p", "-r", "x"], DEFAULT_ATTEMPTS, True, ["p", "-r", "x"]),
        (["-t", "0", "m", "p"], 1, False, ["p"]),
        (["-t12", "m", "p"], 3, False, ["p"]),
        (["-rt5", "m", "p"], 2, True, ["p"]),
        (["--", "m", "p"], DEFAULT_ATTEMPTS, False, ["p"]),
    ],
)
def test_command_lines(
    words: list[str], attempts: int, may_share: bool, program: list[str]
) -> None:
    request = read_command_line(words)
    assert (request.mailbox, request.program) == ("m", program)
    assert (request.attempts, request.may_share) == (attempts, may_share)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 1, USAGE), (["m"], 1, USAGE), (["-x", "m", "p"], 1, USAGE), (["-t"], 1, USAGE),
        (["-t", "5"], 1, USAGE), (["-t", "-1", "m", "p"], 75, "lockmail: invalid argument to -t"),
        (["-tx", "m", "p"], 75, "lockmail: invalid argument to -t"),
        (["m", "/nonexistent/p"], 1, "/nonexistent/p: No such file or directory"),
        (["none/m", "p"], 75, "lockmail: cannot create none/m: No such file or directory"),
    ],
)  # fmt: skip
def test_failures(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    assert run_ours("lockmail", *words, cwd=tmp_path) == (code, b"", f"{message}\n".encode())


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 75), ("kill -TERM $$", 75)]
)
def test_the_programs_status_is_returned(tmp_path: Path, script: str, code: int) -> None:
    assert run_ours("lockmail", "m", "sh", "-c", script, cwd=tmp_path).code == code
    assert os.listdir(tmp_path) == ["m"]


def test_the_mailbox_is_locked_while_the_program_runs(tmp_path: Path) -> None:
    done = run_ours("lockmail", "m", "cat", "m.lock", cwd=tmp_path)
    assert done.out.decode().partition(":")[2] == os.uname().nodename
    held = MailboxLock(tmp_path / "m")
    assert held.try_acquire()
    try:
        pauses: list[float] = []
        with pytest.raises(CommandError) as caught:
            wait_for_lock(MailboxLock(tmp_path / "m"), 2, pause=pauses.append)
        assert (caught.value.code, pauses) == (75, [5, 5])  # also after the last attempt
    finally:
        held.release()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_waiting(tmp_path: Path, number: signal.Signals) -> None:
    held = MailboxLock(tmp_path / "m")
    assert held.try_acquire()
    before = signal.getsignal(number)
    try:
        with pytest.raises(Interrupted):
            wait_for_lock(
                MailboxLock(tmp_path / "m"), 9, pause=lambda _: os.kill(os.getpid(), number)
            )
        assert signal.getsignal(number) is before
    finally:
        held.release()


def test_the_typer_app_declares_the_same_options() -> None:
    command = typer.main.get_command(app)
    declared = {name for parameter in command.params for name in parameter.opts}
    assert declared - {"--help"} == {"mailfile", "program", "-r", "-t"}


def test_help_shows_examples_and_exit_codes() -> None:
    helped = run_ours("lockmail", "--help")
    assert helped.code == 0
    assert b"75 not locked" in helped.out
