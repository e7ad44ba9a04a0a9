"""Queue processes killed at every fault point, and at random, while others go on.

The children are this file run as a program.  A producer writes the ids that were
acknowledged to a file; the checker opens what the dead left and proves the contract (spec
mta 8.4): nothing acknowledged is lost, nothing is half there, nothing is there twice.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, install_faults
from couriermail.queue import (
    Envelope,
    Job,
    Outcome,
    Queue,
    QueueBusyError,
    QueueSettings,
    Recipient,
    Submission,
)

SETTINGS = QueueSettings(
    outcome_delay=0.001, inline_max=2000, id_block=32, map_size=1 << 17, reopen_delay=0.0
)
PRODUCER_POINTS = [
    "queue.body-write",
    "queue.body-written",
    "queue.body-before-rename",
    "queue.body-after-rename",
    "queue.before-commit",
    "queue.after-commit",
]
CONSUMER_POINTS = [
    "queue.before-commit",
    "queue.finish-before-commit",
    "queue.finish-after-commit",
]


def body_for(tail: str) -> bytes:
    """A body that its own id proves whole; small or large by chance."""
    return tail.encode() * (20 if int(tail[-1], 16) % 2 else 300)


def envelope_for(parts: int) -> Envelope:
    return Envelope(
        sender="s@example.com",
        recipients=(Recipient(address="r@example.net"),),
        options={"parts": str(parts)},
    )


def note(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def submit_one(queue: Queue, acknowledged: str, parts: int) -> None:
    ids = queue.new_ids(parts)
    body = queue.new_body()
    body.write(body_for(ids[0][17:]))
    envelope = envelope_for(parts)
    submissions = [Submission(queue_id, envelope, body) for queue_id in ids]
    if parts == 2:
        queue.submit_soon(submissions).result()
    else:
        queue.submit(submissions)
    note(acknowledged, "\n".join(ids))


def produce(directory: str, acknowledged: str, count: int) -> None:
    """Three threads that submit until they are killed or `count` each are in."""

    def work() -> None:
        for turn in range(count):
            submit_one(queue, acknowledged, 1 + turn % 3)

    with Queue.open(directory, settings=SETTINGS) as queue:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def consume(directory: str, delivered: str, seconds: float) -> None:
    """Deliver what is due; every third message bounces, its report in the same transaction."""
    end = time.monotonic() + seconds
    with Queue.open(directory, settings=SETTINGS) as queue:
        while time.monotonic() < end:
            futures = []
            for job in queue.lease(16, time.time()):
                with job.open_body() as stream:
                    assert stream.read() == expected_body(job.id, job.envelope)
                note(delivered, job.id)
                futures.append(finish(queue, job.id, job))
            for future in futures:
                future.result()
            if not futures and queue.next_due() is None and seconds > 50:
                return


def finish(queue: Queue, queue_id: str, job: Job) -> Future[None]:
    is_bounce = int(queue_id[:16], 16) % 3 == 0 and "report" not in job.envelope.options
    if not is_bounce:
        return queue.finish(job, [Outcome(index=0, kind="success", flag="l")], remove=True)
    report = Envelope(
        sender="",
        recipients=(Recipient(address="s@example.com"),),
        options={"report": queue_id},
        delay=1e6 if "--keep" in sys.argv else 0.0,
    )
    new = Submission(queue.new_id(), report, b"report " + queue_id.encode())
    return queue.finish(job, [Outcome(index=0, kind="failure")], new=new, remove=True)


def expected_body(queue_id: str, envelope: Envelope) -> bytes:
    original = envelope.options.get("report")
    return body_for(queue_id[17:]) if original is None else b"report " + original.encode()


class Children:
    """Starts this file as a program."""

    def __init__(self, path: Path) -> None:
        self.directory = str(path / "queue")
        self.acknowledged = str(path / "acknowledged")
        self.delivered = str(path / "delivered")

    def start(self, role: str, *arguments: str, fault: str = "") -> subprocess.Popen[bytes]:
        target = self.acknowledged if role == "produce" else self.delivered
        command = [sys.executable, __file__, role, self.directory, target, *arguments]
        return subprocess.Popen([*command, f"fault={fault}"])

    def lines(self, path: str) -> list[str]:
        if not os.path.exists(path):
            return []
        return [line for line in Path(path).read_text().split("\n") if line]

    def verify(self) -> set[str]:
        """The contract on what is in the queue now; the ids found."""
        with Queue.open(self.directory, settings=SETTINGS) as queue:
            assert {f.kind for f in queue.become_scheduler()} <= {"orphan"}
            assert queue.check() == []
            assert queue.quarantined() == []
            present = {summary.id for summary in queue.summaries()}
            families: dict[str, list[str]] = {}
            for job in queue.lease(100_000, time.time() + 1e7):
                with job.open_body() as stream:
                    assert stream.read() == expected_body(job.id, job.envelope)
                if "parts" in job.envelope.options:
                    families.setdefault(
                        f"{job.id[17:]}/{job.envelope.options['parts']}", []
                    ).append(job.id)
            self.families = families
            self.bodies = sum(len(files) for _, _, files in os.walk(self.directory + "/bodies"))
        return present


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path)


@pytest.mark.parametrize("after", [1, 7])
@pytest.mark.parametrize("point", PRODUCER_POINTS)
def test_a_producer_killed_anywhere_loses_nothing_it_acknowledged(
    children: Children, point: str, after: int
) -> None:
    bystander = children.start("produce", "6")
    victim = children.start("produce", "60", fault=f"{point}:{after}")
    assert victim.wait(30) == -9
    assert bystander.wait(30) == 0

    present = children.verify()

    acknowledged = children.lines(children.acknowledged)
    assert len(acknowledged) == len(set(acknowledged)) >= 3 * 12
    assert set(acknowledged) <= present
    for family, members in children.families.items():
        assert len(members) == int(family.rpartition("/")[2])  # split siblings: all or none


@pytest.mark.parametrize("after", [1, 5])
@pytest.mark.parametrize("point", CONSUMER_POINTS)
def test_a_scheduler_killed_anywhere_loses_nothing_and_reports_once(
    children: Children, point: str, after: int
) -> None:
    assert children.start("produce", "10").wait(30) == 0
    before = children.verify()
    victim = children.start("consume", "20", "--keep", fault=f"{point}:{after}")
    assert victim.wait(30) == -9

    present = children.verify()

    delivered = set(children.lines(children.delivered))
    assert before - present <= delivered  # gone only after delivery
    with Queue.open(children.directory, settings=SETTINGS) as queue:
        reports = [
            job.envelope.options["report"]
            for job in queue.lease(100_000, time.time() + 1e7)
            if "report" in job.envelope.options
        ]
    bounced = {i for i in before - present if int(i[:16], 16) % 3 == 0}
    assert sorted(reports) == sorted(bounced)  # exactly one for each that left, none else


def test_producers_and_schedulers_killed_at_random_lose_nothing(children: Children) -> None:
    chance = random.Random(20261124)
    deliveries = 0
    for _ in range(4):
        group = [
            children.start("produce", "40"),
            children.start("produce", "40"),
            children.start("consume", "20"),
        ]
        time.sleep(0.4 + chance.random() * 0.4)
        for child in group:
            child.kill()
        for child in group:
            assert child.wait(30) in {0, -9}
    children.verify()

    assert children.start("consume", "60").wait(60) == 0

    assert children.verify() == set()
    assert children.bodies == 0
    acknowledged = set(children.lines(children.acknowledged))
    deliveries = len(children.lines(children.delivered))
    delivered = set(children.lines(children.delivered))
    assert acknowledged <= delivered
    assert deliveries - len(delivered) <= 4 * 16  # at most what was in flight at each kill


def test_two_schedulers_never_run_at_once(children: Children) -> None:
    with Queue.open(children.directory, settings=SETTINGS) as queue:
        queue.become_scheduler()

        assert children.start("consume", "1").wait(30) == 7

    assert children.start("consume", "0").wait(30) == 0


def main() -> None:
    role, directory, target, amount = sys.argv[1:5]
    fault = sys.argv[-1].removeprefix("fault=")
    if fault:
        install_faults([FaultPlan.from_text(fault)])
    try:
        if role == "produce":
            produce(directory, target, int(amount))
        else:
            consume(directory, target, float(amount))
    except QueueBusyError:
        os._exit(7)


if __name__ == "__main__":
    main()
