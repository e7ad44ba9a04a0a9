"""Killing writers of a maildir's small files: the old file or the new one, and the next goes on.

Deliveries, keywords and a quota rebuild by command are in the other files `test_*_kill.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.maildir import Maildir, Subscriptions, UidDatabase, number_messages
from couriermail.maildir.maildirsize import MAX_FILE_SIZE, measure
from couriermail.maildir.uiddb import read_uid_database

BEFORE, AFTER = "maildir.replace-before-rename", "maildir.replace-after-rename"

PROGRAM = """
import sys
from couriermail.core import FaultPlan, install_faults
from couriermail.maildir import Maildir, Subscriptions, number_messages
action, path, point = sys.argv[1:]
install_faults([FaultPlan.from_text(point)])
box = Maildir(path)
if action == "number":
    number_messages(path)
elif action == "subscribe":
    Subscriptions(path).add("INBOX.New")
elif action == "deliver":
    print(box.deliver(b"new\\n"))
elif action == "deliver with keywords":
    print(box.deliver(b"new\\n", flags="S", keywords=["todo"]))
"""


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def killed(action: str, box: Maildir, point: str) -> None:
    """Run an action in a child that dies at the point and has told nothing by then."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, action, box.path, point],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-9, "", "")


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_killed_numbering_gives_no_number_to_two_messages(box: Maildir, point: str) -> None:
    first = box.deliver(b"one\n")
    old = number_messages(box.path)
    second = box.deliver(b"two\n")
    killed("number", box, point)
    stored = read_uid_database(box.path)
    new = UidDatabase(uidvalidity=old.uidvalidity, next_uid=3, uids={first: 1, second: 2})
    assert stored == (new if point == AFTER else UidDatabase(
        uidvalidity=old.uidvalidity, next_uid=2, uids={first: 1}
    ))  # fmt: skip
    third = box.deliver(b"three\n")
    folder = number_messages(box.path)
    assert {message.entry.key: message.uid for message in folder.messages} == {
        first: 1, second: 2, third: 3,
    }  # fmt: skip
    assert folder.uidvalidity == old.uidvalidity


@pytest.mark.parametrize(
    ("point", "stored"), [(BEFORE, ["INBOX.Old"]), (AFTER, ["INBOX.Old", "INBOX.New"])]
)
def test_a_killed_subscription_leaves_the_old_list_or_the_new_one(
    box: Maildir, point: str, stored: list[str]
) -> None:
    subscriptions = Subscriptions(box.path)
    subscriptions.add("INBOX.Old")
    killed("subscribe", box, point)
    assert subscriptions.names() == stored
    subscriptions.add("INBOX.New")
    assert subscriptions.names() == ["INBOX.Old", "INBOX.New"]


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_delivery_that_is_killed_while_it_rebuilds_the_quota_leaves_a_file_that_counts(
    box: Maildir, point: str
) -> None:
    box.deliver(b"one\n")
    size_file = Path(box.path, "maildirsize")
    line = b"%12d %12d\n" % (0, 0)
    size_file.write_bytes(b"1000C\n" + line * (MAX_FILE_SIZE // len(line) + 1))
    killed("deliver", box, point)
    assert [entry.size for entry in box] == [4]  # the new message was not acknowledged
    is_new = size_file.read_bytes() == b"1000C\n%12d %12d\n" % (4, 1)
    assert is_new == (point == AFTER)
    box.deliver(b"two\n")
    assert box.usage == measure(box.path)


@pytest.mark.parametrize(
    "point",
    ["maildir.before-rename", "maildir.after-rename", "maildir.after-directory-sync"],
)
def test_a_killed_delivery_with_keywords_has_them_as_soon_as_it_can_be_seen(
    box: Maildir, point: str
) -> None:
    killed("deliver with keywords", box, point)
    seen = list(box)
    assert len(seen) == (point != "maildir.before-rename")
    for entry in seen:
        assert (entry.flags, box.keywords.get(entry.key)) == ("S", ("todo",))
    assert len(os.listdir(f"{box.path}/tmp")) == 1 - len(seen)
