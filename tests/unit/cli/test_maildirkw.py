"""`maildirkw`: its command line, output and exit codes (spec maildir 2.4, 6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import Done, run_ours

from couriermail.cli import maildirkw
from couriermail.cli.maildirkw import read_command_line
from couriermail.cli.maildirkw_app import app
from couriermail.cli.message_io import CommandError
from couriermail.maildir import Maildir


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "k")


def run(tmp_path: Path, *words: str) -> Done:
    return run_ours("maildirkw", *words, cwd=tmp_path)


def test_pinned_keywords_are_set_added_removed_and_listed(tmp_path: Path, box: Maildir) -> None:
    steps = [
        (("k", "msg1", "Label0", "Label1"), b"msg1 Label0 Label1\n"),
        (("-a", "k", "msg1:2,S", "Label2"), b"msg1 Label0 Label1 Label2\n"),
        (("-r", "k", "msg1", "label0"), b"msg1 Label1 Label2\n"),
        (("k", "msg1"), b"msg1\n"),
        (("k", "a", "zz", "Aa", "b"), b"a Aa b zz\nmsg1\n"),
        (("-l", "-a", "k", "a", "AA", "c"), b"a Aa b c zz\nmsg1\n"),
        (("-a", "-r", "k", "a", "zz"), b"a Aa b c\nmsg1\n"),
        (("-ra", "k", "a", "y"), b"a Aa b c y\nmsg1\n"),
        (("--", "k", "a", "-x"), b"a -x\nmsg1\n"),
    ]
    for words, listed in steps:
        assert run(tmp_path, *words) == (0, b"", b"")
        assert run(tmp_path, "-L", "k") == (0, listed, b"")
    assert os.listdir(tmp_path / "k/tmp") == []


def test_a_folder_and_the_lock(tmp_path: Path, box: Maildir) -> None:
    box.create_folder("F")
    assert run(tmp_path, "-l", "k/.F", "m", "Über") == (0, b"", b"")
    assert run(tmp_path, "-lL", "k/.F", "ignored") == (0, "m Über\n".encode(), b"")
    assert not os.path.exists(f"{box.path}/courierimapkeywords")


def test_nothing_listed_for_a_maildir_without_keywords(tmp_path: Path, box: Maildir) -> None:
    assert run(tmp_path, "-L", "k") == (0, b"", b"")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param(["-L", "nomd"], b"nomd: No such file or directory\n", id="list-missing"),
        pytest.param(["nomd", "m", "x"], b"nomd: No such file or directory\n", id="missing"),
        pytest.param(["-l", "nomd", "m"], b"nomd: No such file or directory\n", id="lock-missing"),
        pytest.param(["k", "a/b", "x"], b"not a message name: 'a/b'\n", id="slash"),
        pytest.param(["k", "", "x"], b"not a message name: ''\n", id="empty"),
        pytest.param(["k", ".hid", "x"], b"not a message name: '.hid'\n", id="hidden"),
        pytest.param(["k", "m", "a\nb"], b"not a keyword: 'a\\nb'\n", id="line-end"),
        pytest.param(["-a", "k", "m", ""], b"not a keyword: ''\n", id="empty-keyword"),
        pytest.param(["-r", "k", "m", ""], b"not a keyword: ''\n", id="remove-empty"),
    ],
)
def test_failures_are_one_line_and_exit_code_1(
    tmp_path: Path, box: Maildir, words: list[str], line: bytes
) -> None:
    assert run(tmp_path, *words) == (1, b"", line)
    assert sorted(os.listdir(box.path)) == ["cur", "new", "tmp"]
    assert os.listdir(f"{box.path}/tmp") == []


@pytest.mark.parametrize(
    "words",
    [[], ["-h"], ["-c", "k", "m"], ["-x", "k", "m"], ["-L"], ["k"], ["-a", "k"], ["-Lx", "k"]],
    ids=" ".join,
)
def test_the_usage_stands_on_standard_output(
    tmp_path: Path, box: Maildir, words: list[str]
) -> None:
    assert run(tmp_path, *words) == (1, f"{maildirkw.USAGE}\n".encode(), b"")
    with pytest.raises(CommandError):
        read_command_line(words)


def test_the_typer_app_declares_the_same_options(tmp_path: Path) -> None:
    command = typer.main.get_command(app)
    declared = {name for one in command.params for name in one.opts if name.startswith("-")}
    assert declared == {*(f"-{letter}" for letter in maildirkw.LETTERS), "--help"} - {"--help"}
    assert b"maildirkw -L Maildir/.Sent" in run(tmp_path, "--help").out
