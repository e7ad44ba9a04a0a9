"""`makedat` and `makedatprog`: command lines, messages, exit codes (spec maildir 2.8, 4.16, 6)."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from couriermail.cli import makedat, makedat_apps
from couriermail.table import Table, address_keys, find_first


class Runner:
    """Runs the commands in this process, in a directory of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, name: str, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", [name, *words])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            import_module(f"couriermail.cli.{name}").main()
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Runner:
    monkeypatch.chdir(tmp_path)
    return Runner(monkeypatch, capsys)


OPTIONS = ["-src=s", "-file=t.dat", "-tmp=t.tmp"]
USAGE = "Usage: makedat -src=src -file=file -tmp=tmpfile -hup=hupfile [-cidr]\n"


def test_pinned_values(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("example.com\ndomain.com\tok\nfoo.domain.com\tbad\tx\nlast.com\t\n")
    assert run("makedat", *OPTIONS) == (0, "", "")
    table = Table.open("t.dat")
    names = [b"example.com", b"domain.com", b"foo.domain.com", b"last.com"]
    assert [table.get(name) for name in names] == [b"1", b"ok", b"bad\tx", b"1"]
    assert sorted(os.listdir(tmp_path)) == ["s", "t.dat"]


def test_pinned_ranges(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("1.2.3.0/30\tallow\n10.0.0.5-10.0.0.6\n2001:db8::/31\tx\n")
    assert run("makedat", *OPTIONS, "-cidr") == (0, "", "")
    table = Table.open("t.dat")
    assert sorted(table) == [
        b"1.2.3.0", b"1.2.3.1", b"1.2.3.2", b"1.2.3.3", b"10.0.0.5", b"10.0.0.6",
        b":2001:0db8", b":2001:0db9",
    ]  # fmt: skip
    assert find_first(table, address_keys(b"10.0.0.5")) is not None


@pytest.mark.parametrize(
    "words",
    [
        [],
        OPTIONS[:2],
        [*OPTIONS, "-x"],
        [*OPTIONS, "-cidr=1"],
        [*OPTIONS, "-hup"],
        [*OPTIONS[:2], "-tmp="],
        [*OPTIONS, "word"],
    ],
    ids=" ".join,
)
def test_other_command_lines_get_the_usage(run: Runner, words: list[str]) -> None:
    assert run("makedat", *words) == (1, "", USAGE)


def test_failures_leave_the_old_table(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a\t1\n")
    run("makedat", *OPTIONS)
    (tmp_path / "s").write_text("a\t1\n\na\t2\n")
    code, _, err = run("makedat", *OPTIONS)
    first, second = err.splitlines()
    assert (code, first) == (1, "Cannot store record for a - duplicate or out of disk space.")
    assert second == "       (s, line 3)"
    assert run("makedat", "-src=nofile", *OPTIONS[1:])[0] == 1
    assert run("makedat", "-src=s", "-file=no/t.dat", "-tmp=no/t.tmp")[0] == 1
    assert Table.open("t.dat").get(b"a") == b"1"
    assert sorted(os.listdir(tmp_path)) == ["s", "t.dat"]


@pytest.mark.parametrize("name", ["a.rpmsave", "a.dpkg-old", "a.dist"])
def test_what_a_package_manager_left_is_named(run: Runner, tmp_path: Path, name: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_text("a\t1\n")
    code, _, err = run("makedat", *OPTIONS)
    assert (code, err.count("\n")) == (1, 1)
    assert name in err
    assert "s/a" in err
    assert os.listdir(tmp_path) == ["s"]


@pytest.mark.parametrize(
    ("content", "is_told"),
    [("4242\n", True), ("4242 more", True), ("", False), ("x", False), ("-5", False), ("0", False)],
)
def test_a_process_is_told(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, *, is_told: bool
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda number, which: signals.append((number, which)))
    (tmp_path / "s").write_text("a\n")
    (tmp_path / "pid").write_text(content)
    code, _, err = run("makedat", *OPTIONS, "-hup=pid")
    assert code == 0
    assert signals == ([(4242, signal.SIGHUP)] if is_told else [])
    assert err.count("\n") == (0 if is_told or content in {"-5", "0"} else 1)


def test_nobody_is_told_without_the_file_or_after_a_failure(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda number, which: pytest.fail("told"))
    (tmp_path / "s").write_text("a\n")
    assert run("makedat", *OPTIONS, "-hup=nofile") == (0, "", "")
    (tmp_path / "pid").write_text("4242")
    (tmp_path / "s").write_text("a\na\n")
    assert run("makedat", *OPTIONS, "-hup=pid")[0] == 1


def test_makedatprog(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("# c\na\tb\n\nc\n.\nnot this\n")
    assert run("makedatprog", "s", "t.tmp", "t.dat") == (0, "", "")
    assert dict(Table.open("t.dat").items()) == {b"a": b"b", b"c": b"1"}
    assert run("makedatprog", "-", "t.tmp", "u.dat", stdin=b"x\ty\n.\n") == (0, "", "")
    assert dict(Table.open("u.dat").items()) == {b"x": b"y"}


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        ([], b"", "Usage: makedatprog textfile tmpfile datfile\n"),
        (["-", "t.tmp", "t.dat"], b"a\tb\n", "-: no line with a single dot at the end\n"),
        (
            ["-", "t.tmp", "t.dat"],
            b"a\na\n.\n",
            "Cannot store record for a - duplicate or out of disk space.\n",
        ),
        (["nofile", "t.tmp", "t.dat"], b"", "nofile: No such file or directory\n"),
    ],
)
def test_makedatprog_refuses(
    run: Runner, tmp_path: Path, words: list[str], stdin: bytes, message: str
) -> None:
    assert run("makedatprog", *words, stdin=stdin) == (1, "", message)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["makedat", "makedatprog"])
def test_help_has_examples_and_exit_codes(run: Runner, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "Exit codes:" in out
    assert "Examples:" in out


def test_the_help_declares_the_options_that_are_read() -> None:
    command = typer.main.get_command(makedat_apps.makedat)
    declared = {option for parameter in command.params for option in parameter.opts}
    assert declared - {"--help"} == {*makedat.OPTIONS_WITH_VALUE, *makedat.SWITCHES}
