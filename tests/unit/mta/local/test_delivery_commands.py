"""Commands in delivery instructions: output, time, input and variables (spec mta.md 19.4)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.support.localaccount import BODY, DELIVERED, Account

from couriermail.mta.local import AgentSettings


def test_what_a_command_says_is_kept_up_to_4095_octets(account: Account) -> None:
    result = account.deliver("| yes 0123456 | head -c 200000 >&2\n")

    assert result.kind == "success"
    assert len("\n".join(result.lines[:-1])) <= 4095
    assert result.lines[:2] == ("0123456", "0123456")


def test_output_and_standard_error_come_together_in_order(account: Account) -> None:
    assert account.deliver("|echo a; echo b >&2; echo c\n").lines == ("a", "b", "c", *DELIVERED)


def test_a_background_child_does_not_hold_up_the_delivery(account: Account) -> None:
    started = time.monotonic()

    assert account.deliver("| sleep 20 & echo $! >pid\n").kind == "success"

    assert time.monotonic() - started < 10
    os.kill(int((account.home / "pid").read_text()), 9)


def test_a_stuck_command_is_ended_and_deferred(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.settings = AgentSettings(localtimeout=0.2, kill_after=0.2)

    result = account.deliver("| trap '' TERM; sleep 30; sleep 30\n")

    assert (result.kind, result.lines) == ("deferral", ("Command took too long.",))
    stuck = [record.getMessage() for record in caplog.records if "stuck" in record.getMessage()]
    assert [text.split(", ")[-1] for text in stuck] == ["sending signal 15", "sending signal 9"]


def test_the_time_is_shared_by_the_commands_of_one_delivery(account: Account) -> None:
    account.settings = AgentSettings(localtimeout=0.3, kill_after=0.2)

    assert account.deliver("| sleep 0.2\n| sleep 30\n").lines == ("Command took too long.",)


def test_waiting_for_other_deliveries_costs_no_time(account: Account) -> None:
    account.settings = AgentSettings(localtimeout=0.9, kill_after=0.2)
    (account.home / ".courier").write_text("| sleep 0.1\n./Maildir/\n| sleep 0.1\n")

    results = account.deliver_all([account.job(key) for key in range(10)])

    assert {result.kind for result in results} == {"success"}


def test_the_message_is_a_seekable_file_for_every_command(account: Account) -> None:
    result = account.deliver("| tail -c 4 | head -c 3; exit 0\n| wc -c\n| read x; cat >copy\n")

    assert result.lines == ("end", str(len(BODY)), *DELIVERED)


def test_a_command_cannot_spoil_the_message_for_the_next(account: Account) -> None:
    result = account.deliver("| echo spoiled 1<>/dev/stdin >&0; exit 0\n| cat >copy\n")

    assert result.kind == "success"
    assert (account.home / "copy").read_bytes() == BODY


def test_a_large_message_is_read_through_its_descriptor(account: Account, tmp_path: Path) -> None:
    large = BODY + b"line of text\n" * 50_000
    (tmp_path / "body").write_bytes(large)
    (account.home / ".courier").write_text("./Maildir/\n./mbox\n| cat >copy\n|wc -c\n")
    with (tmp_path / "body").open("rb") as file:
        result = account.deliver(body=file.fileno())

    assert result.lines == (str(len(large)), *DELIVERED)
    assert account.messages()[0].endswith(large)
    assert (account.home / "copy").read_bytes() == large


def test_an_empty_message_is_delivered(account: Account, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"")
    (account.home / ".courier").write_text("./Maildir/\n|wc -c\n")
    with (tmp_path / "body").open("rb") as file:
        assert account.deliver(body=file.fileno()).lines == ("0", *DELIVERED)
    assert account.deliver(body=b"").lines == ("0", *DELIVERED)


def test_commands_see_exactly_the_documented_variables(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    account.settings = AgentSettings(
        environment={"TZ": "UTC", "COURIER_HOME": "/", "PATH": "/usr/bin:/bin", "HOME": "no"}
    )
    account.deliver(
        "| env >ENV\n",
        quota="1000000S",
        maildir="./Mail",
        environment={"DSNNOTIFY": "N", "MAXDELS": "1", "SENDER": "no"},
    )

    seen = dict(line.split("=", 1) for line in (account.home / "ENV").read_text().splitlines())
    shells_own = {"PWD", "_", "SHLVL", "OLDPWD"}
    when = seen.pop("UFLINE")
    assert when == f"From sender@example.org {time.ctime(0.0)}"
    assert {name: value for name, value in seen.items() if name not in shells_own} == {
        "DEFAULT": "",
        "DSNNOTIFY": "N",
        "DTLINE": "Delivered-To: rcpt@example.com",
        "EXT": "",
        "EXT2": "",
        "EXT3": "",
        "EXT4": "",
        "HOME": str(account.home),
        "HOST": "example.com",
        "LOCAL": "rcpt",
        "MAILDIRQUOTA": "1000000S",
        "MAILDROPDEFAULT": "./Mail",
        "PATH": "/usr/bin:/bin",
        "RECIPIENT": "rcpt@example.com",
        "RPLINE": "Return-Path: <sender@example.org>",
        "SENDER": "sender@example.org",
        "SHELL": "/bin/sh",
        "TZ": "UTC",
        "USER": "rcpt",
    }


def test_a_recipient_without_domain_has_the_host_localhost(account: Account) -> None:
    assert account.deliver('|echo "$LOCAL $HOST"\n', recipient="rcpt").lines[0] == "rcpt localhost"
