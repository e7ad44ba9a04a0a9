"""Fairness, and what is in memory at a time (spec mta.md 9.1, 9.3)."""

from __future__ import annotations

from tests.support.schedulersite import make_site, play

from couriermail.core import ManualClock
from couriermail.mta.planner import PlannerLimits
from couriermail.mta.scheduler import SchedulerSettings
from couriermail.queue import Queue


def test_one_busy_user_does_not_delay_another(queue: Queue, clock: ManualClock) -> None:
    """One worker, two users: they take turns, however much the first one got."""
    limits = PlannerLimits(max_deliveries=1, batch_size=2, busy_batches=1)
    site = make_site(queue, clock, limits=limits)
    served: list[str] = []

    async def story() -> None:
        site.submit(*(f"eager+{number}@x.test" for number in range(6)), sender="")
        site.submit("other@x.test", sender="")
        for _ in range(4):
            batch = await site.batch()
            assert site.transport.open == [batch]
            served.append(batch.lane.key)
            batch.answer("success")
        await site.idle()

    play(site, story)
    assert served == ["eager", "other", "eager", "eager"]


def test_no_more_messages_than_the_limit_are_in_memory(queue: Queue, clock: ManualClock) -> None:
    site = make_site(queue, clock, settings=SchedulerSettings(queue_high=2))

    async def story() -> None:
        for user in "abcd":
            site.submit(f"{user}@x.test")
        for _ in range(2):
            await site.until(lambda: len(site.transport.open) == 2)
            await site.settled()
            assert site.scheduler.in_progress == 2
            for batch in site.transport.open:
                batch.answer("success")
        await site.until(lambda: not site.listed())

    play(site, story)
    assert len(site.transport.batches) == 4
