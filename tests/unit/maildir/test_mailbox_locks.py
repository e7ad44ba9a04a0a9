"""The c-client lock and all locks of an mbox file together (spec maildir 4.15)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from couriermail.maildir import (
    ClientLock,
    LockPolicy,
    MailboxLock,
    MaildirError,
    MaildirLockedError,
    MaildirMissingError,
)

HOST = os.uname().nodename
ONCE = LockPolicy(patience=0)


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    path = tmp_path / "mbox"
    path.touch(0o600)
    return path


def client(mailbox: Path) -> ClientLock:
    return ClientLock(str(mailbox), directory=str(mailbox.parent))


def all_locks(mailbox: Path, *, may_share: bool = False) -> MailboxLock:
    return MailboxLock(mailbox, ONCE, may_share=may_share, client_directory=str(mailbox.parent))


def dead_pid() -> int:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_pinned_names_and_contents(mailbox: Path) -> None:
    facts = mailbox.stat()
    name = mailbox.parent / f".{facts.st_dev:x}.{facts.st_ino:x}"
    with all_locks(mailbox):
        for path in (name, Path(f"{mailbox}.lock")):
            assert path.read_text() == f"{os.getpid()}:{HOST}"
            assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(mailbox.parent) == ["mbox"]


def test_a_missing_mailbox_is_created_private(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with all_locks(path):
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(MaildirMissingError):
        MailboxLock(tmp_path / "none" / "mbox")
    with pytest.raises(MaildirMissingError):
        ClientLock(str(tmp_path / "none"))


def test_a_second_holder_of_this_process_waits_and_takes_nothing_away(mailbox: Path) -> None:
    with all_locks(mailbox):
        before = sorted(os.listdir(mailbox.parent))
        with pytest.raises(MaildirLockedError), all_locks(mailbox):
            pass
        assert sorted(os.listdir(mailbox.parent)) == before
    assert all_locks(mailbox).try_acquire()


@pytest.mark.parametrize("may_share", [True, False])
def test_what_cannot_be_locked_is_an_error_and_leaves_no_lock(
    tmp_path: Path, may_share: bool
) -> None:
    target = tmp_path / "directory"
    target.mkdir()
    if may_share:
        target = tmp_path / "loop"
        target.mkdir()
        lock = all_locks(target, may_share=True)
        target.rmdir()
    else:
        lock = all_locks(target)
    with pytest.raises(MaildirError):
        lock.try_acquire()
    assert not [name for name in os.listdir(tmp_path) if name not in {"directory", "loop"}]


@pytest.mark.parametrize("kind", ["client", "dot", "file"])
def test_any_of_the_three_locks_keeps_another_process_out(mailbox: Path, kind: str) -> None:
    code = {
        "client": "l=ClientLock(p, directory=d); assert l.try_acquire()",
        "dot": "l=DotLock(p); assert l.try_acquire()",
        "file": "f=os.open(p, os.O_RDWR); assert try_lock_file(f)",
    }[kind]
    script = (
        "import os, sys; from couriermail.maildir.clientlock import ClientLock;"
        "from couriermail.maildir.locks import DotLock, try_lock_file;"
        f"p, d = sys.argv[1:]; {code}; print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(mailbox), str(mailbox.parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        before = sorted(os.listdir(mailbox.parent))
        assert not all_locks(mailbox).try_acquire()
        assert sorted(os.listdir(mailbox.parent)) == before  # none of them stays with us
        holder.communicate()
    lock = all_locks(mailbox)
    assert any(lock.try_acquire() for _ in range(3))  # what the dead holder left goes first
    lock.release()


@pytest.mark.parametrize("which", ["client", "dot"])
def test_a_lock_of_a_dead_process_goes_and_the_next_attempt_succeeds(
    mailbox: Path, which: str
) -> None:
    path = Path(client(mailbox).path if which == "client" else f"{mailbox}.lock")
    path.write_text(f"{dead_pid()}:{HOST}")
    lock = all_locks(mailbox)
    assert [lock.try_acquire(), lock.try_acquire()] == [False, True]
    lock.release()


@pytest.mark.parametrize(
    ("holder", "age", "is_removed"),
    [("", 10, False), ("", 301, True), ("1:elsewhere", 301, False), ("junk", 301, False)],
)
def test_an_empty_client_lock_goes_after_five_minutes(
    mailbox: Path, holder: str, age: int, is_removed: bool
) -> None:
    lock = client(mailbox)
    path = Path(lock.path)
    path.write_text(holder)
    os.utime(path, (time.time() - age,) * 2)
    assert not lock.try_acquire()
    assert path.exists() is not is_removed


def test_a_client_lock_that_is_a_link_is_not_followed(mailbox: Path) -> None:
    lock = client(mailbox)
    victim = mailbox.parent / "victim"
    victim.write_text(f"{dead_pid()}:{HOST}")
    Path(lock.path).symlink_to(victim)
    assert not lock.try_acquire()
    assert victim.exists()


def test_a_lock_that_was_taken_away_is_not_removed_from_its_new_holder(mailbox: Path) -> None:
    lock = client(mailbox)
    assert lock.try_acquire()
    os.unlink(lock.path)
    Path(lock.path).write_text("7:elsewhere")
    lock.release()
    assert Path(lock.path).read_text() == "7:elsewhere"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file")
def test_reading_is_locked_where_writing_cannot_be(mailbox: Path) -> None:
    mailbox.chmod(0o400)
    with all_locks(mailbox, may_share=True) as lock:
        assert lock.is_shared
