"""Results of other threads' futures for an event loop, many with one wake-up.

Theory of operation.  A group commit resolves dozens of futures at once, in the committer's
thread.  `asyncio.wrap_future` would wake the loop for each: a write to its pipe and a change of
threads per message.  Here what is done joins a list, and only the first of a list wakes the loop.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Generic, TypeVar

import attrs

__all__ = ["Completions"]

T = TypeVar("T")


@attrs.define(eq=False)
class Completions(Generic[T]):
    """Brings futures to the event loop that asks for them; one loop at a time."""

    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _done: list[tuple[asyncio.Future[T], Future[T]]] = attrs.field(factory=list, init=False)

    def wait_for(self, future: Future[T]) -> asyncio.Future[T]:
        """A future of the loop that gets the result or the error of `future`.

        Call it in the running loop.  Cancelling what is returned leaves `future` alone.
        """
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if future.done():
            _settle(waiter, future)
        else:
            future.add_done_callback(lambda done: self._add(waiter, done))
        return waiter

    def _add(self, waiter: asyncio.Future[T], future: Future[T]) -> None:
        with self._lock:
            is_first = not self._done
            self._done.append((waiter, future))
        loop = waiter.get_loop()
        if is_first and not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        for waiter, future in done:
            _settle(waiter, future)


def _settle(waiter: asyncio.Future[T], future: Future[T]) -> None:
    if waiter.done():  # cancelled meanwhile
        return
    error = future.exception()
    if error is None:
        waiter.set_result(future.result())
    else:
        waiter.set_exception(error)
