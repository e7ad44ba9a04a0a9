"""Drop files become messages exactly once, whatever is killed when."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.mta.dropbox import DropBox
from couriermail.mta.statedir import StateDir
from couriermail.mta.submission import Submitter
from couriermail.mta.submitdrop import submit_to_drop
from couriermail.mta.submitwire import CHUNK_END, encode_chunk, encode_head
from couriermail.queue import Outcome, Queue

MESSAGE = b"Subject: left\n\nbody\n"
FIELDS = [("from", "a@example.com"), ("rcpt", "b@example.com")]


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    for name in ("tmp", "new", "bad"):
        (path / name).mkdir(parents=True)
    return path


@pytest.fixture
def box(drop: Path, submitter: Submitter) -> DropBox:
    return DropBox(str(drop), submitter)


def settle(queue: Queue) -> None:
    """Wait until everything that was handed to the queue is committed."""
    queue.clear_mark("settled").result()


def deliver_all(queue: Queue, clock: ManualClock) -> int:
    jobs = queue.lease(10, clock.now())
    for job in jobs:
        queue.finish(job, [Outcome(index=0, kind="success")], remove=True).result()
    return len(jobs)


def test_a_file_becomes_a_message_of_its_owner(box: DropBox, drop: Path, queue: Queue) -> None:
    submit_to_drop(str(drop), FIELDS, [MESSAGE])

    assert box.import_all() == 1
    settle(queue)

    (summary,) = queue.summaries()
    assert (summary.sender, summary.uid) == ("a@example.com", os.getuid())
    assert os.listdir(drop / "new") == []


def test_its_mark_is_cleared_when_the_removal_is_durable(
    box: DropBox, drop: Path, queue: Queue
) -> None:
    submit_to_drop(str(drop), FIELDS, [MESSAGE])
    box.import_all()
    settle(queue)
    assert len(queue.marks()) == 1

    box.import_all()
    settle(queue)

    assert queue.marks() == {}


def test_a_file_whose_message_is_delivered_and_gone_is_not_imported_again(
    box: DropBox, drop: Path, queue: Queue, submitter: Submitter, clock: ManualClock
) -> None:
    submit_to_drop(str(drop), FIELDS, [MESSAGE])
    (name,) = os.listdir(drop / "new")
    content = (drop / "new" / name).read_bytes()
    box.import_all()
    settle(queue)
    assert deliver_all(queue, clock) == 1
    (drop / "new" / name).write_bytes(content)  # the daemon was killed before the unlink

    again = DropBox(str(drop), submitter)
    again.recover(clock.now())

    assert again.import_all() == 0
    assert os.listdir(drop / "new") == []
    assert deliver_all(queue, clock) == 0


def test_marks_of_files_that_are_gone_are_forgotten_at_the_start(
    box: DropBox, drop: Path, queue: Queue, submitter: Submitter, clock: ManualClock
) -> None:
    submit_to_drop(str(drop), FIELDS, [MESSAGE])
    box.import_all()
    settle(queue)

    DropBox(str(drop), submitter).recover(clock.now())
    settle(queue)

    assert queue.marks() == {}


def test_a_file_that_cannot_be_removed_is_still_imported_once(
    box: DropBox, drop: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_to_drop(str(drop), FIELDS, [MESSAGE])

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("couriermail.mta.dropbox.os.unlink", refuse)
    assert box.import_all() == 1
    settle(queue)

    assert box.import_all() == 0
    assert len(list(queue.summaries())) == 1


def test_a_refused_recipient_is_taken_so_that_a_report_can_tell(
    box: DropBox, drop: Path, queue: Queue
) -> None:
    submit_to_drop(str(drop), [("from", "a@b"), ("rcpt", "nobody@example.com")], [MESSAGE])

    box.import_all()
    settle(queue)

    (summary,) = queue.summaries()
    assert [state.recipient.address for state in summary.states] == ["nobody@example.com"]


def _cut_short(path: Path) -> None:
    path.write_bytes(encode_head(FIELDS) + encode_chunk(MESSAGE))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    target = path.parent.parent / "elsewhere"
    target.write_bytes(encode_head(FIELDS) + encode_chunk(MESSAGE) + CHUNK_END)
    path.symlink_to(target)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize("make", [_cut_short, _fifo, _link, Path.mkdir, _socket])
def test_what_is_no_complete_regular_file_is_set_aside(
    box: DropBox, drop: Path, queue: Queue, make: Callable[[Path], None]
) -> None:
    make(drop / "new" / "odd")

    box.import_all()
    settle(queue)

    assert os.listdir(drop / "new") == []
    assert os.listdir(drop / "bad") == ["odd"]
    assert list(queue.summaries()) == []


def test_a_file_that_vanishes_is_nobodys_trouble(
    box: DropBox, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DropBox, "names", lambda self: ["gone"])

    assert box.import_all() == 0
    assert os.listdir(drop / "bad") == []


def test_half_written_files_go_when_their_writer_must_be_dead(
    box: DropBox, drop: Path, clock: ManualClock
) -> None:
    for name, age in (("old", 37 * 3600.0), ("young", 60.0)):
        (drop / "tmp" / name).write_bytes(b"")
        os.utime(drop / "tmp" / name, (clock.now() - age, clock.now() - age))

    box.recover(clock.now())

    assert os.listdir(drop / "tmp") == ["young"]


def test_a_drop_file_cannot_change_the_queue(box: DropBox, drop: Path, queue: Queue) -> None:
    submit_to_drop(str(drop), [("request", "flush"), *FIELDS], [MESSAGE])

    box.import_all()
    settle(queue)

    assert len(os.listdir(drop / "bad")) == 1
    assert list(queue.summaries()) == []


def test_everybody_may_leave_files_and_make_them_durable_and_the_daemon_may_read_them(
    tmp_path: Path,
) -> None:
    state = StateDir(str(tmp_path / "state"))

    state.prepare(os.getuid(), os.getgid())

    modes = {name: stat.S_IMODE(os.stat(f"{state.drop}/{name}").st_mode) for name in ("tmp", "new")}
    assert modes["new"] & 0o1007 == 0o1007  # an fsync of the directory needs to read it
    assert modes["tmp"] & 0o3003 == 0o3003  # setgid: files of others belong to our group
    submit_to_drop(state.drop, FIELDS, [MESSAGE])
    (name,) = os.listdir(f"{state.drop}/new")
    assert stat.S_IMODE(os.stat(f"{state.drop}/new/{name}").st_mode) == 0o640
