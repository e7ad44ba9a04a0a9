"""sendmail's command line: the table, the typer app and the request agree (spec mta.md 7)."""

from __future__ import annotations

import os

import pytest
import typer

from couriermail.cli import sendmail
from couriermail.cli.sendmail import (
    IGNORED,
    OPTIONS_WITH_VALUE,
    SWITCHES,
    UsageError,
    notify_letters,
    read_command_line,
    request_fields,
)
from couriermail.cli.sendmail_app import app
from couriermail.cli.sendmail_show import show


def test_the_table_has_exactly_the_declared_options() -> None:
    """What `--help` shows is what the hand-written reader understands."""
    takes_value, switches = {}, set()
    for option in typer.main.get_command(app).params:
        word = option.opts[0]
        if getattr(option, "is_flag", False):
            switches.add(word)
        elif word.startswith("-"):
            takes_value[word] = option.name
    assert takes_value == {f"-{letter}": name for letter, name in OPTIONS_WITH_VALUE.items()}
    assert switches - {"-t", "-i", "--help"} == set(SWITCHES)
    assert {"-t", "-i"} <= IGNORED


COMMAND_LINES = {
    "recipients": (["a", "b"], ["a", "b"], {}, set()),
    "value in the word": (["-fx@y", "a"], ["a"], {"sender": "x@y"}, set()),
    "value in the next word": (["-f", "x@y", "a"], ["a"], {"sender": "x@y"}, set()),
    "empty sender": (["-f", "", "a"], ["a"], {"sender": ""}, set()),
    "value that looks like an option": (["-F", "-x", "a"], ["a"], {"full_name": "-x"}, set()),
    "ignored ones": (["-t", "-i", "-bm", "-v", "-U", "a"], ["a"], {}, set()),
    "-oi is ignored": (["-oi", "a"], ["a"], {"ignored": "i"}, set()),
    "-o takes the next word": (["-o", "em", "a"], ["a"], {"ignored": "em"}, set()),
    "unknown letters are skipped": (["-q", "-Am", "a"], ["a"], {}, set()),
    "a lone dash ends": (["-", "-t"], ["-t"], {}, set()),
    "two dashes end": (["--", "-t"], ["-t"], {}, set()),
    "the first other word ends": (["a", "-f", "b"], ["a", "-f", "b"], {}, set()),
    "switches": (["-bcc", "-verp", "a"], ["a"], {}, {"bcc", "verp"}),
    "level": (["-S", "STARTTLS", "a"], ["a"], {"security": "STARTTLS"}, set()),
    "the last one wins": (["-f", "x", "-f", "y"], [], {"sender": "y"}, set()),
}


@pytest.mark.parametrize(
    ("argv", "recipients", "values", "flags"), COMMAND_LINES.values(), ids=COMMAND_LINES
)
def test_command_lines(
    argv: list[str], recipients: list[str], values: dict[str, str], flags: set[str]
) -> None:
    request = read_command_line(argv)
    assert (request.recipients, request.values, request.flags) == (recipients, values, flags)


@pytest.mark.parametrize(
    "argv",
    [["-f"], ["-S", "foo"], ["-S", ""], ["-N"]],
    ids=["no value", "level", "empty", "no list"],
)
def test_impossible_command_lines(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        read_command_line(argv)


@pytest.mark.parametrize(
    ("words", "letters"),
    [
        ("never", "N"),
        ("success,delay", "DS"),
        ("FAIL", "F"),
        ("success,never", "N"),
        ("x,success, fail", "FS"),
        ("", ""),
    ],
)
def test_notify_words(words: str, letters: str) -> None:
    assert notify_letters(words) == letters


def test_the_request_says_what_options_and_environment_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAILSUSER", "MAILUSER", "USER", "MAILSHOST", "MAILHOST", "MAILNAME", "NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "me")
    argv = ["-f", "x@y", "-N", "fail", "-R", "hdrs", "-V", "id", "-F", "Name", "-verp", "a", "b"]
    fields = request_fields(read_command_line(argv))
    assert dict(fields) | {"rcpt": ""} == {
        "module": "local", "from": "x@y", "name": "Name", "envid": "id", "env.LOGNAME": "me",
        "notify": "F", "ret": "H", "verp": "1", "rcpt": "",
    }  # fmt: skip
    assert [value for name, value in fields if name == "rcpt"] == ["a", "b"]


def test_the_queue_is_listed_for_the_chosen_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`sendmail -C DIR -bp` asks mailq about DIR."""
    seen: list[list[str]] = []

    def listed() -> None:
        import sys

        seen.append(sys.argv[1:])
        raise SystemExit(0)

    monkeypatch.setattr("couriermail.cli.mailq.main", listed)
    monkeypatch.setattr("sys.argv", ["sendmail", "-C", "conf", "-bp"])
    with pytest.raises(SystemExit):
        sendmail.main()
    assert seen == [["-C", "conf"]]


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([b"Subject: x\n\n", b"one\n", b"two\n"], b"Subject: x\nFrom: Me <me>\n\none\ntwo\n"),
        ([b"Subj", b"ect: x\n", b"\nbody"], b"Subject: x\nFrom: Me <me>\n\nbody"),
        ([b"Subject: x\n"], b"Subject: x\nFrom: Me <me>\n\n"),
        ([b"From: you@a.test\n\nbody\n"], b"From: Me <you@a.test>\n\nbody\n"),
        ([], b"From: Me <me>\n\n"),
    ],
    ids=[
        "a From is added",
        "cut anywhere",
        "no body",
        "one that is there gets the name",
        "no message",
    ],
)
def test_n_shows_the_message_with_its_from(
    pieces: list[bytes], shown: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert show({"env.LOGNAME": "me", "env.NAME": "Me"}, pieces) == 0
    assert capfdbinary.readouterr().out == shown


def test_n_refuses_an_endless_header(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert show({}, [b"X-Long: y\n"] * 500_000) == os.EX_DATAERR
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.startswith(b"sendmail: ")
