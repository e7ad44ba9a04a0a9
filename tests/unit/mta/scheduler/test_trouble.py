"""Routers, transports and queues that fail: no message is lost, and none stops another."""

from __future__ import annotations

import logging
from concurrent.futures import Future

import pytest
from tests.support.schedulersite import Site, play

from couriermail.core import StorageError
from couriermail.mta import scheduler as scheduler_module


@pytest.mark.parametrize(
    ("address", "kind"),
    [("unknown@x.test", "failure"), ("busy@x.test", "deferral"), ("broken@x.test", "failure")],
)
def test_a_refusal_of_the_router_needs_no_transport(site: Site, address: str, kind: str) -> None:
    async def story() -> None:
        site.submit(address, sender="")
        await site.until(lambda: site.log.lines[-1:] == ["completed"])

    play(site, story)
    assert site.log.lines == ["new", kind, "completed"]
    assert not site.transport.batches


def test_a_transport_that_raises_three_times_is_a_deferral(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test")
        for _ in range(3):
            (await site.batch()).future.set_exception(RuntimeError("a bug"))
        summary = await site.rounds(queue_id, 1)
        assert summary.states[0].lines == ("450 Delivery agent failed.",)

    with caplog.at_level(logging.ERROR):
        play(site, story)
    assert caplog.text.count("transport fake failed") == 3


def test_a_lost_agent_costs_nothing_but_another_try(site: Site) -> None:
    async def story() -> None:
        queue_id = site.submit("a@x.test", "a+2@x.test")
        (await site.batch()).answer("deferral", None)
        batch = await site.batch()
        assert batch.addresses == ["a+2@x.test"]
        batch.answer(None)
        (await site.batch()).answer("success")
        summary = await site.rounds(queue_id, 1)
        assert [state.attempts for state in summary.states] == [1, 1]
        assert [state.state for state in summary.states] == ["pending", "success"]

    play(site, story)


def test_outcomes_that_cannot_be_recorded_are_offered_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec mta.md 8.6: the message is not attempted meanwhile."""
    monkeypatch.setattr(scheduler_module, "RECORD_AGAIN_SECONDS", 0.0)
    finish, refusals = site.queue.finish, [StorageError("no space"), StorageError("no space")]

    def finish_later(*words: object, **options: object) -> Future[None]:
        if not refusals:
            return finish(*words, **options)  # type: ignore[arg-type]
        future: Future[None] = Future()
        future.set_exception(refusals.pop())
        return future

    monkeypatch.setattr(site.queue, "finish", finish_later)

    async def story() -> None:
        queue_id = site.submit("a@x.test")
        (await site.batch()).answer("success")
        await site.gone(queue_id)

    play(site, story)
    assert not refusals
    assert len(site.transport.batches) == 1


def test_a_round_that_cannot_be_concluded_stops_no_other(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        poisoned = site.submit("a@x.test")
        batch = await site.batch()
        site.reporter.error = RuntimeError("a bug in the report")
        batch.answer("success")
        await site.idle()
        site.reporter.error = None
        other = site.submit("b@x.test")
        (await site.batch()).answer("success")
        await site.gone(other)
        site.advance(site.scheduler.settings.schedule.delay(1))
        (await site.batch()).answer("success")
        await site.gone(poisoned)

    with caplog.at_level(logging.ERROR):
        play(site, story)
    assert caplog.text.count("cannot conclude") == 1
