"""A full disk and a full map: temporary replies, nothing lost, and all well after (mta.md 8.6)."""

from __future__ import annotations

import contextlib
import os
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import OWNER, MailSite

from couriermail.mta import load_config, queueaccess
from couriermail.mta.queueaccess import open_queue, queue_settings

MakeSite = Callable[..., MailSite]

KEPT_FREE = 1 << 20  # `min_free` of these sites
BODY = "x" * 70 + "\r\n"


@contextlib.contextmanager
def small_disk(path: Path, *, kibibytes: int, owner: int = 0) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    path.mkdir()
    options = f"size={kibibytes}k,nr_inodes=20000,mode=755,uid={owner},gid={owner}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(path)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=30)


@contextlib.contextmanager
def filled(path: Path, *, leaving: int = 0) -> Iterator[None]:
    """Take the free space of a disk, all but so many bytes, and give it back."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        status = os.statvfs(path)
        size = max(0, status.f_bavail * status.f_frsize - leaving)
        os.posix_fallocate(file.fileno(), 0, size)
    try:
        yield
    finally:
        ballast.unlink()


def attempt(site: MailSite, subject: str, account: str = "alice", lines: int = 1) -> int:
    """Send one message; the code that decided about it."""
    text = f"Subject: {subject}\r\n\r\n{BODY * lines}".encode()
    try:
        with site.smtp() as client:
            client.sendmail("bob@example.test", [f"{account}@example.test"], text)
    except smtplib.SMTPRecipientsRefused as error:
        return next(iter(error.recipients.values()))[0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    return 250


@pytest.mark.root
def test_a_full_queue_disk_refuses_for_now_and_loses_nothing(
    make_site: MakeSite, root: Path
) -> None:
    with small_disk(root / "disk", kibibytes=90 * 1024) as disk:
        site = make_site(
            retryalpha="1h\n",
            **{
                "couriermail.toml": f'[paths]\nstate = "{disk}/state"\n[queue]\nmin_free = {KEPT_FREE}\n'
            },
        )
        site.state_path = disk / "state"
        site.instructions("alice", "| exit 75\n")
        site.start()
        taken = [number for number in range(20) if attempt(site, f"n{number}", lines=40) == 250]
        assert len(taken) == 20
        site.wait(lambda: site.log_text().count("status: deferred") == 20, "the first attempts")
        with filled(disk, leaving=KEPT_FREE // 2):  # below what is kept for outcomes
            assert attempt(site, "refused") == 452
            done = site.sendmail("alice", message=b"Subject: refused\n\n")
            assert done.returncode == 75
            assert "452" in done.stderr
        with filled(disk):  # nothing at all is left
            assert attempt(site, "refused", lines=3000) == 452
            assert site.sendmail("alice", message=b"Subject: refused\n\n").returncode == 75
            site.stop()
            message = b"Subject: refused\n\n" + b"x\n" * 100_000  # the stop gave back a little
            assert site.sendmail("alice", message=message).returncode == 75
            assert not list((disk / "state/drop/tmp").iterdir())
        site.start()
        site.instructions("alice", "./Maildir\n")
        assert attempt(site, "again") == 250
        site.command("courier", "flush")
        site.wait_empty()
        messages = b"".join(site.messages("alice"))
        for subject in [*(f"n{number}" for number in taken), "again"]:
            assert messages.count(f"Subject: {subject}\n".encode()) == 1
        assert b"Subject: refused" not in messages
        site.assert_no_traceback()


@pytest.mark.root
def test_delivery_to_a_full_disk_is_deferred_not_failed(make_site: MakeSite, root: Path) -> None:
    with small_disk(root / "mailboxes", kibibytes=512, owner=OWNER) as disk:
        site = make_site()
        site.instructions("alice", f"{disk}/box/\n")
        subprocess.run([*site.argv("maildirmake")[:1], str(disk / "box")], check=True, timeout=30)
        for path in (disk / "box", *(disk / "box").iterdir()):
            os.chown(path, OWNER, OWNER)
        site.start()
        with filled(disk):
            assert attempt(site, "wait for space", lines=100) == 250
            site.wait(lambda: "status: deferred" in site.log_text(), "a deferral")
        new = disk / "box/new"
        site.wait(lambda: list(new.iterdir()), "the message")
        site.wait_empty()
        (message,) = new.iterdir()
        assert message.read_bytes().count(b"x" * 70) == 100
        assert not list((disk / "box/tmp").iterdir())
        assert not site.messages("bob")
        site.assert_no_traceback()


def test_a_map_that_has_reached_its_end_refuses_for_now(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MDB_MAP_FULL: the map grows by itself; at `map_max` new mail is refused, old mail is kept."""
    import attrs

    from couriermail.core import StorageError
    from couriermail.queue import Envelope, Queue, Recipient, Submission

    site = make_site()
    site.start()
    site.stop()
    config = load_config(str(site.config))
    small = attrs.evolve(queue_settings(config), map_size=1 << 18, map_max=1 << 21, id_block=1)
    monkeypatch.setattr(queueaccess, "queue_settings", lambda _: small)
    envelope = Envelope(
        sender="bob@example.test", recipients=(Recipient(address="alice@example.test"),)
    )

    def submit(queue: Queue, number: int) -> None:
        body = queue.new_body()
        body.write(f"Subject: n{number}\n\n".encode() + b"x" * 20_000)
        queue.submit([Submission(queue.new_id(), envelope, body)])

    def fill(queue: Queue) -> tuple[int, StorageError]:
        for number in range(1000):
            try:
                submit(queue, number)
            except StorageError as error:
                return number, error
        raise AssertionError("the map has no end")

    with open_queue(config) as queue:
        taken, refusal = fill(queue)
        assert refusal.reply.code == 452
        assert taken > 30  # it grew from 256 KiB before it was full
        assert len(list(queue.summaries())) == taken
    site.give_away()
    monkeypatch.undo()
    site.start()
    site.wait(lambda: len(site.messages("alice")) == taken, "everything that was taken")
    site.wait_empty()


@pytest.mark.parametrize(
    "fault",
    ["queue.before-commit:1:28", "queue.before-commit:1:5", "queue.body-write:1:28"],
    ids=["no space at the commit", "input/output error", "no space in a body"],
)
def test_an_error_of_the_disk_is_a_temporary_reply(make_site: MakeSite, fault: str) -> None:
    site = make_site()
    site.start("--fault", fault)
    lines = 1200 if "body" in fault else 1  # large bodies are files
    code = attempt(site, "first", lines=lines)
    assert code == (432 if fault.endswith(":5") else 452)
    site.wait(lambda: attempt(site, "second", lines=lines) == 250, "a disk that works again")
    assert b"Subject: second" in site.first_message("alice")
    assert len(site.messages("alice")) == 1
    site.assert_no_traceback()
