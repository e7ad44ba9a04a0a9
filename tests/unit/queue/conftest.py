"""Fixtures of the queue's tests: a queue in tmp_path on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couriermail.core import ManualClock, clear_faults
from couriermail.queue import Envelope, Queue, QueueSettings, Recipient, Submission

Submit = Callable[..., str]


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    clear_faults()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings() -> QueueSettings:
    return QueueSettings(outcome_delay=0.001, id_block=64, inline_max=1000)


@pytest.fixture
def queue(tmp_path: Path, clock: ManualClock, settings: QueueSettings) -> Iterator[Queue]:
    with Queue.open(tmp_path / "queue", settings=settings, clock=clock) as opened:
        yield opened


@pytest.fixture
def submit(queue: Queue) -> Submit:
    """Submit one message; returns its id."""

    def put(*addresses: str, body: bytes = b"Subject: x\n\nbody\n", **fields: object) -> str:
        recipients = tuple(Recipient(address=a) for a in addresses or ("rcpt@example.net",))
        envelope = Envelope(sender="sender@example.com", recipients=recipients, **fields)  # type: ignore[arg-type]
        queue_id = queue.new_id()
        queue.submit(Submission(queue_id, envelope, body))
        return queue_id

    return put
