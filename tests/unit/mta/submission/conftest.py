"""A submitter on a queue in tmp_path; every address but `nobody@` is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.open_admission import OpenAdmission

from couriermail.core import ManualClock, clear_faults
from couriermail.mta.submission import SubmissionSettings, Submitter
from couriermail.queue import Queue, QueueSettings


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
