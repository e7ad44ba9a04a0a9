"""Every row of the table of spec mta 8.7, made by hand in the database and found again."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from couriermail.core import ManualClock
from couriermail.queue import (
    Envelope,
    Finding,
    Outcome,
    Queue,
    QueueSettings,
    Recipient,
    Submission,
)
from couriermail.queue.records import due_key

ENVELOPE = Envelope(sender="a@b", recipients=(Recipient(address="c@d"),))
SETTINGS = QueueSettings(outcome_delay=0.001, id_block=64, inline_max=1000)
OK = Outcome(index=0, kind="success", lines=("250 ok",))
LATER = Outcome(index=0, kind="deferral", lines=("450 later",))

Meddle = Callable[[lmdb.Transaction, Callable[[str], lmdb._Database]], object]


def key(number: int) -> bytes:
    return number.to_bytes(8, "big")


class Workshop:
    """A queue directory that is filled, meddled with and opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path / "queue"
        self.clock = ManualClock()

    def open(self) -> Queue:
        return Queue.open(self.path, settings=SETTINGS, clock=self.clock)

    def fill(self, *bodies: bytes) -> None:
        """Messages 1, 2, ...; file bodies take numbers too."""
        with self.open() as queue:
            for body in bodies:
                queue.submit(Submission(queue.new_id(), ENVELOPE, body))

    def meddle(self, work: Meddle) -> None:
        with lmdb.open(str(self.path), max_dbs=8, map_size=1 << 26) as environment:
            handles = {
                name: environment.open_db(name.encode())
                for name in ("msg", "state", "due", "body", "bodyref", "bad", "meta")
            }
            with environment.begin(write=True) as transaction:
                work(transaction, handles.__getitem__)

    def recover(self) -> tuple[list[Finding], list[int]]:
        """Findings at the start, and the numbers that can be leased afterwards."""
        with self.open() as queue:
            findings = queue.become_scheduler()
            jobs = [job.number for job in queue.lease(10, self.clock.now())]
            assert [f.kind for f in queue.check() if f.kind != "finished"] == []
        with self.open() as queue:
            again = [f for f in queue.become_scheduler() if f.kind != "finished"]
            assert again == []  # what was repaired stays so
        return findings, jobs


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_a_sound_queue_has_no_findings(workshop: Workshop) -> None:
    workshop.fill(b"small", b"L" * 5000)

    assert workshop.recover()[0] == []


def test_a_message_without_due_entry_is_due_now(workshop: Workshop) -> None:
    workshop.fill(b"x", b"y")
    workshop.meddle(lambda txn, db: txn.drop(db("due"), delete=False))

    findings, leased = workshop.recover()

    assert [(f.kind, f.number) for f in findings] == [("not-due", 1), ("not-due", 2)]
    assert leased == [1, 2]


def test_a_due_entry_without_message_is_removed(workshop: Workshop) -> None:
    workshop.fill(b"x")
    workshop.meddle(lambda txn, db: txn.put(due_key(5, 99), b"", db=db("due")))

    findings, leased = workshop.recover()

    assert [(f.kind, f.number) for f in findings] == [("stray-due", 99)]
    assert leased == [1]


def test_a_second_due_entry_that_differs_from_the_state_is_removed(workshop: Workshop) -> None:
    workshop.fill(b"x")
    with workshop.open() as queue:
        (job,) = queue.lease(1, workshop.clock.now())
        queue.finish(job, [LATER], next_due=workshop.clock.now() + 300).result()
    workshop.meddle(lambda txn, db: txn.put(due_key(5, 1), b"", db=db("due")))

    findings, leased = workshop.recover()

    assert [(f.kind, f.number) for f in findings] == [("wrong-due", 1)]
    assert leased == []


def test_a_message_whose_recipients_are_all_finished_is_handed_out(workshop: Workshop) -> None:
    workshop.fill(b"x")
    with workshop.open() as queue:
        (job,) = queue.lease(1, workshop.clock.now())
        queue.finish(job, [OK], next_due=workshop.clock.now() + 9999).result()

    findings, leased = workshop.recover()

    assert [(f.kind, f.number) for f in findings] == [("finished", 1)]
    assert leased == [1]


@pytest.mark.parametrize("place", ["msg", "state"])
@pytest.mark.parametrize("damage", ["flip", "version", "short", "empty"])
def test_an_undecodable_record_is_quarantined_and_the_others_go_on(
    workshop: Workshop, caplog: pytest.LogCaptureFixture, place: str, damage: str
) -> None:
    workshop.fill(b"x", b"y")
    with workshop.open() as queue:
        job = queue.lease(1, workshop.clock.now())[0]
        queue.finish(job, [LATER], next_due=workshop.clock.now()).result()

    def spoil(txn: lmdb.Transaction, db: Callable[[str], lmdb._Database]) -> None:
        row = bytearray(txn.get(key(1), db=db(place)) or b"")
        if damage == "flip":
            row[20] ^= 1
        elif damage == "version":
            row[0] = 200
        row = row[:9] if damage == "short" else row[:0] if damage == "empty" else row
        txn.put(key(1), bytes(row), db=db(place))

    workshop.meddle(spoil)

    with caplog.at_level(logging.ERROR, logger="couriermail.queue"):
        findings, leased = workshop.recover()

    assert [(f.kind, f.number) for f in findings] == [("bad-record", 1)]
    assert leased == [2]
    assert "QUEUE FILE CORRUPTION: id=0000000000000001" in caplog.text
    with workshop.open() as queue:
        (bad,) = queue.quarantined()
        assert bad.number == 1
        assert bad.state is not None
        assert bad.message is not None


