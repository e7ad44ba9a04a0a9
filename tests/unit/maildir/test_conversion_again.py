"""Converting folder names again, or going on where a conversion ended (spec maildir 4.5, 7)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import FilterRecipe, FilterRule, Maildir, Subscriptions, plan_conversion
from couriermail.maildir.conversion import NotModifiedUtf7Error

OLD = ["R&AOk-sum&AOk-", "a&-b", "b&-AOk-c", "Plain.Sub", "A&AOkA6Q-B.&AOk-"]
NEW = {"Résumé", "a&b", "b&AOk-c", "Plain.Sub", "AééB.é"}
RULES = tuple(
    FilterRule(name=name, header="subject", value="x", folder=f"INBOX.{name}") for name in OLD
)


def make(path: Path, folders: list[str], subscribed: list[str]) -> Maildir:
    box = Maildir.create(path, parents=True)
    for name in folders:
        box.create_folder(name)
    if subscribed:
        Subscriptions(box.path).replace([f"INBOX.{name}" for name in subscribed])
    return box


def subscribed(box: Maildir) -> set[str]:
    return {name.removeprefix("INBOX.") for name in Subscriptions(box.path).names()}


def convert(box: Maildir, mailfilter: Path | None = None) -> int:
    """How many changes there were."""
    plan = plan_conversion(box.path, None if mailfilter is None else str(mailfilter))
    assert plan.apply() == []
    return len(plan.folders) + len(plan.subscriptions) + len(plan.filters)


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    box = make(tmp_path / "md", OLD, [*OLD, "none&AOk-"])
    mailfilter = tmp_path / "mf"
    mailfilter.write_text(FilterRecipe(sender="a@b", rules=RULES).to_text())
    assert convert(box, mailfilter) == 4 + 5 + 4
    assert (set(box.folders()), subscribed(box)) == (NEW, {*NEW, "noneé"})
    text = mailfilter.read_text()
    for _ in range(2):
        assert convert(box, mailfilter) == 0
    assert plan_conversion(box.path).is_converted
    assert (set(box.folders()), subscribed(box)) == (NEW, {*NEW, "noneé"})
    assert mailfilter.read_text() == text
    assert {rule.folder for rule in FilterRecipe.parse(text).rules} == {f"INBOX.{n}" for n in NEW}


def test_folders_made_since_keep_their_names_whatever_they_look_like(tmp_path: Path) -> None:
    box = make(tmp_path / "md", OLD, [])
    convert(box)
    made = {"&AOk-", "x&y", "Größe"}
    for name in made:
        box.create_folder(name)
        Subscriptions(box.path).add(f"INBOX.{name}")
    assert convert(box) == 0
    assert set(box.folders()) == NEW | made


def test_a_mail_filter_may_follow_in_a_later_run(tmp_path: Path) -> None:
    box = make(tmp_path / "md", OLD, [])
    convert(box)
    mailfilter = tmp_path / "mf"
    mailfilter.write_text(FilterRecipe(sender="a@b", rules=RULES).to_text())
    assert convert(box, mailfilter) == 4
    assert convert(box, mailfilter) == 0
    rules = FilterRecipe.parse(mailfilter.read_text()).rules
    assert {rule.folder for rule in rules} == {f"INBOX.{name}" for name in NEW}


@pytest.mark.parametrize(
    ("folders", "names", "after"),
    [
        (["Résumé", "N&AOk-"], ["R&AOk-sum&AOk-", "N&AOk-"], {"Résumé", "Né"}),
        (["Résumé", "a&b", "c&-d"], ["Résumé", "a&b", "c&-d"], {"Résumé", "a&b", "c&d"}),
        (["台北", "Plain"], ["台北", "&U,BTFw-"], {"台北", "Plain"}),
    ],
)
def test_what_another_program_left_half_way_is_continued(
    tmp_path: Path, folders: list[str], names: list[str], after: set[str]
) -> None:
    box = make(tmp_path / "md", folders, names)
    convert(box)
    assert set(box.folders()) == after
    assert subscribed(box) <= after
    assert convert(box) == 0


@pytest.mark.parametrize("name", ["a&b", "x&AOk", os.fsdecode(b"caf\xe9")])
def test_a_name_that_is_neither_is_refused_where_nothing_was_converted(
    tmp_path: Path, name: str
) -> None:
    box = make(tmp_path / "md", [name, "N&AOk-"], [])
    with pytest.raises(NotModifiedUtf7Error):
        plan_conversion(box.path)
    assert set(box.folders()) == {name, "N&AOk-"}


def test_octets_that_are_no_utf8_are_refused_also_in_a_converted_maildir(tmp_path: Path) -> None:
    box = make(tmp_path / "md", ["Résumé", os.fsdecode(b"caf\xe9")], [])
    with pytest.raises(NotModifiedUtf7Error):
        plan_conversion(box.path)


class Crash(BaseException):
    """The process ends."""


@pytest.mark.parametrize("allowed", range(9))
def test_a_run_that_was_killed_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    """Every step is a rename: of the record, each folder, the subscriptions and the filter."""
    box = make(tmp_path / "md", OLD, [*OLD, "none&AOk-"])
    mailfilter = tmp_path / "mf"
    mailfilter.write_text(FilterRecipe(sender="a@b", rules=RULES).to_text())
    rename, replace = os.rename, os.replace
    steps = iter(range(allowed))

    def step(*paths: str) -> None:
        if next(steps, None) is None:
            raise Crash
        (rename if paths[0].startswith(box.path) else replace)(*paths)

    monkeypatch.setattr(os, "rename", step)
    monkeypatch.setattr(os, "replace", step)
    is_killed = False
    try:
        convert(box, mailfilter)
    except Crash:
        is_killed = True
    monkeypatch.undo()
    assert is_killed is (allowed < 8)
    convert(box, mailfilter)
    assert (set(box.folders()), subscribed(box)) == (NEW, {*NEW, "noneé"})
    rules = FilterRecipe.parse(mailfilter.read_text()).rules
    assert {rule.folder for rule in rules} == {f"INBOX.{name}" for name in NEW}
    assert plan_conversion(box.path).is_converted


def test_a_folder_in_the_way_leaves_the_rest_done_and_the_run_unfinished(tmp_path: Path) -> None:
    box = make(tmp_path / "md", ["a&-b", "N&AOk-"], [])
    os.makedirs(f"{box.path}/.a&b")
    (failed,) = plan_conversion(box.path).apply()
    assert failed.change.old == "INBOX.a&-b"
    assert set(box.folders()) == {"a&-b", "Né"}
    os.rmdir(f"{box.path}/.a&b")
    convert(box)
    assert set(box.folders()) == {"a&b", "Né"}
    assert plan_conversion(box.path).is_converted


@pytest.mark.parametrize("text", ["", "what\n", "converting", "converted"])
def test_a_record_that_is_damaged_harms_nothing(tmp_path: Path, text: str) -> None:
    box = make(tmp_path / "md", ["N&AOk-"], [])
    Path(box.path, "maildirutf8names").write_text(text)
    convert(box)
    assert set(box.folders()) == ({"N&AOk-"} if text == "converted" else {"Né"})
