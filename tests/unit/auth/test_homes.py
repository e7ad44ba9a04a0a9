"""Missing homes are made of a skeleton (spec auth 4.8): whole or not at all, and only in their place."""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from couriermail.auth import Account, DirectoryError, create_home
from couriermail.core import FaultPlan, clear_faults, install_faults

OWNER = 1001 if os.geteuid() == 0 else os.geteuid()
GROUP = 1001 if os.geteuid() == 0 else os.getegid()


def account(home: Path | str) -> Account:
    return Account(name="j", address="j", uid=OWNER, gid=GROUP, home=str(home))


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    path = tmp_path / "skel"
    (path / "Maildir" / "new").mkdir(parents=True)
    (path / "Maildir").chmod(0o700)
    (path / "profile").write_text("x" * 100_000)
    (path / "profile").chmod(0o640)
    (path / "link").symlink_to("profile")
    os.mkfifo(path / "pipe")
    path.chmod(0o711)
    return path


def names(path: Path) -> list[str]:
    return sorted(os.listdir(path))


def test_a_missing_home_is_a_copy_of_the_skeleton(tmp_path: Path, skeleton: Path) -> None:
    home = tmp_path / "home"
    umask = os.umask(0o077)
    try:
        assert create_home(account(home), str(skeleton))
    finally:
        os.umask(umask)
    assert names(home) == ["Maildir", "link", "profile"]
    assert (home / "profile").read_text() == "x" * 100_000
    assert os.readlink(home / "link") == "profile"
    modes = {name: stat.S_IMODE((home / name).stat().st_mode) for name in ("profile", "Maildir")}
    assert modes == {"profile": 0o640, "Maildir": 0o700}
    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    everything = [path.lstat() for path in (home, *home.rglob("*"))]
    assert {(each.st_uid, each.st_gid) for each in everything} == {(OWNER, GROUP)}
    assert names(tmp_path) == ["home", "skel"]


@pytest.mark.parametrize("kind", ["directory", "file", "dangling link"])
def test_what_has_its_name_stays_as_it_is(tmp_path: Path, skeleton: Path, kind: str) -> None:
    home = tmp_path / "home"
    if kind == "directory":
        home.mkdir()
    elif kind == "file":
        home.touch()
    else:
        home.symlink_to("nowhere")
    before = home.lstat()
    assert not create_home(account(home), str(skeleton))
    assert home.lstat() == before
    assert kind != "directory" or names(home) == []


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, skeleton: Path) -> None:
    install_faults([FaultPlan("auth.home.before-rename", error=errno.ENOSPC)])
    try:
        with pytest.raises(DirectoryError, match="No space"):
            create_home(account(tmp_path / "home"), str(skeleton))
    finally:
        clear_faults()
    assert names(tmp_path) == ["skel"]


def test_a_maker_that_is_killed_leaves_no_home_and_the_next_one_makes_it(
    tmp_path: Path, skeleton: Path
) -> None:
    pid = os.fork()
    if pid == 0:
        install_faults([FaultPlan("auth.home.before-rename")])
        create_home(account(tmp_path / "home"), str(skeleton))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "home").exists()
    assert create_home(account(tmp_path / "home"), str(skeleton))
    assert names(tmp_path / "home") == ["Maildir", "link", "profile"]


@pytest.mark.parametrize("home", ["no/home", "skel/../home"])
def test_why_it_cannot_be_made_is_said(tmp_path: Path, skeleton: Path, home: str) -> None:
    with pytest.raises(DirectoryError, match=r"home: cannot be made from .*skel: "):
        create_home(account(f"{tmp_path}/{home}"), str(skeleton))
    assert names(tmp_path) == ["skel"]


def test_a_missing_skeleton_is_an_error_and_no_empty_home(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="No such file"):
        create_home(account(tmp_path / "home"), str(tmp_path / "skel"))
    assert names(tmp_path) == []


def test_the_home_that_means_none_is_never_made(skeleton: Path) -> None:
    assert not create_home(account("/nonexistent"), str(skeleton))
    assert not os.path.lexists("/nonexistent")


def test_a_link_of_root_above_it_is_followed(tmp_path: Path, skeleton: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "homes").symlink_to("disk")
    assert create_home(account(tmp_path / "homes" / "j"), str(skeleton))
    assert names(tmp_path / "disk") == ["j"]


@pytest.mark.root
@pytest.mark.parametrize("who", ["owner of the link", "owner of the directory", "anybody"])
def test_a_link_that_others_may_have_made_is_not_followed(
    tmp_path: Path, skeleton: Path, who: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "homes").symlink_to(target)
    if who == "owner of the link":
        os.chown(theirs / "homes", 2000, 2000, follow_symlinks=False)
    elif who == "owner of the directory":
        os.chown(theirs, 2000, 2000)
    else:
        theirs.chmod(0o777)
    with pytest.raises(DirectoryError, match="made by others"):
        create_home(account(theirs / "homes" / "j"), str(skeleton))
    assert names(target) == []


def test_a_ring_of_links_ends(tmp_path: Path, skeleton: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(DirectoryError, match="symbolic links"):
        create_home(account(tmp_path / "a" / "j"), str(skeleton))


def test_of_many_makers_one_makes_it(tmp_path: Path, skeleton: Path) -> None:
    start = threading.Barrier(8)
    made: list[bool] = []

    def make() -> None:
        start.wait()
        made.append(create_home(account(tmp_path / "home"), str(skeleton)))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert names(tmp_path) == ["home", "skel"]
    assert names(tmp_path / "home") == ["Maildir", "link", "profile"]
