"""Texts of automatic replies and their quota (spec maildir 4.14)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import (
    AutoresponseQuota,
    Autoresponses,
    InvalidNameError,
    MaildirMissingError,
    MaildirStorageError,
    QuotaExceeded,
)


@pytest.mark.parametrize(
    ("text", "count", "size"),
    [("C3S300", 3, 300), ("S300C3\nC9", 3, 300), ("C3", 3, 0), ("", 0, 0), ("x5C", 0, 0),
     ("S12 C4", 4, 12)],
)  # fmt: skip
def test_a_quota_is_the_first_line(text: str, count: int, size: int) -> None:
    assert AutoresponseQuota.parse(text) == AutoresponseQuota(count=count, size=size)


def test_texts_are_stored_replaced_listed_and_removed(tmp_path: Path) -> None:
    store = Autoresponses(tmp_path)
    assert store.names() == []
    store.write("away", b"I am away.\n")
    store.write("away", b"Still away.\n")
    store.write("away2", b"x")
    Path(store.path, "away.dat").touch()
    assert store.names() == ["away", "away2"]
    assert store.read("away") == b"Still away.\n"
    assert os.stat(store.path).st_mode & 0o777 == 0o700
    store.remove("away")
    assert os.listdir(store.path) == ["away2"]
    for action in (store.read, store.remove):
        with pytest.raises(MaildirMissingError):
            action("away")


def test_the_quota_may_be_reached_and_not_passed(tmp_path: Path) -> None:
    everywhere = tmp_path / "all"
    everywhere.write_text("C1\n")
    store = Autoresponses(tmp_path, everywhere=everywhere)
    assert store.quota == AutoresponseQuota(count=1)
    (tmp_path / "autoresponsesquota").write_text("C2S10\n")
    store.write("a", b"12345")
    store.write("b", b"12345")
    for name, data in (("b", b"123456"), ("c", b"")):
        with pytest.raises(QuotaExceeded):
            store.write(name, data)
    assert (store.names(), store.read("b")) == (["a", "b"], b"12345")
    store.write("b", b"1")
    assert sorted(os.listdir(store.path)) == ["a", "b"]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a.b", "a/b", "/etc/x", "a'b", 'a"b', "a*", "a?", "[a", "a]", "~a", "a b",
     "a\tb", "a\nb", "a\0b", "x" * 201, "\ud800"],
)  # fmt: skip
def test_a_name_reaches_no_other_file(tmp_path: Path, name: str) -> None:
    store = Autoresponses(tmp_path)
    for action in (store.read, store.remove, lambda text: store.write(text, b"")):
        with pytest.raises(InvalidNameError):
            action(name)
    assert os.listdir(tmp_path) == []


def test_a_store_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((MaildirStorageError, MaildirMissingError)):
        Autoresponses(tmp_path / "file").write("a", b"")
