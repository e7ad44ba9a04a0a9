"""Futures of other threads brought to an event loop (mta.completions)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from unittest import mock

import pytest

from couriermail.mta.completions import Completions


def in_thread(action: Callable[[], None]) -> None:
    thread = Thread(target=action)
    thread.start()
    thread.join()


def test_a_batch_that_is_done_together_wakes_the_loop_once() -> None:
    futures: list[Future[int]] = [Future() for _ in range(50)]

    def resolve() -> None:
        for number, future in enumerate(futures):
            future.set_result(number)

    async def main() -> list[int]:
        completions: Completions[int] = Completions()
        loop = asyncio.get_running_loop()
        waiters = [completions.wait_for(future) for future in futures]
        wake = loop.call_soon_threadsafe
        with mock.patch.object(loop, "call_soon_threadsafe", wraps=wake) as counted:
            in_thread(resolve)  # the thread is waited for: the loop cannot run in between
        assert counted.call_count == 1
        return await asyncio.gather(*waiters)

    assert asyncio.run(main()) == list(range(50))


def test_errors_arrive_and_a_cancelled_waiter_harms_nobody() -> None:
    failing: Future[int] = Future()
    cancelled: Future[int] = Future()
    fine: Future[int] = Future()

    def resolve() -> None:
        failing.set_exception(OSError("disk full"))
        cancelled.set_result(2)
        fine.set_result(3)

    async def main() -> None:
        completions: Completions[int] = Completions()
        first, second, third = (completions.wait_for(f) for f in (failing, cancelled, fine))
        second.cancel()
        in_thread(resolve)
        assert await third == 3
        with pytest.raises(OSError, match="disk full"):
            await first
        assert second.cancelled()
        assert cancelled.result() == 2

    asyncio.run(main())


def test_a_future_that_is_done_already_needs_no_wake() -> None:
    done: Future[str] = Future()
    done.set_result("at once")

    async def main() -> bool:
        waiter = Completions[str]().wait_for(done)
        return waiter.done() and waiter.result() == "at once"

    assert asyncio.run(main())
