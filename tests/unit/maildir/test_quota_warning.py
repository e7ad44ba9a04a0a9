"""The warning of a nearly full mailbox (spec maildir 4.6, 4.7, 6)."""

from __future__ import annotations

import errno
import os
import stat
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, ManualClock, clear_faults, install_faults
from couriermail.maildir import Maildir, MaildirError
from couriermail.maildir.quota_warning import percent_used

TEMPLATE = b"From: postmaster\nSubject: nearly full\n\nPlease delete mail.\n"
DAY = 86400.0


def boxed(tmp_path: Path, quota: str | None = "2C") -> tuple[Maildir, ManualClock]:
    clock = ManualClock(1_795_334_130.0)
    Maildir.create(tmp_path / "md", quota=quota)
    return Maildir(tmp_path / "md", clock=clock), clock


def contents(box: Maildir, key: str) -> bytes:
    with box.open_message(key) as file:
        return file.read()


def warnings_in(box: Maildir) -> list[str]:
    return [name for name in os.listdir(f"{box.path}/new") if "_warn." in name]


@pytest.mark.parametrize(
    ("quota", "messages", "percent"),
    [
        (None, 3, 0),
        ("4C", 1, 25),
        ("3C", 1, 33),
        ("4C", 4, 100),
        ("100S,4C", 1, 50),
        ("1000S,4C", 1, 25),
        ("30000000S", 1, 0),
        ("20000001S", 1, 0),
    ],
)
def test_the_share_that_is_used(
    tmp_path: Path, quota: str | None, messages: int, percent: int
) -> None:
    box, _ = boxed(tmp_path, quota)
    for _ in range(messages):
        box.deliver(b"x" * 50)
    assert percent_used(box.path) == percent


def test_the_warning_is_the_template_behind_two_headers(tmp_path: Path) -> None:
    box, clock = boxed(tmp_path)
    box.deliver(b"x\n")
    key = box.warn_if_full(TEMPLATE, percent=50)
    assert key is not None
    data = contents(box, key)
    head, _, rest = data.partition(b"\nFrom: ")
    date, message_id = head.decode().split("\n")
    assert b"From: " + rest == TEMPLATE
    assert parsedate_to_datetime(date.removeprefix("Date: ")).timestamp() == clock.time
    assert message_id == f"Message-Id: <1795334130.overquota@{os.uname().nodename}>"
    assert key.endswith(f",S={len(data)}")


@pytest.mark.parametrize("zone", ["UTC0", "XXX-5:45", "YYY3:30"])
def test_the_date_is_local_time_with_its_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        box, clock = boxed(tmp_path)
        key = box.warn_if_full(TEMPLATE, percent=0)
        local = time.strftime("%a, %d %b %Y %H:%M:%S %z", time.localtime(clock.time))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert key is not None
    assert contents(box, key).startswith(f"Date: {local}\n".encode())


def test_pinned_it_goes_from_a_folder_to_its_maildir_and_is_charged(tmp_path: Path) -> None:
    box, _ = boxed(tmp_path)
    folder = box.create_folder("F")
    folder.deliver(b"x\n")
    assert folder.warn_if_full(TEMPLATE, percent=0) is not None
    assert len(warnings_in(box)) == 1
    assert os.listdir(f"{folder.path}/new") == os.listdir(f"{box.path}/.F/new")
    assert not warnings_in(folder)
    mark = os.stat(f"{box.path}/quotawarn")
    assert (mark.st_size, stat.S_IMODE(mark.st_mode)) == (1, 0o644)
    assert box.usage is not None
    assert box.usage.messages == 2


def test_pinned_it_is_repeated_after_a_day(tmp_path: Path) -> None:
    box, clock = boxed(tmp_path)
    box.deliver(b"x\n")
    assert box.warn_if_full(TEMPLATE, percent=0) is not None
    clock.advance(23 * 3600)
    assert box.warn_if_full(TEMPLATE, percent=0) is None
    clock.advance(2 * 3600)
    assert box.warn_if_full(TEMPLATE, percent=0) is not None
    assert len(warnings_in(box)) == 2


@pytest.mark.parametrize(("percent", "warned"), [(50, True), (51, False), (100, False), (0, True)])
def test_it_comes_from_the_share_named_on(tmp_path: Path, percent: int, warned: bool) -> None:
    box, _ = boxed(tmp_path)
    box.deliver(b"x\n")
    assert (box.warn_if_full(TEMPLATE, percent=percent) is not None) is warned
    assert os.path.exists(f"{box.path}/quotawarn") is warned


def test_it_is_delivered_even_when_the_mailbox_is_over_its_quota(tmp_path: Path) -> None:
    box, _ = boxed(tmp_path, "1C")
    box.deliver(b"x\n")
    assert box.warn_if_full(TEMPLATE, percent=100) is not None
    assert box.usage is not None
    assert box.usage.messages == 2


def test_without_a_quota_the_share_is_none(tmp_path: Path) -> None:
    box, _ = boxed(tmp_path, None)
    assert box.warn_if_full(TEMPLATE, percent=1) is None
    assert box.warn_if_full(TEMPLATE, percent=0) is not None
    assert not os.path.exists(f"{box.path}/maildirsize")


def test_a_mark_that_cannot_be_written_is_an_error_and_no_flood(tmp_path: Path) -> None:
    box, _ = boxed(tmp_path)
    os.symlink(tmp_path / "elsewhere", f"{box.path}/quotawarn")
    with pytest.raises(MaildirError):
        box.warn_if_full(TEMPLATE, percent=0)
    assert warnings_in(box) == []
    assert not (tmp_path / "elsewhere").exists()


def test_a_warning_that_cannot_be_stored_is_an_error(tmp_path: Path) -> None:
    box, _ = boxed(tmp_path)
    install_faults([FaultPlan("maildir.before-rename", error=errno.ENOSPC)])
    try:
        with pytest.raises(MaildirError):
            box.warn_if_full(TEMPLATE, percent=0)
    finally:
        clear_faults()
    assert warnings_in(box) == os.listdir(f"{box.path}/tmp") == []
