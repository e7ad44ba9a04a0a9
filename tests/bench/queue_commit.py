"""How fast the queue takes and gives back mail, beside raw LMDB doing the same writes.

Run it from the checkout: `python tests/bench/queue_commit.py [MESSAGES]`.  Both sides run in
one process on one disk; the ratio is what counts, the rates depend on the disk.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import lmdb

from couriermail.queue import Envelope, Outcome, Queue, QueueSettings, Recipient, Submission

BODY = b"x" * 3072
WINDOW = 64
MAP = 1 << 31


def raw_commits(path: str, count: int, batch: int) -> None:
    """Put the rows of `count` messages, `batch` per synced commit."""
    with lmdb.open(path, map_size=MAP, max_dbs=2) as environment:
        msg, due = environment.open_db(b"msg"), environment.open_db(b"due")
        value = BODY + b"e" * 200
        for start in range(0, count, batch):
            with environment.begin(write=True) as transaction:
                for number in range(start, min(start + batch, count)):
                    key = number.to_bytes(8, "big")
                    transaction.put(key, value, db=msg)
                    transaction.put(key + key, b"", db=due)


def submission(queue: Queue) -> Submission:
    envelope = Envelope(
        sender="sender@example.com",
        recipients=(Recipient(address="rcpt@example.net"),),
        source="dns; client (client.example [192.0.2.1])",
        label="smtp",
        expires=2_000_000_000.0,
        warn=1_900_000_000.0,
    )
    body = queue.new_body()
    body.write(BODY)
    return Submission(queue.new_id(), envelope, body)


def lone(queue: Queue, count: int) -> None:
    for _ in range(count):
        queue.submit(submission(queue))


def windowed(queue: Queue, count: int) -> None:
    flying: deque[Future[None]] = deque()
    for _ in range(count):
        if len(flying) >= WINDOW:
            flying.popleft().result()
        flying.append(queue.submit_soon(submission(queue)))
    while flying:
        flying.popleft().result()


def drain(queue: Queue) -> None:
    outcome = Outcome(index=0, kind="success", flag="l", lines=("250 Ok.",))
    while jobs := queue.lease(WINDOW * 4, time.time()):
        futures = [queue.finish(job, [outcome], remove=True) for job in jobs]
        for future in futures:
            future.result()


def defer(queue: Queue) -> None:
    outcome = Outcome(index=0, kind="deferral", lines=("451 Try again.",))
    now = time.time()
    while jobs := queue.lease(WINDOW * 4, now):
        futures = [queue.finish(job, [outcome], next_due=now + 300) for job in jobs]
        for future in futures:
            future.result()


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def report(name: str, count: int, ours: tuple[float, float], raw: tuple[float, float]) -> None:
    print(
        f"{name:34} {count / ours[0]:9.0f}/s  {ours[1] / count * 1e6:6.1f} us CPU each"
        f"   raw lmdb {count / raw[0]:9.0f}/s {raw[1] / count * 1e6:6.1f} us"
        f"   ratio {raw[0] / ours[0]:5.2f}"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    few = max(count // 10, 100)
    root = tempfile.mkdtemp(dir=".", prefix="queue-bench-")
    try:
        with Queue.open(f"{root}/queue", settings=QueueSettings(map_size=MAP)) as queue:
            raw = timed(lambda: raw_commits(f"{root}/one", few, 1))
            report("submit, one at a time", few, timed(lambda: lone(queue, few)), raw)
            queue.become_scheduler()
            raw = timed(lambda: raw_commits(f"{root}/many", count, WINDOW))
            report("submit_soon, 64 in flight", count, timed(lambda: windowed(queue, count)), raw)
            total = count + few
            report("lease + defer", total, timed(lambda: defer(queue)), raw)
            queue.flush()
            start = time.perf_counter()
            jobs = queue.lease(20, time.time())
            print(f"lease of 20 among {total}: {(time.perf_counter() - start) * 1e6:.0f} us")
            for job in jobs:
                queue.release(job)
            report("lease + finish + remove", total, timed(lambda: drain(queue)), raw)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
