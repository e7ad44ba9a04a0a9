"""Debian's courier-imap and ours in one mailbox: keywords, access lists, quota, mail."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.maildir import Acl, Maildir, QuotaRules, Usage
from couriermail.maildir.maildirsize import measure

PEER = "/usr/bin/imapd"
MESSAGE = b"Subject: shared\n\nbody\n"

pytestmark = [
    pytest.mark.peer("imapd"),
    pytest.mark.skipif(not os.access(PEER, os.X_OK), reason="peer absent: imapd"),
]


def converse(home: Path, *commands: str) -> str:
    """What Debian's server answers to these commands in the maildir `home/Maildir`."""
    lines = "".join(f"t{number} {line}\r\n" for number, line in enumerate(commands))
    done = subprocess.run(
        [PEER, "Maildir"],
        input=f"{lines}end LOGOUT\r\n".encode(),
        capture_output=True,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "AUTHENTICATED": "john",
            "IMAP_KEYWORDS": "1",
            "IMAP_ACL": "1",
            "IMAP_CAPABILITY": "IMAP4rev1 UIDPLUS ACL ACL2=UNION",
            "PROTOCOL": "IMAP",
        },
        cwd=home,
        timeout=30,
        check=True,
    )
    answer = done.stdout.decode()
    refused = [line for line in answer.split("\r\n") if re.match(r"(t\d+|end) (NO|BAD)", line)]
    assert refused == []
    return answer


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "Maildir", quota="1000000S,100C")


def test_keywords_that_one_sets_are_seen_by_the_other(tmp_path: Path, box: Maildir) -> None:
    key = box.deliver(MESSAGE, keywords=["delivered"])
    assert "FLAGS (\\Recent delivered)" in converse(tmp_path, "SELECT INBOX", "FETCH 1 FLAGS")
    converse(tmp_path, "SELECT INBOX", "STORE 1 +FLAGS (theirs)")
    assert box.keywords.get(key) == ("delivered", "theirs")
    box.keywords.add(key, ["ours"])
    box.keywords.remove(key, ["DELIVERED"])
    answer = converse(tmp_path, "SELECT INBOX", "FETCH 1 FLAGS", "STORE 1 -FLAGS (theirs)")
    assert re.search(r"FETCH \(FLAGS \((\\Recent )?ours theirs\)\)", answer)
    assert run_ours("maildirkw", "-L", "Maildir", cwd=tmp_path).out == f"{key} ours\n".encode()
    box.keywords.set(key, [])
    assert "ours" not in converse(tmp_path, "SELECT INBOX", "FETCH 1 FLAGS")


def test_a_running_server_notices_and_both_go_on_updating(tmp_path: Path, box: Maildir) -> None:
    keys = [box.deliver(MESSAGE) for _ in range(3)]
    for turn in range(4):
        for key in keys:
            box.keywords.add(key, [f"ours{turn}"])
        converse(tmp_path, "SELECT INBOX", f"STORE 1:3 +FLAGS (theirs{turn})")
    expected = tuple(sorted(f"{who}{turn}" for who in ("ours", "theirs") for turn in range(4)))
    assert [box.keywords.get(key) for key in keys] == [expected] * 3


def test_access_lists_that_one_writes_are_read_by_the_other(tmp_path: Path, box: Maildir) -> None:
    box.create_folder("Work")
    acl = box.acl("Work").with_rights("user=mary", "lrs").with_rights("-user=eve", "r")
    box.set_acl("Work", acl)
    answer = converse(tmp_path, "GETACL INBOX.Work", "MYRIGHTS INBOX.Work")
    entries = dict(re.findall(r'"([^"]*)" "([^"]*)"', answer.partition(' "INBOX.Work" ')[2]))
    assert (entries["mary"], entries["-eve"]) == ("lrs", "r")
    converse(
        tmp_path,
        "SETACL INBOX.Work bob lrw",
        "DELETEACL INBOX.Work mary",
        "SETACL INBOX.Work eve l",
    )
    theirs = box.acl("Work")
    assert theirs.get("user=bob") == "lrw"
    assert theirs.get("user=mary") is None
    assert theirs.rights_of({"user=eve"}) == "l"
    converse(tmp_path, "CREATE INBOX.Work.Sub")
    assert box.acl("Work.Sub") == theirs == Acl.parse(theirs.to_bytes())


def test_mail_and_quota_are_shared(tmp_path: Path, box: Maildir) -> None:
    for _ in range(2):
        assert run_ours("deliverquota", "Maildir", data=MESSAGE, cwd=tmp_path).code == 0
    answer = converse(
        tmp_path,
        "SELECT INBOX",
        "FETCH 1:2 BODY[HEADER.FIELDS (SUBJECT)]",
        "STORE 1 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
    )
    assert answer.count("Subject: shared") == 2
    assert box.usage is not None
    assert (box.usage.size, box.usage.messages) == (len(MESSAGE), 1)


def test_names_with_a_virtual_size_and_totals_by_our_rules_are_theirs_too(
    tmp_path: Path, box: Maildir
) -> None:
    box.create_folder("Spam")
    box.set_quota_rules(QuotaRules(["Spam"]))
    box.set_quota("1000000S")
    asked = Maildir(box.path, with_virtual_size=True)
    keys = [asked.deliver(b"Subject: x\n\n" + b"x" * 99 + b"\n") for _ in range(20)]
    answer = converse(
        tmp_path, "GETQUOTAROOT INBOX", "SELECT INBOX", "STORE 1 +FLAGS (\\Flagged)",
        "FETCH 1:* RFC822.SIZE",
    )  # fmt: skip
    assert "(STORAGE 3 977)" in answer  # 20 times 112 octets, and the limit, in units of 1024
    assert answer.count("RFC822.SIZE 115)") == 20
    assert box.entry(keys[0]).name == f"{keys[0]}:2,F"
    assert ",S=112,W=115:2," in box.entry(keys[0]).name
    converse(tmp_path, "SELECT INBOX", "STORE 1:2 +FLAGS (\\Deleted)", "EXPUNGE")
    assert box.usage == Usage(18 * 112, 18) == measure(box.path)


def test_a_message_that_we_move_has_its_keywords_there(tmp_path: Path, box: Maildir) -> None:
    key = box.deliver(MESSAGE)
    work = box.create_folder("Work")
    converse(tmp_path, "SELECT INBOX", "STORE 1 +FLAGS (theirs \\Seen)")
    box.move(key, work)
    answer = converse(tmp_path, "SELECT INBOX", "SELECT INBOX.Work", "FETCH 1 FLAGS")
    assert "* 0 EXISTS" in answer
    assert re.search(r"FETCH \(FLAGS \(\\Seen (\\Recent )?theirs\)\)", answer)
