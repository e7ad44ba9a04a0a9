"""Connections to delivery agents, kept for reuse.

A batch is handed to an agent of its uid and gid; an agent that has nothing to do stays
connected until it ends by itself.  Losing an agent loses nothing: the deliveries whose results
have not come are named to the caller.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import attrs

from couriermail.mta.local.client import AgentClient
from couriermail.mta.local.errors import AgentLost, AgentRefused
from couriermail.mta.local.values import LocalJob, LocalResult
from couriermail.mta.missinghomes import MissingHomes

__all__ = ["AgentPool", "BatchResults"]

CONNECT_DELAYS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)  # seconds: courierlocal is being restarted


@attrs.frozen
class BatchResults:
    """What came of one batch.

    Attributes:
        results: of the deliveries that ended.
        lost: the keys of those whose agent died under them: they may or may not have happened.
        refused: why no agent could be had for any of them, or "".
    """

    results: list[LocalResult]
    lost: frozenset[int] = frozenset()
    refused: str = ""


@attrs.define(eq=False)
class AgentPool:
    """Runs batches on agents; its methods block and may be called from many threads.

    Attributes:
        path: courierlocal's socket.
        timeout: seconds of silence after which an agent counts as lost.
        homes: sees to homes that are missing; None: the deliveries are deferred.
    """

    path: str
    timeout: float
    homes: MissingHomes | None = None
    _idle: dict[tuple[int, int], list[AgentClient]] = attrs.field(factory=dict, init=False)
    _busy: set[AgentClient] = attrs.field(factory=set, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _stopping: threading.Event = attrs.field(factory=threading.Event, init=False)

    def deliver(
        self,
        uid: int,
        gid: int,
        jobs: Sequence[LocalJob],
        on_result: Callable[[LocalResult], None] = lambda result: None,
    ) -> BatchResults:
        """Have a batch delivered; `on_result` is told each result when it comes."""
        if self.homes is None:
            return self._attempt(uid, gid, jobs, on_result)
        homeless = self.homes.prepare(jobs)
        for result in homeless:
            on_result(result)
        without = {result.key for result in homeless}
        rest = [job for job in jobs if job.key not in without]
        batch = self._attempt(uid, gid, rest, on_result) if rest else BatchResults([])
        self.homes.observe(jobs, batch.results)
        return attrs.evolve(batch, results=[*homeless, *batch.results])

    def _attempt(
        self,
        uid: int,
        gid: int,
        jobs: Sequence[LocalJob],
        on_result: Callable[[LocalResult], None],
    ) -> BatchResults:
        keys = frozenset(job.key for job in jobs)
        try:
            return BatchResults(self._deliver(uid, gid, jobs, on_result))
        except AgentRefused as error:
            return BatchResults([], refused=str(error))
        except AgentLost as error:
            done = list(error.results)
            return BatchResults(done, lost=keys - {result.key for result in done})

    def _deliver(
        self,
        uid: int,
        gid: int,
        jobs: Sequence[LocalJob],
        on_result: Callable[[LocalResult], None],
    ) -> list[LocalResult]:
        with self._lock:
            idle = self._idle.get((uid, gid))
            client = (
                idle.pop()
                if idle
                else AgentClient(self.path, uid=uid, gid=gid, timeout=self.timeout)
            )
            self._busy.add(client)
        try:
            self._open(client)
            results = client.deliver(jobs, on_result)
        finally:
            with self._lock:
                self._busy.discard(client)
        self._give_back(uid, gid, client)
        return results

    def close(self) -> None:
        """End the idle agents; a batch that still runs is given up and will be repeated."""
        self._stopping.set()
        with self._lock:
            for client in (client for clients in self._idle.values() for client in clients):
                client.close()
            self._idle.clear()
            for client in self._busy:
                client.interrupt()

    def _open(self, client: AgentClient) -> None:
        """Connect, with patience: courierlocal may be on its way up."""
        for delay in CONNECT_DELAYS:
            try:
                client.open()
            except AgentLost:
                if self._stopping.wait(delay):
                    raise
            else:
                return
        client.open()

    def _give_back(self, uid: int, gid: int, client: AgentClient) -> None:
        with self._lock:
            if not self._stopping.is_set():
                self._idle.setdefault((uid, gid), []).append(client)
                return
        client.close()