def test_a_record_that_goes_bad_while_the_scheduler_runs_is_quarantined_too(
    workshop: Workshop,
) -> None:
    workshop.fill(b"x", b"y")
    with workshop.open() as queue:
        queue.become_scheduler()
        other = queue._store

        def spoil(txn: lmdb.Transaction) -> None:
            txn.put(key(1), b"\x01rubbish", db=other.db.msg)

        other.write(spoil)
        jobs = queue.lease(5, workshop.clock.now())
        assert [job.number for job in jobs] == [2]
        queue.finish(jobs[0], [OK], remove=True).result()
        assert [bad.number for bad in queue.quarantined()] == [1]
        assert queue.next_due() is None


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_missing_or_short_body_file_quarantines_its_message(
    workshop: Workshop, damage: str
) -> None:
    workshop.fill(b"L" * 5000, b"small")
    (file,) = [p for p in (workshop.path / "bodies").rglob("*") if p.is_file()]
    if damage == "missing":
        file.unlink()
    else:
        os.truncate(file, 10)

    findings, leased = workshop.recover()

    assert [f.kind for f in findings] == ["bad-body"]
    assert leased == [3]


@pytest.mark.parametrize("kind", ["inline", "shared", "file"])
def test_check_reads_every_body(workshop: Workshop, kind: str) -> None:
    size = 5000 if kind == "file" else 100
    with workshop.open() as queue:
        body = b"B" * size
        count = 1 if kind == "inline" else 2
        queue.submit([Submission(i, ENVELOPE, body) for i in queue.new_ids(count)])

    def spoil(txn: lmdb.Transaction, db: Callable[[str], lmdb._Database]) -> None:
        name, row_key = ("msg", key(1)) if kind == "inline" else ("body", key(3))
        row = bytes(txn.get(row_key, db=db(name)) or b"")
        txn.put(row_key, row[:-1] + b"!", db=db(name))

    if kind == "file":
        (file,) = [p for p in (workshop.path / "bodies").rglob("*") if p.is_file()]
        file.write_bytes(b"!" * size)
    else:
        workshop.meddle(spoil)

    with workshop.open() as queue:
        findings = queue.check()

    assert [f.kind for f in findings] == ["bad-body"] * count
    assert "checksum" in findings[0].text


def test_a_lost_body_reference_quarantines_its_message(workshop: Workshop) -> None:
    workshop.fill(b"L" * 5000)
    workshop.meddle(lambda txn, db: txn.delete(key(2), db=db("bodyref")))

    findings, leased = workshop.recover()

    assert [f.kind for f in findings][:1] == ["bad-body"]
    assert leased == []


def test_a_reference_that_no_message_uses_is_removed_with_its_file(workshop: Workshop) -> None:
    workshop.fill(b"L" * 5000)

    def lose(txn: lmdb.Transaction, db: Callable[[str], lmdb._Database]) -> None:
        txn.delete(key(1), db=db("msg"))
        txn.drop(db("due"), delete=False)

    workshop.meddle(lose)

    findings, _ = workshop.recover()

    assert [(f.kind, f.number) for f in findings] == [("unused-body", 2)]
    assert [p for p in (workshop.path / "bodies").rglob("*") if p.is_file()] == []


def test_the_body_of_a_quarantined_message_is_kept(workshop: Workshop) -> None:
    workshop.fill(b"L" * 5000)
    workshop.meddle(lambda txn, db: txn.put(key(1), b"rubbish", db=db("msg")))

    workshop.recover()

    assert len([p for p in (workshop.path / "bodies").rglob("*") if p.is_file()]) == 1


@pytest.mark.parametrize("place", ["tmp", "07"])
@pytest.mark.parametrize("is_locked", [True, False], ids=["owner-lives", "owner-gone"])
def test_orphan_files_go_when_their_owner_did(
    workshop: Workshop, place: str, *, is_locked: bool
) -> None:
    workshop.fill(b"small")
    directory = workshop.path / "bodies" / place
    directory.mkdir(parents=True)
    orphan = directory / ("1.abc" if place == "tmp" else f"{107:016X}")
    orphan.write_bytes(b"orphan")

    with orphan.open("rb") as stream:
        if is_locked:
            fcntl.flock(stream, fcntl.LOCK_EX)
        with workshop.open() as queue:
            kinds = [f.kind for f in queue.become_scheduler()]

    assert orphan.exists() is is_locked
    assert kinds == ([] if is_locked else ["orphan"])


def test_a_body_being_written_survives_recovery(workshop: Workshop) -> None:
    with workshop.open() as queue:
        writer = queue.new_body()
        writer.write(b"w" * 5000)

        assert queue.become_scheduler() == []

        queue.submit(Submission(queue.new_id(), ENVELOPE, writer))
        assert queue.check() == []


def test_readers_that_died_are_cleared_at_the_start(workshop: Workshop) -> None:
    workshop.fill(b"x")
    program = (
        "import lmdb, os, sys\n"
        "e = lmdb.open(sys.argv[1], max_dbs=8); t = e.begin(); os.kill(os.getpid(), 9)"
    )
    child = subprocess.run([sys.executable, "-c", program, str(workshop.path)], check=False)
    assert child.returncode == -9

    with workshop.open() as queue:
        assert queue._store.check_readers() == 0  # opening did it
