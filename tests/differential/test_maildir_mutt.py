"""Debian's mutt reads what ours delivered and changes it; ours reads that."""

from __future__ import annotations

import mailbox
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from couriermail.maildir import Maildir

pytestmark = pytest.mark.peer("mutt")

SECONDS = 20.0
SETTINGS = """
set folder="{home}" header_cache="" mbox_type=mbox
set quit=yes delete=yes copy=no mark_old=no confirmappend=no confirmcreate=no wait_key=no
set mail_check=0 timeout=1
"""


def mutt(home: Path, folder: str, keys: str) -> None:
    """Open a folder on a terminal of its own, type the keys, and wait for the end."""
    settings = home / "muttrc"
    settings.write_text(SETTINGS.format(home=home))
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        ["mutt", "-n", "-F", str(settings), "-f", folder, "-e", f'push "{keys}"'],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={"HOME": str(home), "TERM": "dumb", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    os.close(theirs)
    try:
        screen = _drained(ours)
        assert child.wait(timeout=SECONDS) == 0, screen
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def _drained(terminal: int) -> bytes:
    screen = b""
    end = time.monotonic() + SECONDS
    while select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
        try:
            screen += os.read(terminal, 4096)
        except OSError:  # EIO: nobody has the other end any more
            break
    return screen


def message(number: int) -> bytes:
    return (
        b"From: sender@example.com\nTo: bob@example.com\nDate: Mon, 1 Jan 2024 00:00:0%d +0000\n"
        b"Subject: number %d\nMessage-ID: <%d@example.com>\n\nbody %d\n" % ((number,) * 4)
    )


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def test_mutt_reads_every_message_that_ours_delivered_with_its_flags(
    box: Maildir, tmp_path: Path
) -> None:
    letters = ["", "S", "FS", "RS"]
    for number, flags in enumerate(letters):
        box.deliver(message(number), flags=flags)
    box.create_folder("Sent").deliver_batch([message(number) for number in range(4, 7)])
    copies = tmp_path / "copies.mbox"
    copy_all = f"<tag-pattern>~A<enter><tag-prefix><copy-message>{copies}<enter><exit>"
    mutt(tmp_path, box.path, copy_all)
    mutt(tmp_path, box.folder("Sent").path, copy_all)
    box_of_copies = mailbox.mbox(copies)
    seen = {
        int(str(found["Subject"]).split()[1]): (
            str(found.get_payload()).strip(),
            set(found.get("Status", "") + found.get("X-Status", "")) - {"O"},
        )
        for found in box_of_copies
    }
    box_of_copies.close()
    marks: list[set[str]] = [set(), {"R"}, {"R", "F"}, {"R", "A"}]  # read, flagged, answered
    assert seen == {
        number: (f"body {number}", marks[number] if number < 4 else set()) for number in range(7)
    }


def test_ours_knows_the_messages_that_mutt_flagged_and_deleted(
    box: Maildir, tmp_path: Path
) -> None:
    first, second, third = (box.deliver(message(number)) for number in range(3))
    mutt(
        tmp_path,
        box.path,
        "<first-entry><flag-message><first-entry><next-entry><delete-message><quit>",
    )
    assert set(box.scan()) == {first, third}
    assert "F" in box.entry(first).flags
    assert sorted(box.listing().keys) == sorted([first, third])
    with box.open_message(first) as file:
        assert file.read() == message(0)
    assert second not in box.scan()
