"""Moving messages between folders, and what the quota learns of it (spec maildir 4.6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import (
    Maildir,
    MaildirExistsError,
    MaildirMissingError,
    QuotaExceeded,
    Usage,
)
from couriermail.maildir.maildirsize import measure
from couriermail.maildir.quotarules import QuotaRules

MESSAGE = b"Subject: x\n\nabcde\n"


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    box = Maildir.create(tmp_path / "md", quota="2C")
    for name in ("Work", "Spam", "Trash"):
        box.create_folder(name)
    box.set_quota_rules(QuotaRules(["Spam"]))
    return box


@pytest.mark.parametrize(
    ("source", "target", "change"),
    [
        ("", "Work", 0),
        ("Work", "", 0),
        ("", "Trash", -1),
        ("Work", "Spam", -1),
        ("Spam", "Trash", 0),
        ("Trash", "Work", 1),
        ("Spam", "", 1),
    ],
)
def test_the_quota_learns_what_counts_from_then_on(
    box: Maildir, source: str, target: str, change: int
) -> None:
    key = box.folder(source).deliver(MESSAGE, flags="S")
    lines = Path(box.path, "maildirsize").read_text().splitlines()
    moved = box.folder(source).move(key, box.folder(target))
    assert (moved.key, moved.flags, list(box.folder(source))) == (key, "S", [])
    assert [entry.key for entry in box.folder(target)] == [key]
    more = Path(box.path, "maildirsize").read_text().splitlines()[len(lines) :]
    assert [int(line.split()[1]) for line in more] == ([change] if change else [])
    assert box.usage == measure(box.path)


def test_a_move_that_does_not_fit_changes_nothing(box: Maildir) -> None:
    spam = box.folder("Spam")
    key = spam.deliver(MESSAGE)
    for _ in range(2):
        box.deliver(MESSAGE)
    with pytest.raises(QuotaExceeded):
        spam.move(key, box.folder("Work"))
    assert [entry.key for entry in spam] == [key]
    assert box.usage == measure(box.path) == Usage(36, 2)


def test_new_mail_stays_new_unless_it_gets_flags(box: Maildir) -> None:
    key = box.deliver(MESSAGE)
    assert box.move(key, box.folder("Work")).is_new
    moved = box.folder("Work").move(key, box, flags="SR")
    assert (moved.is_new, moved.name) == (False, f"{key}:2,RS")


def test_expunging_to_the_trash_drops_flags_and_credits_once(box: Maildir) -> None:
    key = box.deliver(MESSAGE, flags="S")
    box.set_flags(key, "ST")
    assert box.usage == Usage()
    box.move(key, box.folder("Trash"), flags="S")
    assert box.usage == Usage()
    assert box.folder("Trash").entry(key).flags == "S"


def test_two_maildirs_are_both_told(box: Maildir, tmp_path: Path) -> None:
    other = Maildir.create(tmp_path / "other", quota="1C")
    key, second = box.deliver(MESSAGE), box.deliver(MESSAGE)
    box.move(key, other)
    assert (box.usage, other.usage) == (Usage(18, 1), Usage(18, 1))
    with pytest.raises(QuotaExceeded):
        box.move(second, other)
    assert (box.usage, other.usage) == (Usage(18, 1), Usage(18, 1))


def test_keywords_go_along(box: Maildir) -> None:
    work = box.folder("Work")
    key, plain = box.deliver(MESSAGE, keywords=["todo"]), box.deliver(MESSAGE)
    for each in (key, plain):
        box.move(each, work)
    assert (work.keywords.get(key), work.keywords.get(plain)) == (("todo",), ())


def test_moves_that_cannot_be(box: Maildir) -> None:
    key = box.deliver(MESSAGE, flags="S")
    work = box.folder("Work")
    with pytest.raises(MaildirMissingError):
        box.move(key, box.folder("None"))
    with pytest.raises(MaildirMissingError):
        box.move("nokey", work)
    with pytest.raises(MaildirExistsError):
        box.move(key, box)
    Path(work.path, "cur", f"{key}:2,S").write_bytes(b"other")
    with pytest.raises(MaildirExistsError):
        box.move(key, work)
    assert Path(work.path, "cur", f"{key}:2,S").read_bytes() == b"other"
    assert len(os.listdir(f"{box.path}/cur")) == 1
    assert box.usage == Usage(18, 1)
