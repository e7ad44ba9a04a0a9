"""A scheduler on a queue in tmp_path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.schedulersite import SETTINGS, Site, make_site

from couriermail.core import ManualClock
from couriermail.queue import Queue


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(tmp_path: Path, clock: ManualClock) -> Iterator[Queue]:
    with Queue.open(tmp_path / "queue", settings=SETTINGS, clock=clock) as opened:
        yield opened


@pytest.fixture
def site(queue: Queue, clock: ManualClock) -> Site:
    return make_site(queue, clock)
