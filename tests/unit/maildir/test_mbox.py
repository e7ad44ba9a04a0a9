"""Delivery to mbox files and their locks (spec maildir 4.15)."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, clear_faults, install_faults
from couriermail.maildir import LockPolicy, MaildirLockedError, MaildirStorageError, deliver_mbox
from couriermail.maildir.locks import DotLock
from couriermail.maildir.mbox import FromQuoter, from_line

DEAD_PID = 2**22 + 1  # above the largest number that Linux gives


@pytest.fixture(autouse=True)
def _no_faults() -> Iterator[None]:
    yield
    clear_faults()


def policy(pauses: list[float], then: Callable[[], object] = lambda: None) -> LockPolicy:
    def pause(seconds: float) -> None:
        pauses.append(seconds)
        then()

    return LockPolicy(patience=10, pause=pause)


def test_a_message_gets_its_from_line_its_prefix_and_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    for body in (b"Subject: a\n\nFrom here\n>From there\n", b"no line end"):
        deliver_mbox(path, body, sender="s@x", prefix=b"Delivered-To: u@e\n", when=0)
    line = from_line("s@x", 0)
    assert path.read_bytes() == (
        line + b"Delivered-To: u@e\nSubject: a\n\n>From here\n>>From there\n\n"
        + line + b"Delivered-To: u@e\nno line end\n\n"
    )  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["mbox"]


def test_maildrop_style_puts_an_empty_line_before_the_second_message(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    for _ in range(2):
        deliver_mbox(path, b"x\n", when=0, blank_before=True)
    line = from_line("", 0)
    assert line.startswith(b"From MAILER-DAEMON ")
    assert path.read_bytes() == line + b"x\n\n\n" + line + b"x\n\n"


def test_a_sender_cannot_start_a_line_of_its_own() -> None:
    assert from_line("a b\nFrom c", 0).startswith(b"From a_b_From_c ")


@pytest.mark.parametrize(
    ("pieces", "quoted"),
    [
        ([b"From a\n"], b">From a\n"),
        ([b"x\nFr", b"om ", b"a"], b"x\n>From a"),
        ([b">", b">", b"From a"], b">>>From a"),
        ([b"a", b"From b"], b"aFrom b"),
        ([b" From b\nFrom"], b" From b\nFrom"),
        ([b"From From From "], b">From From From "),
        ([b"> From a\n"], b"> From a\n"),
        ([b""], b""),
    ],
)
def test_from_lines_are_quoted_whatever_the_pieces(pieces: list[bytes], quoted: bytes) -> None:
    quoter = FromQuoter()
    assert b"".join(map(quoter.feed, pieces)) + quoter.finish() == quoted


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failed_delivery_restores_the_old_size(tmp_path: Path, number: int) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(b"old\n")
    install_faults([FaultPlan("maildir.mbox-written", error=number)])
    with pytest.raises(MaildirStorageError):
        deliver_mbox(path, b"x\n")
    assert path.read_bytes() == b"old\n"
    assert os.listdir(tmp_path) == ["mbox"]


def test_a_source_that_breaks_restores_the_old_size(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    path = tmp_path / "mbox"
    path.write_bytes(b"old\n")
    with pytest.raises(KeyboardInterrupt):
        deliver_mbox(path, broken())
    assert path.read_bytes() == b"old\n"


def test_a_held_lock_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    lock = tmp_path / "mbox.lock"
    lock.write_text("1:another-host")
    pauses: list[float] = []
    with pytest.raises(MaildirLockedError) as caught:
        deliver_mbox(tmp_path / "mbox", b"x\n", locking=policy(pauses))
    assert (pauses, caught.value.is_temporary) == ([5.0, 5.0], True)
    assert lock.exists()
    deliver_mbox(tmp_path / "mbox", b"x\n", locking=policy(pauses, then=lock.unlink))
    assert (tmp_path / "mbox").exists()


@pytest.mark.parametrize("kind", ["dead process", "earlier process with our number", "old"])
def test_a_lock_left_behind_is_removed_and_the_second_attempt_succeeds(
    tmp_path: Path, kind: str
) -> None:
    lock = tmp_path / "mbox.lock"
    host = os.uname().nodename
    holder = {"dead process": DEAD_PID, "old": 1}.get(kind, os.getpid())
    lock.write_text(f"{holder}:{host}")
    if kind == "old":
        os.utime(lock, (0, 0))
    pauses: list[float] = []
    deliver_mbox(tmp_path / "mbox", b"x\n", locking=policy(pauses))
    assert pauses == [5.0]
    assert not lock.exists()


def test_a_lock_of_a_living_process_stays(tmp_path: Path) -> None:
    lock = tmp_path / "mbox.lock"
    lock.write_text(f"{os.getppid()}:{os.uname().nodename}")
    assert DotLock(str(tmp_path / "mbox")).try_acquire() is False
    assert lock.exists()


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = DotLock(str(tmp_path / "m")), DotLock(str(tmp_path / "m"))
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()
    assert os.listdir(tmp_path) == []


def test_many_deliverers_do_not_mix_their_messages(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    locking = LockPolicy(retry_after=0.001, patience=30)

    def work(name: bytes) -> None:
        for _ in range(5):
            deliver_mbox(path, [name * 500, b"\n"], locking=locking, when=0)

    threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    line = from_line("", 0)
    bodies = path.read_bytes().split(line)[1:]
    assert sorted(set(bodies)) == [name * 500 + b"\n\n" for name in (b"a", b"b", b"c")]
    assert len(bodies) == 15


def test_a_device_is_written_to_without_a_lock() -> None:
    deliver_mbox("/dev/null", b"x\n")
    assert not Path("/dev/null.lock").exists()
