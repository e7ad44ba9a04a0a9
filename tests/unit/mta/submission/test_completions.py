"""Futures of other threads brought to an event loop (mta.completions)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

import pytest

from couriermail.mta.completions import Completions


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often another thread wakes it."""

    wakes = 0

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Handle:
        self.wakes += 1
        return super().call_soon_threadsafe(callback, *args, **kwargs)


def in_thread(action: Callable[[], None]) -> None:
    thread = Thread(target=action)
    thread.start()
    thread.join()


def test_a_batch_that_is_done_together_wakes_the_loop_once() -> None:
    loop = CountingLoop()
    futures: list[Future[int]] = [Future() for _ in range(50)]

    def resolve() -> None:
        for number, future in enumerate(futures):
            future.set_result(number)

    async def main() -> list[int]:
        completions: Completions[int] = Completions()
        waiters = [completions.wait_for(future) for future in futures]
        # The thread is waited for here, so that the loop cannot run in between.
        in_thread(resolve)
        return await asyncio.gather(*waiters)

    try:
        assert loop.run_until_complete(main()) == list(range(50))
    finally:
        loop.close()
    assert loop.wakes == 1


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
