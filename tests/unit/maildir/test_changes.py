"""Changing flags and expunging, and what the quota learns of it (spec maildir 4.6)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.maildir import InvalidNameError, Maildir, MaildirMissingError, QuotaExceeded, Usage
from couriermail.maildir.maildirsize import measure


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md", quota="3C")


def test_flags_are_replaced_and_new_mail_moves_to_cur(box: Maildir) -> None:
    key = box.deliver(b"one\n")
    assert box.set_flags(key, "SF").name == f"{key}:2,FS"
    assert [(entry.key, entry.flags, entry.is_new) for entry in box] == [(key, "FS", False)]
    assert box.set_flags(key, "").flags == ""
    assert box.set_flags(key, "").name == f"{key}:2,"
    assert box.usage == Usage(4, 1)


def test_trashing_credits_the_quota_and_taking_it_back_asks(box: Maildir) -> None:
    keys = [box.deliver(b"one\n") for _ in range(3)]
    box.set_flags(keys[0], "ST")
    assert box.usage == Usage(8, 2) == measure(box.path)
    box.deliver(b"more\n")
    with pytest.raises(QuotaExceeded):
        box.set_flags(keys[0], "S")
    assert box.entry(keys[0]).flags == "ST"
    box.expunge(keys[1])
    box.set_flags(keys[0], "S")
    assert box.usage == Usage(13, 3) == measure(box.path)


def test_expunging_removes_the_message_and_credits_it_once(box: Maildir) -> None:
    seen, trashed = box.deliver(b"one\n", flags="S"), box.deliver(b"three\n", flags="T")
    box.expunge(trashed)
    assert box.usage == Usage(4, 1)
    box.expunge(seen)
    assert (list(box), box.usage) == ([], Usage(0, 0))
    with pytest.raises(MaildirMissingError):
        box.expunge(seen)
    assert box.usage == Usage(0, 0)


def test_the_trash_folder_is_not_counted(box: Maildir) -> None:
    trash = box.create_folder("Trash")
    trash.expunge(trash.deliver(b"one\n"))
    assert box.usage == Usage(0, 0)


def test_an_expunge_is_not_refused_where_the_quota_is_passed(box: Maildir) -> None:
    keys = [box.deliver(b"one\n") for _ in range(3)]
    box.set_quota("1C")
    box.expunge(keys[0])
    assert box.usage == Usage(8, 2)


@pytest.mark.parametrize("change", [lambda b, k: b.set_flags(k, "S"), lambda b, k: b.expunge(k)])
def test_a_message_that_another_program_renames_is_followed(
    box: Maildir, monkeypatch: pytest.MonkeyPatch, change: Callable[[Maildir, str], object]
) -> None:
    key = box.deliver(b"one\n", flags="R")
    rename, unlink = os.rename, os.unlink

    def meanwhile(*paths: str) -> None:
        monkeypatch.setattr(os, "rename", rename)
        monkeypatch.setattr(os, "unlink", unlink)
        rename(f"{box.path}/cur/{key}:2,R", f"{box.path}/cur/{key}:2,RT")
        raise FileNotFoundError(2, "gone", paths[0])

    monkeypatch.setattr(os, "rename", meanwhile)
    monkeypatch.setattr(os, "unlink", meanwhile)
    change(box, key)
    assert {entry.flags for entry in box} <= {"S"}
    assert os.rename is rename


@pytest.mark.parametrize("flags", ["/", "S:", "S\n", ".."])
def test_bad_flags_change_nothing(box: Maildir, flags: str) -> None:
    key = box.deliver(b"one\n")
    with pytest.raises(InvalidNameError):
        box.set_flags(key, flags)
    assert box.entry(key).is_new


@pytest.mark.parametrize("key", ["", "none", "../new/x", "a/b", "x\0"])
def test_a_message_that_is_not_there_is_missing(box: Maildir, key: str) -> None:
    for change in (lambda: box.set_flags(key, "S"), lambda: box.expunge(key)):
        with pytest.raises(MaildirMissingError):
            change()
