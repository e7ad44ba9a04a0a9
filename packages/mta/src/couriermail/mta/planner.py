"""Which deliveries start next: limits and fairness, without I/O or clock (spec mta.md 9.2-9.3).

Waiting deliveries stand in *lanes*.  A lane is what one worker can serve in one go: the uid and
gid of local deliveries, a next hop of a remote transport.  Inside a lane they wait by *host*
(the account, the domain).  A batch takes from the hosts of one lane in turn, so that a user with
ten thousand waiting messages delays nobody else's, and the lanes take turns too.

Limits: at most `max_deliveries` batches of a transport run at once, and a host takes part in at
most `max_per_host` of them.  One more rule serves throughput: while fewer than
`busy_batches` batches of a lane run a new one starts at once; beyond that only when the running
ones look stuck (`older_than`), because a batch shares its disk syncs and two half-full batches
cost more than one full batch.  For the same reason a lane that has just begun a batch waits
`linger` seconds before the next, unless that would be full: a lone message starts at once, under
load many share their syncs, commits and wake-ups.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import attrs

__all__ = ["Batch", "Lane", "Planner", "PlannerLimits", "Task"]

W = TypeVar("W")

MAX_REMEMBERED = 4096  # lanes whose last start is kept


@attrs.frozen(kw_only=True)
class PlannerLimits:
    """Limits of one transport.

    Attributes:
        max_deliveries: batches that may run at once (MAXDELS of the module file).
        max_per_host: batches that one host may take part in at once (MAXHOST).
        batch_size: deliveries in one batch.
        busy_batches: batches of a lane that start without looking at the running ones.
        stuck_after: seconds after which a running batch no longer holds up its lane.
        linger: seconds between the starts of two batches of a lane that are not full.
    """

    max_deliveries: int = 10
    max_per_host: int = 4
    batch_size: int = 64
    busy_batches: int = 2
    stuck_after: float = 0.5
    linger: float = 0.0


@attrs.frozen
class Task(Generic[W]):
    """One waiting delivery: its lane, its host and the caller's own work item."""

    lane: Lane
    host: str
    work: W


@attrs.frozen
class Lane:
    """What one worker serves: a transport's name and the worker's key, such as `1000:1000`."""

    transport: str
    key: str


@attrs.define(eq=False)
class Batch(Generic[W]):
    """Deliveries that one worker was given.

    Attributes:
        lane: where they came from.
        tasks: the deliveries, in order.
        started: the caller's monotonic time when it was taken.
    """

    lane: Lane
    tasks: list[Task[W]]
    started: float

    @property
    def hosts(self) -> set[str]:
        """The hosts that take part in it."""
        return {task.host for task in self.tasks}


@attrs.define(eq=False)
class _Waiting(Generic[W]):
    """The hosts of one lane, in the order in which they get their turn."""

    hosts: dict[str, deque[Task[W]]] = attrs.field(factory=dict)
    running: list[Batch[W]] = attrs.field(factory=list)

    def is_full(self, size: int) -> bool:
        """True when a batch of `size` would have no empty places."""
        count = 0
        for queue in self.hosts.values():
            count += len(queue)
            if count >= size:
                return True
        return False

    def take(self, size: int, admits: set[str]) -> list[Task[W]]:
        """Up to `size` tasks of hosts not in `admits`' complement, one host after another."""
        taken: list[Task[W]] = []
        share = max(1, size // max(1, len(self.hosts)))
        for host in list(self.hosts):
            if host not in admits:
                continue
            queue = self.hosts.pop(host)
            for _ in range(min(share, len(queue), size - len(taken))):
                taken.append(queue.popleft())
            if queue:
                self.hosts[host] = queue  # to the end: its next turn comes after the others'
            if len(taken) >= size:
                break
        return taken


@attrs.define(eq=False)
class Planner(Generic[W]):
    """The waiting and running deliveries of all transports.

    Work per call is linear in the lanes and hosts that wait, never in the deliveries.
    """

    limits: dict[str, PlannerLimits] = attrs.field(factory=dict)
    _lanes: dict[Lane, _Waiting[W]] = attrs.field(factory=dict, init=False)
    _started: dict[Lane, float] = attrs.field(factory=dict, init=False)
    _waiting: int = attrs.field(default=0, init=False)

    @property
    def waiting(self) -> int:
        """Deliveries that have not been given to a worker."""
        return self._waiting

    def running(self, transport: str | None = None) -> list[Batch[W]]:
        """Batches that have been taken and not ended, of one transport or of all."""
        return [
            batch
            for lane, state in self._lanes.items()
            if transport in (None, lane.transport)
            for batch in state.running
        ]

    def add(self, task: Task[W]) -> None:
        """Let a delivery wait for its turn."""
        state = self._lanes.setdefault(task.lane, _Waiting())
        state.hosts.setdefault(task.host, deque()).append(task)
        self._waiting += 1

    def take(self, now: float) -> Batch[W] | None:
        """The next batch that may start, or None; the caller must say `end` when it ended.

        Args:
            now: monotonic seconds, compared only with earlier values given here.
        """
        for lane, state in list(self._lanes.items()):
            if not state.hosts or not self._may_start(lane, state, now):
                continue
            limits = self._limits(lane)
            tasks = state.take(limits.batch_size, self._admitted(lane, state, limits))
            if not tasks:
                continue
            batch = Batch(lane, tasks, now)
            state.running.append(batch)
            self._note_start(lane, now)
            self._lanes[lane] = self._lanes.pop(lane)  # the lanes take turns as well
            self._waiting -= len(tasks)
            return batch
        return None

    def next_look(self) -> float | None:
        """When `take` may answer differently though nothing ends: something looks stuck or rested.

        None when nothing waits.
        """
        moments: list[float] = []
        for lane, state in self._lanes.items():
            if not state.hosts:
                continue
            limits = self._limits(lane)
            moments.extend(batch.started + limits.stuck_after for batch in state.running)
            if lane in self._started and len(state.running) < limits.busy_batches:
                moments.append(self._started[lane] + limits.linger)
        return min(moments, default=None)

    def end(self, batch: Batch[W]) -> None:
        """Say that a batch has ended, whatever became of it."""
        state = self._lanes[batch.lane]
        state.running.remove(batch)
        if not state.hosts and not state.running:
            del self._lanes[batch.lane]

    def _limits(self, lane: Lane) -> PlannerLimits:
        return self.limits.get(lane.transport, _DEFAULT_LIMITS)

    def _may_start(self, lane: Lane, state: _Waiting[W], now: float) -> bool:
        limits = self._limits(lane)
        if len(self.running(lane.transport)) >= limits.max_deliveries:
            return False
        lively = sum(1 for batch in state.running if now - batch.started < limits.stuck_after)
        if lively >= limits.busy_batches:
            return False
        has_rested = now >= self._started.get(lane, now - limits.linger) + limits.linger
        return has_rested or state.is_full(limits.batch_size)

    def _note_start(self, lane: Lane, now: float) -> None:
        if len(self._started) >= MAX_REMEMBERED:
            self._started.clear()  # costs one early batch for each lane
        self._started[lane] = now

    def _admitted(self, lane: Lane, state: _Waiting[W], limits: PlannerLimits) -> set[str]:
        """The waiting hosts of a lane that have a free place (MAXHOST)."""
        places: dict[str, int] = {}
        for batch in self.running(lane.transport):
            for host in batch.hosts:
                places[host] = places.get(host, 0) + 1
        return {host for host in state.hosts if places.get(host, 0) < limits.max_per_host}


_DEFAULT_LIMITS = PlannerLimits()
