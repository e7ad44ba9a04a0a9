"""Folders that do not count against the quota, by the file `maildirquotaexclude`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import InvalidNameError, Maildir, QuotaExceeded, Usage
from couriermail.maildir.maildirsize import measure, read_size_file
from couriermail.maildir.quotarules import QuotaRules, parse_quota_rules

MESSAGE = b"Subject: x\n\nabcde\n"  # 18 octets


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    box = Maildir.create(tmp_path / "md", quota="1000S,10C")
    for name in ("Spam", "Spam.Old", "Spam.Old.2019", "Work", "Trash", "Trash.Sub"):
        box.create_folder(name)
    return box


def lines_of(box: Maildir) -> list[str]:
    text = Path(box.path, "maildirsize").read_text()
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("excluded", "left_out"),
    [
        ([], {"Trash"}),
        (["Spam"], {"Trash", "Spam"}),
        (["INBOX.Spam"], {"Trash", "Spam"}),
        (["Spam.*"], {"Trash", "Spam.Old", "Spam.Old.2019"}),
        (["Spam", "Spam.*"], {"Trash", "Spam", "Spam.Old", "Spam.Old.2019"}),
        (["Spam.Old.*"], {"Trash", "Spam.Old.2019"}),
        (["Trash.*", "Spa"], {"Trash", "Trash.Sub"}),
    ],
)
def test_which_folders_count(box: Maildir, excluded: list[str], left_out: set[str]) -> None:
    rules = QuotaRules(excluded)
    everything = {"", *box.folders()}
    assert {name for name in everything if not rules.counts_folder(name)} == left_out
    counted = {
        name for name in everything if rules.counts_directory(box.folder(name).path, box.path)
    }
    assert everything - counted == left_out


def test_a_maildir_whose_own_name_is_excluded_counts(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / ".Spam", quota="1C")
    box.set_quota_rules(QuotaRules(["Spam"]))
    box.deliver(MESSAGE)
    assert box.usage == Usage(18, 1)
    with pytest.raises(QuotaExceeded):
        box.deliver(MESSAGE)


def test_the_file_is_lines_with_comments(box: Maildir) -> None:
    refused: list[str] = []
    text = "# why\n\n  Spam \nINBOX.Work.*\n+Trash\na..b\nINBOX\n/x\nRésumé\r\n"
    rules = parse_quota_rules(text, refused.append)
    assert rules == QuotaRules(["Spam", "Work.*", "Résumé"], trash_counts=True)
    assert refused == ["a..b", "INBOX", "/x"]
    box.set_quota_rules(rules)
    written = Path(box.path, "maildirquotaexclude").read_text()
    assert written == "+Trash\nRésumé\nSpam\nWork.*\n"
    assert box.folder("Work").quota_rules == rules
    box.set_quota_rules(QuotaRules())
    assert not os.path.exists(f"{box.path}/maildirquotaexclude")


@pytest.mark.parametrize("name", ["", "INBOX", "INBOX.*", "a..b", "a/b", ".*"])
def test_names_that_cannot_be_excluded(name: str) -> None:
    with pytest.raises(InvalidNameError):
        QuotaRules([name])


def test_deliveries_and_counts_leave_an_excluded_folder_out(box: Maildir) -> None:
    box.set_quota_rules(QuotaRules(["Spam"]))
    signature = box.quota_rules.signature
    assert lines_of(box) == ["1000S,10C", f"0 0 {signature}"]
    for name in ("", "Spam", "Spam.Old", "Trash"):
        box.folder(name).deliver(MESSAGE)
    assert lines_of(box)[2:] == ["18 1", "18 1"]
    assert box.usage == measure(box.path) == Usage(36, 2)
    box.set_quota("5000S")
    assert lines_of(box) == ["5000S", f"36 2 {signature}"]


def test_an_excluded_folder_takes_mail_of_a_full_maildir(box: Maildir) -> None:
    box.set_quota_rules(QuotaRules(["Spam"]))
    box.set_quota("1C")
    box.deliver(MESSAGE)
    with pytest.raises(QuotaExceeded):
        box.folder("Work").deliver(MESSAGE)
    key = box.folder("Spam").deliver(MESSAGE)
    with pytest.raises(QuotaExceeded):
        box.folder("Spam").move(key, box)
    box.folder("Spam").expunge(key)
    assert box.usage == Usage(18, 1)


def test_a_file_that_is_edited_counts_from_the_next_delivery_on(box: Maildir) -> None:
    box.folder("Spam").deliver(MESSAGE)
    box.deliver(MESSAGE)
    Path(box.path, "maildirquotaexclude").write_text("Spam\n")
    box.deliver(MESSAGE)
    assert lines_of(box)[1:] == [f"18 1 {box.quota_rules.signature}", "18 1"]
    Path(box.path, "maildirquotaexclude").unlink()
    box.deliver(MESSAGE)
    assert lines_of(box)[1:] == ["54 3", "18 1"]


def test_totals_that_another_program_counted_are_counted_again(box: Maildir) -> None:
    box.set_quota_rules(QuotaRules(["Spam"]))
    box.folder("Spam").deliver(MESSAGE)
    Path(box.path, "maildirsize").write_text("1000S,10C\n18 1\n")  # all but Trash
    box.deliver(MESSAGE)
    assert box.usage == Usage(18, 1)
    assert lines_of(box)[1] == f"0 0 {box.quota_rules.signature}"


def test_only_the_signature_of_the_first_total_counts(box: Maildir) -> None:
    path = Path(box.path, "maildirsize")
    path.write_text("1000S\n0 0\n18 1 rules=12345678\n")
    file = read_size_file(box.path)
    assert file is not None
    assert (file.signature, file.usage, file.is_stale) == ("", Usage(18, 1), False)


def test_the_trash_counts_when_the_file_says_so(box: Maildir) -> None:
    trash = box.folder("Trash")
    trash.deliver(MESSAGE)
    key = box.deliver(MESSAGE, flags="T")
    assert box.usage == Usage()
    box.set_quota_rules(QuotaRules(trash_counts=True))
    assert box.usage == measure(box.path) == Usage(36, 2)
    box.set_flags(key, "S")
    box.set_flags(key, "ST")
    box.move(key, trash)
    assert box.usage == Usage(36, 2)
    trash.expunge(key)
    assert box.usage == measure(box.path) == Usage(18, 1)


def test_a_link_is_no_file_of_rules(box: Maildir, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("Work\n")
    os.symlink(tmp_path / "rules", f"{box.path}/maildirquotaexclude")
    assert box.quota_rules == QuotaRules()
