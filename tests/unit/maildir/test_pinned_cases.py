"""Pinned cases of spec maildir 6 that no other file has; `test_pinned_index` lists all of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours

from couriermail.maildir import Acl, Maildir, Subscriptions
from couriermail.maildir.acl import identities_of
from couriermail.maildir.names import without_flag


def maildirmake(root: Path, *words: str) -> Done:
    return run_ours("maildirmake", *words, cwd=root)


def modes(path: Path) -> tuple[int, set[int]]:
    """Permission bits of a maildir, and those of its three directories."""
    parts = {stat.S_IMODE((path / name).stat().st_mode) for name in ("tmp", "new", "cur")}
    return stat.S_IMODE(path.stat().st_mode), parts


def total(size: int, messages: int) -> str:
    return f"{size:12} {messages:12}\n"


def test_maildirmake_makes_private_directories_once(tmp_path: Path) -> None:
    assert maildirmake(tmp_path, "md") == (0, b"", b"")
    assert sorted(os.listdir(tmp_path / "md")) == ["cur", "new", "tmp"]
    assert modes(tmp_path / "md") == (0o700, {0o700})
    assert maildirmake(tmp_path, "md") == (1, b"", b"maildirmake: md: File exists\n")


@pytest.mark.parametrize(
    ("words", "name"),
    [(["-f", "Drafts", "md"], ".Drafts"), (["-fJoined.Sub", "md"], ".Joined.Sub")],
)
def test_folders_have_an_empty_private_mark(tmp_path: Path, words: list[str], name: str) -> None:
    maildirmake(tmp_path, "md")
    assert maildirmake(tmp_path, *words).code == 0
    folder = tmp_path / "md" / name
    assert modes(folder) == (0o700, {0o700})
    mark = (folder / "maildirfolder").stat()
    assert (stat.S_IMODE(mark.st_mode), mark.st_size) == (0o600, 0)


@pytest.mark.parametrize(
    ("share", "directory", "parts"),
    [
        ("read", 0o755, 0o755),
        ("write", 0o1755, 0o1777),
        ("read,group", 0o750, 0o750),
        ("write,group", 0o1750, 0o1770),
        ("group", 0o750, 0o750),
    ],
)
def test_sharable_folders_have_these_modes(
    tmp_path: Path, share: str, directory: int, parts: int
) -> None:
    assert maildirmake(tmp_path, "-S", "sh").code == 0
    assert modes(tmp_path / "sh") == (0o755, {0o700})
    assert maildirmake(tmp_path, "-s", share, "-f", "F", "sh").code == 0
    assert modes(tmp_path / "sh/.F") == (directory, {parts})


@pytest.mark.parametrize(
    ("name", "directory"),
    [("a.b", r".a\056b"), ("x/y", r".x\057y"), ("t~il:de&amp", r".t\176il\072de&amp"),
     ("Résumé", ".Résumé")],
)  # fmt: skip
def test_a_name_of_one_component_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, directory: str
) -> None:
    monkeypatch.setenv("MM_CHARSET", "utf-8")
    maildirmake(tmp_path, "md")
    assert maildirmake(tmp_path, "-F", name, "md").code == 0
    assert (tmp_path / "md" / directory).is_dir()


def test_sharable_maildirs_are_a_line_each_of_a_public_file(tmp_path: Path) -> None:
    maildirmake(tmp_path, "md")
    assert maildirmake(tmp_path, "--add", f"notices={tmp_path}", "md") == (0, b"", b"")
    listed = tmp_path / "md/shared-maildirs"
    assert listed.read_text() == f"notices\t{tmp_path}\n"
    assert stat.S_IMODE(listed.stat().st_mode) == 0o644
    assert maildirmake(tmp_path, "--add", f"notices={tmp_path}", "md").code == 2


def test_quotas_are_installed_and_reordered(tmp_path: Path) -> None:
    maildirmake(tmp_path, "md")
    size_file = tmp_path / "md/maildirsize"
    assert maildirmake(tmp_path, "-q", "1000000S,10C", "md").code == 0
    assert size_file.read_text() == "1000000S,10C\n" + total(0, 0)
    assert maildirmake(tmp_path, "-q", "5C,30000000S", "md").code == 0
    assert size_file.read_text() == "30000000S,5C\n" + total(0, 0)
    assert maildirmake(tmp_path, "-q", "100X", "md").err.startswith(b"WARN: quota string '100X'")
    assert size_file.read_text() == "30000000S,5C\n" + total(0, 0)


def test_a_quota_for_a_name_that_is_not_there_makes_the_maildir(tmp_path: Path) -> None:
    assert maildirmake(tmp_path, "-q", "500C", "newdir").code == 0
    assert sorted(os.listdir(tmp_path / "newdir")) == ["cur", "maildirsize", "new", "tmp"]


def test_a_subscription_in_unicode_is_stored_as_utf8(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md")
    subscriptions = Subscriptions(tmp_path / "md")
    subscriptions.add("INBOX.Résumé")
    assert Path(subscriptions.path).read_bytes() == "INBOX.Résumé\n".encode()


def test_flags_that_are_stored_in_any_order_stand_in_order(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    key = box.deliver(b"x\n")
    box.keywords.set(key, ["todo"])
    assert box.set_flags(key, "STRF").name == f"{key}:2,FRST"
    assert box.keywords.get(key) == ("todo",)


def test_a_right_that_is_taken_from_one_user_is_left_to_the_others() -> None:
    acl = Acl.default().with_rights("anyone", "lrs").with_rights("-user=bad", "r")
    assert acl.rights_of(identities_of("bad")) == "ls"
    assert acl.rights_of(identities_of("eve")) == "lrs"
    assert acl.rights_of(identities_of("eve", groups=["administrators"])) == "aceilrstwx"


@pytest.mark.parametrize(
    ("path", "flag", "left"),
    [
        ("./:2,xT/messagefile:2,RTV", "T", "./:2,xT/messagefile:2,RV"),
        ("messagefile", "e", "messagefile"),
        ("1.a,S=5:2,ST,x", "S", "1.a,S=5:2,T,x"),
    ],
)
def test_a_flag_is_taken_from_the_name_alone(path: str, flag: str, left: str) -> None:
    assert without_flag(path, flag) == left
