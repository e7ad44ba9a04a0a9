"""Reports and forwarded copies enter the queue with what made them."""

from __future__ import annotations

from tests.support.schedulersite import UNKNOWN, Site, play

from couriermail.queue import Summary


def never_lost(site: Site, queue_id: str) -> Summary:
    """Of one message that became another: no look showed neither of them or both."""
    (made,) = site.listed().values()
    assert made.id != queue_id
    with_them = [found.keys() & {queue_id, made.id} for found in site.lists]
    assert all(len(both) == 1 for both in with_them)
    assert {queue_id} in with_them
    return made


def test_a_failure_and_its_report_are_one_transaction(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", sender="busy@x.test")
        site.listed()
        (await site.batch()).answer("failure")
        await site.until(lambda: queue_id not in site.listed())
        made = never_lost(site, queue_id)
        assert (made.sender, made.states[0].recipient.address) == ("", "busy@x.test")

    play(site, story)


def test_a_forward_enters_the_queue_with_its_success(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        site.listed()
        (await site.batch()).answer("success", forwards=["busy@y.test"])
        await site.until(lambda: queue_id not in site.listed())
        made = never_lost(site, queue_id)
        assert (made.sender, made.states[0].recipient.address) == ("s@x.test", "busy@y.test")

    play(site, story)


def test_a_deferral_forwards_nothing(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("deferral", forwards=["busy@y.test"])
        await site.rounds(queue_id, 1)
        assert list(site.listed()) == [queue_id]

    play(site, story)


def test_a_refused_forward_is_a_failure(site: Site) -> None:
    site.reporter.refusal = UNKNOWN

    async def story() -> None:
        queue_id = site.submit("a@x.test", sender="")
        (await site.batch()).answer("success", forwards=["unknown@y.test"])
        await site.gone(queue_id)
        await site.idle()

    play(site, story)
    assert site.log.lines[-2:] == ["failure", "completed"]
