"""What comes again, when, and what is reported meanwhile (spec mta.md 9.4)."""

from __future__ import annotations

from tests.support.schedulersite import WEEK, Site, make_site, play

from couriermail.core import ManualClock
from couriermail.mta.planner import Lane
from couriermail.mta.scheduler import SchedulerSettings
from couriermail.queue import Queue


def test_a_success_ends_the_message(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        batch = await site.batch()
        assert (batch.lane, batch.addresses) == (Lane("fake", "a"), ["a@x.test"])
        batch.answer("success")
        await site.gone(queue_id)
        await site.idle()

    play(site, story)
    assert site.reporter.asked == ["final"]
    assert site.log.lines == ["new", "started a@x.test", "success", "completed"]
    assert site.listed() == {}


def test_a_deferral_comes_again_by_the_timetable(site: Site) -> None:
    schedule = site.scheduler.settings.schedule

    async def story() -> None:
        queue_id = site.submit("a@x.test")
        for number in (1, 2, 3, 4):
            (await site.batch()).answer("deferral")
            summary = await site.rounds(queue_id, number)
            pause = schedule.delay(number)
            assert summary.next_due == site.clock.now() + pause
            assert summary.states[0].attempts == number
            assert summary.states[0].lines == ("It was a deferral.",)
            await site.idle()
            site.advance(pause - 1)
            await site.settled()
            assert not site.transport.open
            site.advance(1)
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.asked == ["early"] * 4 + ["final"]
    assert site.log.lines.count("new") == 1


def test_only_unfinished_recipients_are_tried_again(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", "a+2@x.test", "a+3@x.test")
        (await site.batch()).answer("success", "deferral", "success")
        await site.rounds(queue_id, 1)
        site.advance(WEEK / 2)
        batch = await site.batch()
        assert batch.addresses == ["a+2@x.test"]
        batch.answer("success")
        await site.gone(queue_id)

    play(site, story)


def test_a_late_message_is_reported_once(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", warn=100.0)
        for number in (1, 2, 3):
            (await site.batch()).answer("deferral")
            await site.rounds(queue_id, number)
            await site.idle()
            site.advance(3600)

    play(site, story)
    assert site.reporter.asked.count("delay") == 1
    assert site.reporter.asked[:3] == ["early", "early", "delay"]


def test_without_early_reports_only_the_end_is_reported(queue: Queue, clock: ManualClock) -> None:
    site = make_site(queue, clock, settings=SchedulerSettings(report_early=False))

    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral")
        await site.rounds(queue_id, 1)
        site.advance(3600)
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.asked == ["final"]


def test_an_expired_message_is_given_up_and_reported(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral")
        await site.rounds(queue_id, 1)
        await site.idle()
        site.advance(WEEK + 1)
        (await site.batch()).answer("deferral")
        await site.gone(queue_id)

    play(site, story)
    assert site.reporter.asked == ["early", "final"]
    assert site.log.lines[-2:] == ["deferral", "completed"]
