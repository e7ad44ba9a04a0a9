"""A submitter on a queue in tmp_path; every address but `nobody@` is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from couriermail.core import ManualClock, Reply, clear_faults
from couriermail.mta.submission import Accepted, Origin, SubmissionSettings, Submitter
from couriermail.queue import Queue, QueueSettings, Recipient


@attrs.define
class OpenAdmission:
    """Takes everybody but `nobody`, and notes what it was asked."""

    origins: list[Origin] = attrs.field(factory=list)

    def sender(self, address: str, origin: Origin) -> str | Reply:
        self.origins.append(origin)
        return address

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        if recipient.address.startswith("nobody@"):
            return Reply(550, "User unknown.")
        return Accepted((recipient,))


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    clear_faults()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(tmp_path: Path, clock: ManualClock) -> Iterator[Queue]:
    settings = QueueSettings(outcome_delay=0.001, min_free=0, min_inodes=0)
    with Queue.open(tmp_path / "queue", settings=settings, clock=clock) as opened:
        yield opened


@pytest.fixture
def admission() -> OpenAdmission:
    return OpenAdmission()


@pytest.fixture
def submitter(queue: Queue, admission: OpenAdmission, clock: ManualClock) -> Submitter:
    settings = SubmissionSettings(
        me="mail.example.com",
        default_domain="example.com",
        message_id_host="mail.example.com",
        utc_offset=0,
    )
    return Submitter(queue, admission, settings, clock)
