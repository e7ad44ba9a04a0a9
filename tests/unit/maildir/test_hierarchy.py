"""Renaming, removing and converting folders (spec maildir 4.3, 4.5, 6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import (
    FilterRecipe,
    FilterRule,
    ForeignRecipeError,
    InvalidNameError,
    Maildir,
    MaildirExistsError,
    MaildirMissingError,
    MaildirStorageError,
    Subscriptions,
    plan_conversion,
    remove_folders,
    rename_folders,
)
from couriermail.maildir.conversion import NameChange, NotModifiedUtf7Error


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    box = Maildir.create(tmp_path / "md")
    for name in ("a", "a.x", "a.x.y", "ab", "c"):
        box.create_folder(name)
    acls = Path(box.path, "courierimaphieracl")
    acls.mkdir()
    (acls / "a.gone").touch()
    return box


@pytest.mark.parametrize(
    ("folder", "subfolders", "names"),
    [
        (True, True, ["ab", "c", "n.z", "n.z.x", "n.z.x.y"]),
        (True, False, ["a.x", "a.x.y", "ab", "c", "n.z"]),
        (False, True, ["a", "ab", "c", "n.z.x", "n.z.x.y"]),
    ],
)
def test_a_hierarchy_is_renamed(
    box: Maildir, folder: bool, subfolders: bool, names: list[str]
) -> None:
    calls: list[tuple[str, str]] = []
    pairs = rename_folders(
        box.path, "INBOX.a", "n.z", folder=folder, subfolders=subfolders,
        on_rename=lambda old, new: calls.append((old, new)),
    )  # fmt: skip
    assert sorted(box.folders()) == names
    assert calls == pairs
    acls = os.listdir(f"{box.path}/courierimaphieracl")
    assert acls == (["n.z.gone"] if subfolders else ["a.gone"])


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("a", "a", InvalidNameError), ("a", "a.b", InvalidNameError), ("a", "", InvalidNameError),
        ("INBOX", "b", InvalidNameError), ("a", "b/c", InvalidNameError),
        ("a", "b..c", InvalidNameError), ("a", "../b", InvalidNameError),
        ("a", "b\nc", InvalidNameError), ("a", "c", MaildirExistsError),
        ("none", "n", MaildirMissingError),
    ],
)  # fmt: skip
def test_a_rename_that_cannot_be_changes_nothing(
    box: Maildir, old: str, new: str, error: type[Exception]
) -> None:
    before = sorted(os.listdir(box.path))
    with pytest.raises(error):
        box.rename_folder(old, new)
    assert sorted(os.listdir(box.path)) == before


def test_a_rename_that_fails_half_way_is_undone(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(os.listdir(box.path))
    real = os.rename

    def failing(old: str, new: str) -> None:
        if new.endswith("n.x"):
            raise OSError(5, "Input/output error")
        real(old, new)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(MaildirStorageError):
        rename_folders(box.path, "a", "n")
    assert sorted(os.listdir(box.path)) == before


def test_a_removed_folder_leaves_the_others_its_access_list(box: Maildir) -> None:
    Path(box.path, ".a", "courierimapacl").write_text("owner lr\n")
    assert box.remove_folder("a") == ["a"]
    assert sorted(box.folders()) == ["a.x", "a.x.y", "ab", "c"]
    assert Path(box.path, "courierimaphieracl", "a").read_text() == "owner lr\n"
    assert os.listdir(f"{box.path}/tmp") == []


def test_removing_a_hierarchy_counts_the_quota_again(box: Maildir) -> None:
    box.set_quota("1000S")
    box.folder("a.x").deliver(b"0123456789")
    assert remove_folders(box.path, "c", subfolders=True) == ["c"]
    assert box.remove_folder("a", subfolders=True) == ["a", "a.x", "a.x.y"]
    assert box.usage is not None
    assert (box.usage.size, list(box.folders())) == (0, ["ab"])
    with pytest.raises(MaildirMissingError):
        box.remove_folder("a")
    with pytest.raises(InvalidNameError):
        box.remove_folder("INBOX")


@pytest.fixture
def old_box(tmp_path: Path) -> Maildir:
    box = Maildir.create(tmp_path / "old")
    for name in ("R&AOk-sum&AOk-", "Plain.Sub"):
        box.create_folder(name)
    Subscriptions(box.path).replace(["INBOX.R&AOk-sum&AOk-", "INBOX.Plain"])
    return box


def test_pinned_conversion(old_box: Maildir, tmp_path: Path) -> None:
    mailfilter = tmp_path / ".mailfilter"
    link = tmp_path / "link"
    link.symlink_to(mailfilter)
    rule = FilterRule(name="r", header="subject", value="x", folder="INBOX.R&AOk-sum&AOk-")
    mailfilter.write_text(
        FilterRecipe(maildir="./M", sender="a@b", rules=(rule,), mailbot="/bin/mb").to_text()
    )
    mailfilter.chmod(0o640)
    plan = plan_conversion(old_box.path, str(link))
    change = NameChange("INBOX.R&AOk-sum&AOk-", "INBOX.Résumé")
    assert (plan.folders, plan.subscriptions, plan.filters) == ((change,),) * 3
    assert plan.apply() == []
    assert list(old_box.folders()) == ["Plain.Sub", "Résumé"]
    assert Subscriptions(old_box.path).names() == ["INBOX.Résumé", "INBOX.Plain"]
    recipe = FilterRecipe.parse(mailfilter.read_text())
    assert (recipe.rules[0].folder, recipe.maildir, recipe.sender) == ("INBOX.Résumé", "./M", "a@b")
    assert mailfilter.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    again = plan_conversion(old_box.path, str(link))
    assert again.is_converted
    assert (again.folders, again.subscriptions, again.filters) == ((), (), ())


@pytest.mark.parametrize("name", ["Bad&Name", "x&AOk", "&2D0-", "\udce9"])
def test_a_folder_that_is_no_utf7_stops_everything(old_box: Maildir, name: str) -> None:
    old_box.create_folder(name)
    with pytest.raises(NotModifiedUtf7Error) as caught:
        plan_conversion(old_box.path)
    assert (caught.value.name, caught.value.file) == (f"INBOX.{name}", None)


def test_so_does_a_subscription_or_a_filter(old_box: Maildir, tmp_path: Path) -> None:
    Subscriptions(old_box.path).add("INBOX.x&")
    with pytest.raises(NotModifiedUtf7Error, match=r"courierimapsubscribed: INBOX\.x&"):
        plan_conversion(old_box.path)
    Subscriptions(old_box.path).remove("INBOX.x&")
    path = tmp_path / "mf"
    path.write_text("#MFMAILDROP=2\n##Folder:.x&\n##Name:r\n")
    with pytest.raises(NotModifiedUtf7Error, match=r"mf: INBOX\.x&"):
        plan_conversion(old_box.path, str(path))
    path.write_text("#MFMAILDROP=2\n##Op:bogus\n##Name:r\n")
    with pytest.raises(ForeignRecipeError):
        plan_conversion(old_box.path, str(path))
    path.write_text("echo mine\n")
    assert plan_conversion(old_box.path, str(path)).mailfilter is None


def test_a_folder_that_cannot_be_renamed_is_told_and_the_rest_is_done(old_box: Maildir) -> None:
    Path(old_box.path, ".Résumé").mkdir()  # no folder, but in the way
    failed = plan_conversion(old_box.path).apply()
    assert [(one.change.new, one.reason) for one in failed] == [("INBOX.Résumé", "File exists")]
    assert Subscriptions(old_box.path).names()[0] == "INBOX.Résumé"
