"""`maildirwatch`, `sharedindexinstall`, `sharedindexsplit`, and `maildirmake`'s conversion of
names (spec maildir 2.1, 2.5, 2.6, 6)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.maildir import Maildir, Subscriptions


def test_pinned_conversion_says_what_courier_says(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "cv")
    for name in ("R&AOk-sum&AOk-", "Plain.Sub"):
        box.create_folder(name)
    Subscriptions(box.path).replace(["INBOX.R&AOk-sum&AOk-", "INBOX.Plain"])
    said = (
        "Checking cv:\n"
        "Subscription to INBOX.R&AOk-sum&AOk- changed to INBOX.Résumé\n"
        "Rename INBOX.R&AOk-sum&AOk- to INBOX.Résumé\n"
    )
    before = sorted(os.listdir(box.path))
    checked = run_ours("maildirmake", "--checkutf8", "cv", cwd=tmp_path)
    assert checked == (0, f"{said}Verified cv/courierimapsubscribed\n".encode(), b"")
    assert sorted(os.listdir(box.path)) == before
    converted = run_ours("maildirmake", "--convutf8", "cv", cwd=tmp_path)
    assert converted == (0, f"{said}Updating cv/courierimapsubscribed\n".encode(), b"")
    after = sorted(os.listdir(box.path))
    for option in ("--convutf8", "--checkutf8", "--convutf8"):
        again = run_ours("maildirmake", option, "cv", cwd=tmp_path)
        assert again == (0, b"Checking cv:\nAlready converted: cv\n", b"")
        assert sorted(os.listdir(box.path)) == after
    assert Subscriptions(box.path).names() == ["INBOX.Résumé", "INBOX.Plain"]


@pytest.mark.parametrize(
    ("folder", "recipe", "code", "message"),
    [
        ("Bad&Name", "", 1, "Error: INBOX.Bad&Name: does not appear to be valid modified-UTF7"),
        ("ok", "#MFMAILDROP=2\n##Op:bogus\n##Name:x\n", 1, "Failed to parse mf"),
        ("ok", "#MFMAILDROP=2\n##Folder:.x&\n##Name:x\n", 1,
         "Error: mf: INBOX.x&: does not appear to be valid modified-UTF7"),
        ("ok", "echo mine\n", 0, ""),
    ],
)  # fmt: skip
def test_conversions_that_cannot_be(
    tmp_path: Path, folder: str, recipe: str, code: int, message: str
) -> None:
    Maildir.create(tmp_path / "cv").create_folder(folder)
    (tmp_path / "mf").write_text(recipe)
    done = run_ours("maildirmake", "--convutf8", "cv", "mf", cwd=tmp_path)
    assert (done.code, done.err.decode().rstrip("\n")) == (code, message)


def test_a_conversion_names_a_missing_maildir_and_a_folder_in_the_way(tmp_path: Path) -> None:
    done = run_ours("maildirmake", "--checkutf8", "none", cwd=tmp_path)
    assert (done.code, done.err) == (1, b"maildirmake: none: No such file or directory\n")
    Maildir.create(tmp_path / "cv").create_folder("a&-b")
    (tmp_path / "cv" / ".a&b").mkdir()
    done = run_ours("maildirmake", "--convutf8", "cv", cwd=tmp_path)
    assert done.code == 1
    assert done.err == b"FATAL ERROR RENAMING INBOX.a&-b to INBOX.a&b: File exists\n"


@pytest.mark.parametrize(("script", "line"), [("exit 3", b"3\n"), ("kill -9 $$", b"-9\n")])
def test_maildirwatch_prints_the_status_that_ended_it(
    tmp_path: Path, script: str, line: bytes
) -> None:
    Maildir.create(tmp_path / "md")
    assert run_ours("maildirwatch", "md", "sh", "-c", script, cwd=tmp_path) == (0, line, b"")


def test_maildirwatch_runs_the_program_at_once_and_after_a_change(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    with subprocess.Popen(
        [sys.executable, "-m", "couriermail.cli.maildirwatch", box.path,
         "sh", "-c", 'echo run; test -e "$0" && exit 1; touch "$0"', str(tmp_path / "ran")],
        stdout=subprocess.PIPE,
    ) as watching:  # fmt: skip
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"run\n"
        box.deliver(b"x\n")
        assert watching.stdout.read() == b"run\n1\n"
        assert watching.wait(10) == 0


@pytest.mark.parametrize(
    ("words", "out", "err"),
    [
        (["md"], b"Usage: maildirwatch maildir program [arguments]...\n", b""),
        (["none", "true"], b"", b"maildirwatch: not a maildir: none\n"),
        (["md", "/nonexistent"], b"", b"maildirwatch: /nonexistent: No such file or directory\n"),
    ],
)
def test_maildirwatch_failures(tmp_path: Path, words: list[str], out: bytes, err: bytes) -> None:
    Maildir.create(tmp_path / "md")
    assert run_ours("maildirwatch", *words, cwd=tmp_path) == (1, out, err)


def test_sharedindexsplit_and_install(tmp_path: Path) -> None:
    for name in ("shared.tmp", "shared"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared" / "indexold").touch()
    lines = "é1\t1\t1\t/h\tM\nab\t1\t1\t/h\n".encode()
    assert run_ours("sharedindexsplit", "shared.tmp", "1", data=lines, cwd=tmp_path).code == 0
    assert (tmp_path / "shared.tmp" / "indexé").read_bytes() == "é1\t1\t1\t/h\tM\n".encode()
    assert run_ours("sharedindexinstall", "-C", str(tmp_path)) == (0, b"", b"")
    assert sorted(os.listdir(tmp_path / "shared")) == ["index", "indexa", "indexé"]
    empty = run_ours("sharedindexinstall", "-C", str(tmp_path))
    assert empty == (1, f"{tmp_path}/shared.tmp is empty!\n".encode(), b"")


@pytest.mark.parametrize(
    "words", [[], ["none"], ["."] * 3, [".", "x"], [".", "-1"], [".", "1", ""]]
)
def test_sharedindexsplit_usage(tmp_path: Path, words: list[str]) -> None:
    done = run_ours("sharedindexsplit", *words, cwd=tmp_path)
    assert done == (2, b"", b"Usage: sharedindexsplit outputdir [ letters ]\n")


def test_sharedindexsplit_refuses_a_group_that_is_a_path(tmp_path: Path) -> None:
    line = b"a\t1\t1\t/h\tM\tsharedgroup=/../../x\n"
    done = run_ours("sharedindexsplit", ".", data=line, cwd=tmp_path)
    assert done == (1, b"", b"sharedindexsplit: not a shared group: '/../../x'\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "command", ["maildirwatch", "sharedindexinstall", "sharedindexsplit", "maildirmake"]
)
def test_help_shows_examples_and_exit_codes(command: str) -> None:
    helped = run_ours(command, "--help")
    assert (helped.code, b"Examples:" in helped.out, b"Exit codes:" in helped.out) == (
        0,
        True,
        True,
    )
