"""Folders shared through file permissions (spec maildir 4.12)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import (
    InvalidNameError,
    Maildir,
    MaildirExistsError,
    MaildirMissingError,
    SharedFolders,
)
from couriermail.maildir.shared import add_shared


@pytest.fixture
def owner(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "owner").create_folder("news.today")


@pytest.fixture
def shared(tmp_path: Path, owner: Maildir) -> SharedFolders:
    Maildir.create(tmp_path / "me")
    add_shared(f"{tmp_path}/me", "nick", f"{tmp_path}/owner")
    (tmp_path / "everywhere").write_text(f"all {tmp_path}/owner\nbroken /nonexistent\n")
    return SharedFolders(maildir=f"{tmp_path}/me", everywhere=f"{tmp_path}/everywhere")


NAME = "nick.news.today"


def links(shared: SharedFolders) -> dict[str, str]:
    root = Path(shared.directory(NAME))
    found = [path for sub in ("new", "cur") for path in (root / sub).iterdir()]
    return {str(path.relative_to(root)): path.readlink().name for path in found}


def test_sharable_folders_come_from_both_lists(shared: SharedFolders) -> None:
    assert sorted(shared.sharable()) == ["all.news.today", NAME]


def test_subscribing_makes_a_folder_of_links(shared: SharedFolders, owner: Maildir) -> None:
    directory = Path(shared.subscribe(NAME))
    assert directory == Path(shared.maildir) / "shared-folders/nick/news.today"
    assert sorted(os.listdir(directory)) == ["cur", "new", "shared", "tmp"]
    assert str((directory / "shared").readlink()) == owner.path
    assert shared.subscribed() == [NAME]
    with pytest.raises(MaildirExistsError):
        shared.subscribe(NAME)
    shared.unsubscribe(NAME)
    assert shared.subscribed() == []
    assert os.listdir(f"{shared.maildir}/shared-folders") == []
    assert Path(owner.path, "cur").is_dir()


@pytest.mark.parametrize("name", ["other.news", "nick.none"])
def test_what_is_not_shared_cannot_be_subscribed_to(shared: SharedFolders, name: str) -> None:
    with pytest.raises(MaildirMissingError):
        shared.subscribe(name)
    assert not os.path.exists(f"{shared.maildir}/shared-folders")


@pytest.mark.parametrize(
    "name", ["", "nick", "nick.", ".x", "../x.y", "nick./etc", "nick.a/../b", "n\0.x", "nick.a\nb"]
)
def test_a_name_reaches_no_other_directory(shared: SharedFolders, name: str) -> None:
    for action in (shared.subscribe, shared.unsubscribe, shared.synchronize, shared.directory):
        with pytest.raises(InvalidNameError):
            action(name)


def test_links_follow_the_messages(shared: SharedFolders, owner: Maildir) -> None:
    first, second = owner.deliver(b"one\n"), owner.deliver(b"two\n")
    shared.subscribe(NAME)
    assert shared.synchronize(NAME)
    assert links(shared) == {f"new/{key}:2,": f"{key}:2," for key in (first, second)}
    cur = Path(owner.path, "cur")
    os.rename(cur / f"{first}:2,", cur / f"{first}:2,F")
    os.unlink(cur / f"{second}:2,")
    _make_older(shared, owner)
    assert shared.synchronize(NAME)
    assert links(shared) == {f"cur/{first}:2,": f"{first}:2,F"}
    assert not shared.synchronize(NAME)


def test_the_users_own_flags_survive(shared: SharedFolders, owner: Maildir) -> None:
    key = owner.deliver(b"one\n")
    shared.subscribe(NAME)
    shared.synchronize(NAME)
    root = Path(shared.directory(NAME))
    os.rename(root / f"new/{key}:2,", root / f"cur/{key}:2,S")
    owner.deliver(b"two\n")
    _make_older(shared, owner)
    shared.synchronize(NAME)
    assert f"cur/{key}:2,S" in links(shared)


def test_deleting_removes_the_message_or_keeps_the_link(
    shared: SharedFolders, owner: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = owner.deliver(b"one\n")
    shared.subscribe(NAME)
    shared.synchronize(NAME)
    root = Path(shared.directory(NAME))
    os.rename(root / f"new/{key}:2,", root / f"cur/{key}:2,ST")
    assert shared.is_writable(NAME)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", _refuse)
        assert not shared.delete_message(NAME, key)
    assert links(shared) == {f"cur/{key}:2,S": f"{key}:2,"}
    assert shared.delete_message(NAME, key)
    assert links(shared) == {}
    assert os.listdir(f"{owner.path}/cur") == []
    with pytest.raises(MaildirMissingError):
        shared.delete_message(NAME, key)


def _refuse(path: str) -> None:
    raise PermissionError(13, "Permission denied", path)


def _make_older(shared: SharedFolders, owner: Maildir) -> None:
    """As if the last synchronization had been before the last change."""
    changed = max(os.stat(f"{owner.path}/{sub}").st_mtime_ns for sub in ("new", "cur"))
    for sub in ("new", "cur"):  # moving new mail there must not change the time once more
        os.utime(f"{owner.path}/{sub}", ns=(changed, changed))
    os.utime(f"{shared.directory(NAME)}/shared-timestamp", ns=(changed - 1, changed - 1))
