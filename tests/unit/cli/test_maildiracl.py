"""`maildiracl`: its command line, output and exit codes (spec maildir 2.3, 6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import Done, run_ours

from couriermail.cli import maildiracl
from couriermail.cli.maildiracl_app import app
from couriermail.maildir import Maildir

ALL = "aceilrstwx"
DEFAULT = f"owner\t{ALL}\nadministrators\t{ALL}\n"


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "a")


def run(tmp_path: Path, line: str) -> Done:
    return run_ours("maildiracl", *line.split(" "), cwd=tmp_path)


def listed(tmp_path: Path, folder: str = "INBOX") -> str:
    done = run(tmp_path, f"-list a {folder}")
    assert (done.code, done.err) == (0, b"")
    return done.out.decode()


def test_pinned_rights_are_set_added_taken_computed_and_deleted(
    tmp_path: Path, box: Maildir
) -> None:
    assert listed(tmp_path) == DEFAULT
    for line, expected in [
        ("-set a INBOX user=x zqr9", f"{DEFAULT}user=x\t9qrz\n"),
        ("-set a INBOX user=x +w", f"{DEFAULT}user=x\t9qrwz\n"),
        ("-set a INBOX user=x -zq9", f"{DEFAULT}user=x\trw\n"),
        ("-set a INBOX user=x ", f"{DEFAULT}user=x\t\n"),
        ("-set a INBOX -user=x l ignored", f"{DEFAULT}user=x\t\n-user=x\tl\n"),
        ("-delete a INBOX -user=x", f"{DEFAULT}user=x\t\n"),
        ("-delete a INBOX nobody", f"{DEFAULT}user=x\t\n"),
        ("-set a INBOX Résumé l", f"{DEFAULT}user=x\t\nRésumé\tl\n"),
        ("-set a INBOX anyone lr", f"{DEFAULT}user=x\t\nRésumé\tl\nanyone\tlr\n"),
    ]:
        assert run(tmp_path, line) == (0, b"", b"")
        assert listed(tmp_path) == expected
    assert run(tmp_path, "-compute a INBOX user=y") == (0, b"lr\n", b"")
    assert run(tmp_path, "-compute a INBOX owner") == (0, f"{ALL}\n".encode(), b"")
    assert run(tmp_path, "-compute a INBOX x administrators") == (0, f"{ALL}\n".encode(), b"")


def test_pinned_lists_of_names_without_folders(tmp_path: Path, box: Maildir) -> None:
    assert run(tmp_path, "-set a INBOX.Folder user=user1 rw").code == 0
    three = f"{DEFAULT}user=user1\trw\n"
    assert listed(tmp_path, "INBOX.Folder.Subfolder") == three
    aside = tmp_path / "a/courierimaphieracl"
    assert sorted(os.listdir(aside)) == ["Folder", "Folder.Subfolder"]
    box.create_folder("Folder")
    assert listed(tmp_path, "INBOX.Folder") == three
    assert os.listdir(aside) == ["Folder.Subfolder"]
    os.utime(aside / "Folder.Subfolder", (0, 0))
    assert run(tmp_path, "-reset a") == (0, b"", b"")
    assert os.listdir(aside) == []


OWNER = "Trying to set invalid access rights for owner"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-set a INBOX owner r", OWNER),
        ("-set a INBOX -owner a", OWNER),
        ("-set a INBOX owner -l", OWNER),
        ("-set a INBOX -anyone l", OWNER),
        ("-delete a INBOX owner", OWNER),
        ("-set a INBOX administrators r", "a: Invalid argument"),
        ("-set a INBOX -administrators alrs", "a: Invalid argument"),
        ("-list nomd INBOX.x", "nomd: No such file or directory"),
        ("-set nomd INBOX anyone l", "nomd: No such file or directory"),
        ("-reset nomd", "nomd: No such file or directory"),
        ("-list a INBOX..x", "a: Invalid argument"),
        ("-list a INBOX.x/y", "a: Invalid argument"),
        ("-list a inbox", "inbox: Invalid argument"),
        ("-list a INBOXx", "INBOXx: Invalid argument"),
        ("-list a x", "x: Invalid argument"),
        ("-set a INBOX  l", "maildiracl: invalid identifier: ''"),
        ("-set a INBOX a\tb l", "maildiracl: invalid identifier: 'a\\tb'"),
        ("-set a INBOX user=x l\tr", "maildiracl: invalid access rights: '\\tlr'"),
    ],
)
def test_failures_are_one_line_and_change_nothing(
    tmp_path: Path, box: Maildir, line: str, message: str
) -> None:
    assert run(tmp_path, line) == (1, b"", f"{message}\n".encode())
    assert sorted(os.listdir(box.path)) == ["cur", "new", "tmp"]
    assert sorted(os.listdir(tmp_path)) == ["a"]


def test_pinned_the_default_list_needs_no_maildir(tmp_path: Path) -> None:
    assert run(tmp_path, "-list nomd INBOX") == (0, DEFAULT.encode(), b"")


@pytest.mark.parametrize(
    "line",
    ["", "-list", "-list a", "-foo a INBOX", "-set a INBOX x", "-delete a INBOX", "-compute a INBOX",
     "-reset", "--help me"],
)  # fmt: skip
def test_the_usage_stands_on_standard_output(tmp_path: Path, box: Maildir, line: str) -> None:
    assert run(tmp_path, line) == (1, f"{maildiracl.USAGE}\n".encode(), b"")


def test_the_typer_app_declares_the_same_verbs(tmp_path: Path) -> None:
    command = typer.main.get_command(app)
    declared = {name for one in command.params for name in one.opts if name.startswith("-")}
    assert declared == set(maildiracl.VERBS)
    assert b"maildiracl -reset Maildir" in run(tmp_path, "--help").out
