"""Deliveries on their way to agents: one lane for each uid and gid.

Theory of operation.  A message for an idle lane goes to an agent at once.  What arrives while
the agent works waits and is its next batch, so that under load many messages of many connections
share their syncs, and a lone one waits for nobody.

A recipe may be slow (a spam filter, a vacation program).  When the oldest message of a lane has
waited for `patience`, another agent is started for it, up to `max_per_user`; what waits is then
spread over the agents that are still to be had, because slow recipes of one batch run one after
the other.

Everything here runs in the event loop's thread, except the batches themselves.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs

from couriermail.mta.agentpool import AgentPool, BatchResults
from couriermail.mta.local.values import LocalJob, LocalResult

__all__ = ["DeliveryLanes"]

log = logging.getLogger("couriermail.mta.lmtp")

AGENT_LOST = "The delivery agent ended before it answered."  # it may have delivered
NO_AGENT = "No delivery agent can be had now."
Future = asyncio.Future[LocalResult]


@attrs.define(eq=False)
class _Waiting:
    job: LocalJob
    future: Future
    since: float


@attrs.define(eq=False)
class _Lane:
    uid: int
    gid: int
    waiting: list[_Waiting] = attrs.field(factory=list)
    running: int = 0
    timer: asyncio.TimerHandle | None = None


@attrs.define(eq=False)
class DeliveryLanes:
    """Gathers deliveries into batches and runs them on agents.

    Attributes:
        pool: the agents.
        max_agents: batches that run at one time.
        max_per_user: of these for one uid and gid.
        max_batch: deliveries in one batch.
        crowd: so many that wait get another agent at once: an agent is one processor's work.
        patience: seconds that a delivery waits behind others before it gets an agent of its own.
    """

    pool: AgentPool
    max_agents: int = attrs.field(default=20, kw_only=True)
    max_per_user: int = attrs.field(default=4, kw_only=True)
    max_batch: int = attrs.field(default=64, kw_only=True)
    crowd: int = attrs.field(default=4, kw_only=True)
    patience: float = attrs.field(default=0.1, kw_only=True)
    _lanes: dict[tuple[int, int], _Lane] = attrs.field(factory=dict, init=False)
    _threads: ThreadPoolExecutor = attrs.field(init=False)
    _last_key: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.max_agents, thread_name_prefix="lmtp")

    @property
    def lane_count(self) -> int:
        """Users for whom something waits or runs."""
        return len(self._lanes)

    def deliver(self, uid: int, gid: int, job: LocalJob) -> Future:
        """Have a message delivered.

        Args:
            uid: whose mail it is.
            gid: the group to deliver with.
            job: the delivery; its key is replaced.  A descriptor as its body is closed here.

        Returns:
            The result; it is never an error.  A future that was cancelled before its batch
            began takes its delivery along.
        """
        loop = asyncio.get_running_loop()
        self._last_key += 1
        waiting = _Waiting(attrs.evolve(job, key=self._last_key), loop.create_future(), loop.time())
        lane = self._lanes.get((uid, gid))
        if lane is None:
            lane = self._lanes[uid, gid] = _Lane(uid, gid)
        lane.waiting.append(waiting)
        self._consider(lane)
        return waiting.future

    def close(self) -> None:
        """End the agents; batches that still run are given up.  Blocks until they have ended."""
        self.pool.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _consider(self, lane: _Lane) -> None:
        """Start a batch if it is time, else see to it that somebody looks again."""
        if not lane.waiting or lane.running >= self.max_per_user:
            return
        if not lane.running or len(lane.waiting) >= self.crowd:
            self._start(lane, len(lane.waiting))
            return
        loop = asyncio.get_running_loop()
        due = lane.waiting[0].since + self.patience
        if loop.time() >= due:
            free = self.max_per_user - lane.running
            self._start(lane, -(-len(lane.waiting) // free))
            self._consider(lane)
        elif lane.timer is None:
            lane.timer = loop.call_at(due, self._on_timer, lane)

    def _on_timer(self, lane: _Lane) -> None:
        lane.timer = None
        self._consider(lane)

    def _start(self, lane: _Lane, count: int) -> None:
        batch = _take(lane, min(count, self.max_batch))
        if not batch:
            return
        lane.running += 1
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, self._run, loop, lane, batch)
        running.add_done_callback(lambda ended: self._ended(lane, batch, ended))

    def _run(
        self, loop: asyncio.AbstractEventLoop, lane: _Lane, batch: Sequence[_Waiting]
    ) -> BatchResults:
        """In a thread: one batch, each result told as it comes."""
        futures = {waiting.job.key: waiting.future for waiting in batch}

        def tell(result: LocalResult) -> None:
            loop.call_soon_threadsafe(_settle, futures[result.key], result)

        return self.pool.deliver(
            lane.uid, lane.gid, [waiting.job for waiting in batch], on_result=tell
        )

    def _ended(
        self, lane: _Lane, batch: Sequence[_Waiting], ended: asyncio.Future[BatchResults]
    ) -> None:
        """A batch is over: whatever has no result was lost, and the next one may start."""
        reason = _reason(ended)
        for waiting in batch:
            _close_body(waiting.job)
            _settle(waiting.future, _deferral(waiting.job.key, reason))
        lane.running -= 1
        self._consider(lane)
        if not lane.running and not lane.waiting:
            self._forget(lane)

    def _forget(self, lane: _Lane) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
        del self._lanes[lane.uid, lane.gid]


def _take(lane: _Lane, count: int) -> list[_Waiting]:
    """The oldest deliveries of a lane, without those that nobody waits for any more."""
    taken, lane.waiting = lane.waiting[:count], lane.waiting[count:]
    for waiting in taken:
        if waiting.future.cancelled():
            _close_body(waiting.job)
    return [waiting for waiting in taken if not waiting.future.cancelled()]


def _reason(ended: asyncio.Future[BatchResults]) -> str:
    if ended.cancelled():  # it had not begun when we were told to stop
        return NO_AGENT
    error = ended.exception()
    if error is not None:
        log.error("a batch failed: %s", error, exc_info=error)
        return NO_AGENT
    outcome = ended.result()
    if outcome.lost:
        log.error("a delivery agent was lost with %d deliveries", len(outcome.lost))
    return outcome.refused or AGENT_LOST


def _deferral(key: int, reason: str) -> LocalResult:
    return LocalResult(key=key, kind="deferral", lines=(reason,), enhanced="4.3.0")


def _settle(future: Future, result: LocalResult) -> None:
    """Tell a result; the first one counts, and a client that is gone hears nothing."""
    if not future.done():
        future.set_result(result)


def _close_body(job: LocalJob) -> None:
    if isinstance(job.body, int):
        os.close(job.body)
