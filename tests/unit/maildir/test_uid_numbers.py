"""UID numbers, subscriptions, and the upkeep on opening a folder (spec maildir 3.7, 4.3, 4.8, 6)."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, clear_faults, install_faults
from couriermail.maildir import (
    InvalidNameError,
    Maildir,
    MaildirKey,
    MaildirMissingError,
    Subscriptions,
    UidDatabase,
    number_messages,
)
from couriermail.maildir.maildirsize import measure
from couriermail.maildir.maintenance import TMP_LIFETIME, accept_new, purge_tmp
from couriermail.maildir.uiddb import read_uid_database

PINNED = "1 795334795 3\n1 1700000001.M1P1.host,S=13\n2 1700000002.M2P1.host,S=13\n"


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def put(box: Maildir, name: str, sub: str = "cur") -> None:
    Path(box.path, sub, name).write_bytes(b"Subject: a\n\nx")


def test_pinned_database_of_two_new_messages(box: Maildir) -> None:
    for name in ("1700000002.M2P1.host,S=13", "1700000001.M1P1.host,S=13"):
        put(box, name, "new")
    folder = number_messages(box.path, now=1795334795.5)
    assert Path(box.path, "courierimapuiddb").read_text() == PINNED
    assert [(m.uid, m.entry.key) for m in folder.messages] == [
        (1, "1700000001.M1P1.host,S=13"), (2, "1700000002.M2P1.host,S=13"),
    ]  # fmt: skip
    assert (folder.uidvalidity, folder.next_uid, folder.waiting) == (795334795, 3, 0)


def test_numbers_stay_and_are_never_given_again(box: Maildir) -> None:
    for name in ("1.a:2,", "2.b:2,", "10.c:2,"):
        put(box, name)
    first = number_messages(box.path)
    assert [str(m.entry.key) for m in first.messages] == ["1.a", "2.b", "10.c"]  # not by text
    os.unlink(f"{box.path}/cur/10.c:2,")
    os.rename(f"{box.path}/cur/1.a:2,", f"{box.path}/cur/1.a:2,FS")
    put(box, "3.d:2,")
    second = number_messages(box.path)
    assert [(m.uid, m.entry.name) for m in second.messages] == [
        (1, "1.a:2,FS"), (2, "2.b:2,"), (4, "3.d:2,"),
    ]  # fmt: skip
    assert second.uidvalidity == first.uidvalidity


def test_leaving_new_mail_only_counts_it(box: Maildir) -> None:
    put(box, "1.a:2,")
    put(box, "2.b", "new")
    folder = number_messages(box.path, leave_new=True)
    assert (len(folder.messages), folder.waiting, folder.next_uid) == (1, 1, 3)
    assert os.listdir(f"{box.path}/new") == ["2.b"]


def test_reading_only_writes_nothing(box: Maildir) -> None:
    put(box, "1.a:2,")
    folder = number_messages(box.path, read_only=True, now=1_700_000_000)
    assert (folder.uidvalidity, len(folder.messages)) == (700_000_000, 1)
    assert not os.path.exists(f"{box.path}/courierimapuiddb")


def test_the_file_is_written_only_when_something_changed(box: Maildir) -> None:
    put(box, "1.a:2,")
    number_messages(box.path)
    before = os.stat(f"{box.path}/courierimapuiddb")
    number_messages(box.path)
    assert os.stat(f"{box.path}/courierimapuiddb").st_ino == before.st_ino


@pytest.mark.parametrize(
    ("data", "database"),
    [
        (b"2 5 6\n1 a\n", None), (b"", None), (b"1 5\n", None), (b"1 0 1\n", None),
        (b"1 5 x\n", None), (b"1 5 99999999999\n", None),
        (b"1 5 4\nx\n1 a b\n1 c\n9 d\n3\n0 e\n2 f\n",
         UidDatabase(uidvalidity=5, next_uid=4, uids={MaildirKey("a b"): 1, MaildirKey("f"): 2})),
    ],
)  # fmt: skip
def test_headers_that_are_not_ours_void_the_file_and_bad_lines_are_skipped(
    data: bytes, database: UidDatabase | None
) -> None:
    assert UidDatabase.parse(data) == database


def test_a_failed_write_keeps_the_session_and_removes_the_old_file(
    box: Maildir, caplog: pytest.LogCaptureFixture
) -> None:
    put(box, "1.a:2,")
    number_messages(box.path)
    put(box, "2.b:2,")
    install_faults([FaultPlan("maildir.replace-before-rename", error=errno.ENOSPC)])
    try:
        with caplog.at_level(logging.ERROR, "couriermail.maildir"):
            folder = number_messages(box.path)
    finally:
        clear_faults()
    assert [m.uid for m in folder.messages] == [1, 2]
    assert "Failed to create cache file" in caplog.text
    assert read_uid_database(box.path) is None
    assert os.listdir(f"{box.path}/tmp") == []


def test_a_name_with_a_line_end_or_a_link_as_file_does_no_harm(box: Maildir) -> None:
    put(box, "1.a\n9 x:2,")
    Path(box.path, "victim").write_text("1 7 9\n")
    Path(box.path, "courierimapuiddb").symlink_to("victim")
    assert number_messages(box.path, now=1_700_000_000).uidvalidity == 700_000_000
    assert Path(box.path, "victim").read_text() == "1 7 9\n"
    assert not Path(box.path, "courierimapuiddb").is_symlink()


def test_numbering_no_maildir_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MaildirMissingError):
        number_messages(tmp_path / "none")


def test_old_files_in_tmp_go_and_others_stay(box: Maildir) -> None:
    for name in ("old", ".hidden"):
        put(box, name, "tmp")
    os.mkdir(f"{box.path}/tmp/directory")
    changed = os.stat(f"{box.path}/tmp/old").st_ctime
    assert purge_tmp(box.path, now=changed + TMP_LIFETIME - 1) == 0
    assert purge_tmp(box.path, now=changed + TMP_LIFETIME + 60) == 1
    assert sorted(os.listdir(f"{box.path}/tmp")) == [".hidden", "directory"]


@pytest.mark.parametrize(
    ("new", "current"), [("1.a", "1.a:2,"), ("1.a:2,S", "1.a:2,S"), ("1.a:1,x", "1.a:2,")]
)
def test_new_mail_moves_to_cur(box: Maildir, new: str, current: str) -> None:
    put(box, new, "new")
    assert accept_new(box.path) == 1
    assert os.listdir(f"{box.path}/cur") == [current]


def test_subscriptions_are_lines_and_inbox_counts_in_any_case(box: Maildir) -> None:
    names = Subscriptions(box.path)
    assert names.names() == []
    assert names.add("INBOX.Work")
    assert not names.add("inbox.Work")
    assert names.add("#shared.bob smith.Résumé")
    assert Path(names.path).read_bytes() == "INBOX.Work\n#shared.bob smith.Résumé\n".encode()
    assert "Inbox.Work" in names
    assert names.remove("inbox.Work")
    assert not names.remove("INBOX.Work")
    assert names.names() == ["#shared.bob smith.Résumé"]
    names.replace(["INBOX.a", "INBOX.b"])
    assert names.names() == ["INBOX.a", "INBOX.b"]


@pytest.mark.parametrize("name", ["", "a\nINBOX.evil", "a\0", "a\r", "\ud800"])
def test_a_subscription_is_one_line(box: Maildir, name: str) -> None:
    names = Subscriptions(box.path)
    for action in (names.add, lambda text: names.replace([text])):
        with pytest.raises(InvalidNameError):
            action(name)
    assert not os.path.exists(names.path)


def test_appended_messages_get_their_numbers_last_and_in_their_order(box: Maildir) -> None:
    put(box, "5.seen:2,S")
    put(box, "9999999999.late", "new")
    messages = [
        box.prepare(b"a\n", flags="S", when=2000.0),
        box.prepare(b"b\n", when=1000.0),
    ]
    folder = number_messages(box.path, append=messages)
    assert [(m.uid, m.entry.key) for m in folder.messages] == [
        (1, "5.seen"), (2, "9999999999.late"), (3, messages[0].key), (4, messages[1].key),
    ]  # fmt: skip
    assert [m.entry.flags for m in folder.messages] == ["S", "", "S", ""]
    assert number_messages(box.path) == folder


def test_one_message_that_cannot_be_appended_keeps_the_others_out(box: Maildir) -> None:
    box.set_quota("10C")
    first, second = box.prepare(b"a\n"), box.prepare(b"b\n")
    os.unlink(next(path for path in Path(box.path, "tmp").iterdir() if path.read_bytes() == b"b\n"))
    with pytest.raises(MaildirMissingError):
        number_messages(box.path, append=[first, second])
    assert list(box) == []
    assert box.usage == measure(box.path)
    assert number_messages(box.path).messages == ()


@pytest.mark.parametrize(("read_only", "leave_new"), [(True, False), (False, True)])
def test_nothing_is_appended_where_nothing_may_be_moved(
    box: Maildir, read_only: bool, leave_new: bool
) -> None:
    with box.prepare(b"a\n") as message, pytest.raises(ValueError, match="may be changed"):
        number_messages(box.path, append=[message], read_only=read_only, leave_new=leave_new)
    assert list(box) == []
