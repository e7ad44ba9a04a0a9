"""The scheduler is told to stop."""

from __future__ import annotations

from pathlib import Path

from tests.support.schedulersite import SETTINGS, Site, make_site, play

from couriermail.core import ManualClock
from couriermail.queue import Queue


def test_a_stop_waits_for_what_runs_and_begins_nothing(site: Site) -> None:
    async def story() -> None:
        first = site.submit("a@x.test")
        batch = await site.batch()
        site.stop.set()
        await site.settled()
        second = site.submit("b@x.test")
        await site.settled()
        batch.answer("success")
        await site.gone(first)
        assert list(site.listed()) == [second]
        assert site.listed()[second].rounds == 0

    play(site, story)
    assert len(site.transport.batches) == 1


def test_what_a_stop_cuts_off_is_due_again(tmp_path: Path, clock: ManualClock) -> None:
    with Queue.open(tmp_path / "queue", settings=SETTINGS, clock=clock) as queue:
        site = make_site(queue, clock)

        async def cut_off() -> None:
            site.submit("a@x.test")
            await site.batch()  # `play` gives it up

        play(site, cut_off)
    with Queue.open(tmp_path / "queue", settings=SETTINGS, clock=clock) as queue:
        again = make_site(queue, clock)
        assert [summary.rounds for summary in again.listed().values()] == [0]

        async def story() -> None:
            (await again.batch()).answer("success")
            await again.until(lambda: not again.listed())

        play(again, story)


def test_a_lost_agent_is_not_asked_again_while_we_stop(site: Site) -> None:
    async def story() -> None:
        site.submit("a@x.test")
        batch = await site.batch()
        site.stop.set()
        await site.settled()
        batch.answer(None)
        await site.settled()

    play(site, story)
    assert len(site.transport.batches) == 1
    assert [summary.rounds for summary in site.listed().values()] == [0]
