"""What the administrator does to a queued message: hold, flush, cancel (spec mta.md 9.5)."""

from __future__ import annotations

import pytest
from tests.support.schedulersite import WEEK, Site, play

from couriermail.mta.planner import Lane
from couriermail.mta.scheduler import Routed


def test_a_held_message_waits_until_it_is_let_go(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("busy@x.test")
        await site.rounds(queue_id, 1)
        await site.idle()
        site.queue.hold(queue_id, "by hand")
        site.scheduler.route = lambda address: Routed(Lane("fake", "a"), "a", address, None)
        site.advance(WEEK / 2)
        await site.settled()
        assert not site.transport.batches
        site.queue.unhold(queue_id)
        site.scheduler.wake()
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)


def test_a_flushed_message_is_tried_at_once(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral")
        await site.rounds(queue_id, 1)
        await site.idle()
        site.queue.flush(queue_id)
        site.scheduler.wake()
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)


@pytest.mark.parametrize("is_running", [False, True], ids=["while it waits", "while it runs"])
def test_a_cancelled_message_fails_with_the_reasons(site: Site, is_running: bool) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", sender="")
        batch = await site.batch()
        if is_running:
            site.queue.cancel(queue_id, ["wrong attachment"])
            batch.answer("deferral")
        else:
            batch.answer("deferral")
            await site.rounds(queue_id, 1)
            await site.idle()
            site.queue.cancel(queue_id, ["wrong attachment"])
            site.scheduler.wake()
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.last_lines == [("wrong attachment",)]
    assert len(site.transport.batches) == 1
