"""How deliveries gather into batches, with a pool that does what the test says."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import attrs
import pytest
from tests.support.mailsite import wait_for

from couriermail.mta.agentpool import AgentPool, BatchResults
from couriermail.mta.lmtp import DeliveryLanes
from couriermail.mta.local import LocalJob, LocalResult

T = TypeVar("T")


@attrs.define(eq=False)
class Pool(AgentPool):
    """Instead of agents: notes batches, and ends each when the test lets it."""

    batches: list[list[str]] = attrs.field(factory=list)
    gates: list[threading.Event] = attrs.field(factory=list)
    outcome: Callable[[Sequence[LocalJob]], BatchResults] | None = None
    is_closed: bool = False

    def deliver(
        self,
        uid: int,
        gid: int,
        jobs: Sequence[LocalJob],
        on_result: Callable[[LocalResult], None] = lambda result: None,
    ) -> BatchResults:
        gate = threading.Event()
        self.batches.append([job.recipient for job in jobs])
        self.gates.append(gate)
        assert gate.wait(20)
        if self.outcome is not None:
            return self.outcome(jobs)
        results = [success(job) for job in jobs]
        for result in results:
            on_result(result)
        return BatchResults(results)

    def close(self) -> None:
        self.is_closed = True


def success(job: LocalJob) -> LocalResult:
    return LocalResult(key=job.key, kind="success", lines=("Message delivered.",))


@pytest.fixture
def pool() -> Pool:
    return Pool("nowhere", 1.0)


@pytest.fixture
def make(pool: Pool) -> Iterator[Callable[..., DeliveryLanes]]:
    made: list[DeliveryLanes] = []

    def lanes(**options: float) -> DeliveryLanes:
        made.append(DeliveryLanes(pool, **{"patience": 1000.0, "crowd": 1000, **options}))  # type: ignore[arg-type]  # counts are whole
        return made[-1]

    yield lanes
    for gate in pool.gates:
        gate.set()
    for each in made:
        each.close()


Make = Callable[..., DeliveryLanes]


def run(story: Callable[[], Coroutine[object, object, T]]) -> T:
    return asyncio.run(asyncio.wait_for(story(), 30))


def job(name: str, body: bytes | int = b"x\n") -> LocalJob:
    return LocalJob(key=0, recipient=name, sender="", user=name, home="/", size=2, body=body)


async def batches(pool: Pool, count: int) -> None:
    """Wait until so many batches have begun."""
    await asyncio.to_thread(wait_for, lambda: len(pool.gates) >= count, f"{count} batches")


def test_a_lone_message_goes_at_once_and_what_comes_meanwhile_is_the_next_batch(
    pool: Pool, make: Make
) -> None:
    async def story() -> list[LocalResult]:
        lanes = make()
        futures = [lanes.deliver(1, 1, job("first"))]
        await batches(pool, 1)
        futures += [lanes.deliver(1, 1, job(name)) for name in "abc"]
        pool.gates[0].set()
        await batches(pool, 2)
        pool.gates[1].set()
        return list(await asyncio.gather(*futures))

    results = run(story)
    assert [result.kind for result in results] == ["success"] * 4
    assert pool.batches == [["first"], ["a", "b", "c"]]


def test_users_do_not_wait_for_each_other(pool: Pool, make: Make) -> None:
    async def story() -> None:
        lanes = make()
        lanes.deliver(1, 1, job("one"))
        await batches(pool, 1)
        future = lanes.deliver(2, 2, job("two"))
        await batches(pool, 2)
        pool.gates[1].set()
        await future

    run(story)
    assert pool.batches == [["one"], ["two"]]


def test_after_the_patience_what_waits_is_spread_over_further_agents(
    pool: Pool, make: Make
) -> None:
    async def story() -> None:
        lanes = make(patience=0.02, max_per_user=3)
        lanes.deliver(1, 1, job("slow"))
        await batches(pool, 1)
        for name in "abcde":
            lanes.deliver(1, 1, job(name))
        await batches(pool, 3)

    run(story)
    assert pool.batches[0] == ["slow"]
    assert sorted(pool.batches[1:]) == [["a", "b", "c"], ["d", "e"]]


def test_a_crowd_gets_another_agent_at_once(pool: Pool, make: Make) -> None:
    async def story() -> None:
        lanes = make(crowd=3, max_per_user=2)
        for name in ("first", *"abcde"):
            lanes.deliver(1, 1, job(name))
        await batches(pool, 2)
        for gate in pool.gates:
            gate.set()  # two are no crowd: they wait until nobody is busy
        await batches(pool, 3)
        pool.gates[2].set()

    run(story)
    assert pool.batches == [["first"], ["a", "b", "c"], ["d", "e"]]


def test_a_batch_has_its_limit(pool: Pool, make: Make) -> None:
    async def story() -> None:
        lanes = make(max_batch=2, max_per_user=1)
        lanes.deliver(1, 1, job("first"))
        await batches(pool, 1)
        futures = [lanes.deliver(1, 1, job(name)) for name in "abc"]
        for number in range(3):
            await batches(pool, number + 1)
            pool.gates[number].set()
        await asyncio.gather(*futures)

    run(story)
    assert pool.batches == [["first"], ["a", "b"], ["c"]]


def lose_second(jobs: Sequence[LocalJob]) -> BatchResults:
    return BatchResults([success(jobs[0])], lost=frozenset(job.key for job in jobs[1:]))


def refuse(jobs: Sequence[LocalJob]) -> BatchResults:
    return BatchResults([], refused="Mail is never delivered as root.")


def fail(jobs: Sequence[LocalJob]) -> BatchResults:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (lose_second, "The delivery agent ended before it answered."),
        (refuse, "Mail is never delivered as root."),
        (fail, "No delivery agent can be had now."),
    ],
)
def test_what_was_not_delivered_for_sure_is_deferred(
    pool: Pool,
    make: Make,
    outcome: Callable[[Sequence[LocalJob]], BatchResults],
    expected: str,
) -> None:
    async def story() -> LocalResult:
        lanes = make(max_per_user=1)
        lanes.deliver(1, 1, job("first"))
        await batches(pool, 1)
        pool.gates[0].set()
        lanes.deliver(1, 1, job("a"))
        future = lanes.deliver(1, 1, job("b"))
        await batches(pool, 2)
        pool.outcome = outcome
        pool.gates[1].set()
        return await future

    result = run(story)
    assert (result.kind, result.enhanced, result.lines) == ("deferral", "4.3.0", (expected,))


def test_a_delivery_that_nobody_waits_for_is_not_begun_and_every_descriptor_is_closed(
    pool: Pool, make: Make, tmp_path: Path
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"x\n")
    descriptors = [os.open(path, os.O_RDONLY) for _ in range(2)]

    async def story() -> None:
        lanes = make(max_per_user=1)
        first = lanes.deliver(1, 1, job("first", descriptors[0]))
        await batches(pool, 1)
        lanes.deliver(1, 1, job("given up", descriptors[1])).cancel()
        last = lanes.deliver(1, 1, job("last"))
        pool.gates[0].set()
        await first
        await batches(pool, 2)
        pool.gates[1].set()
        await last

    run(story)
    assert pool.batches == [["first"], ["last"]]
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_lane_is_forgotten_when_it_is_empty(pool: Pool, make: Make) -> None:
    async def story() -> int:
        lanes = make()
        future = lanes.deliver(1, 1, job("only"))
        await batches(pool, 1)
        pool.gates[0].set()
        await future
        await asyncio.to_thread(wait_for, lambda: lanes.lane_count == 0, "no lanes")
        return lanes.lane_count

    assert run(story) == 0
