"""Laws of the planner: limits are never passed, everything runs once, nobody starves."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from couriermail.mta.planner import Batch, Lane, Planner, PlannerLimits, Task

LANES = [Lane("local", "1:1"), Lane("local", "2:2"), Lane("esmtp", "mx")]
LIMITS = {
    "local": PlannerLimits(max_deliveries=3, max_per_host=2, batch_size=4, busy_batches=1),
    "esmtp": PlannerLimits(max_deliveries=2, max_per_host=1, batch_size=3, busy_batches=2),
}
HOSTS = st.sampled_from(["a", "b", "c", "d"])


class PlannerMachine(RuleBasedStateMachine):
    """Any order of deliveries, starts, ends and passing time."""

    def __init__(self) -> None:
        super().__init__()
        self.planner: Planner[int] = Planner(LIMITS)
        self.now = 0.0
        self.added = 0
        self.taken: list[int] = []
        self.running: list[Batch[int]] = []

    @rule(lane=st.sampled_from(LANES), host=HOSTS, count=st.integers(1, 9))
    def add(self, lane: Lane, host: str, count: int) -> None:
        for _ in range(count):
            self.planner.add(Task(lane, host, self.added))
            self.added += 1

    @rule()
    def take(self) -> None:
        batch = self.planner.take(self.now)
        if batch is not None:
            assert batch.tasks
            assert {task.lane for task in batch.tasks} == {batch.lane}
            assert len(batch.tasks) <= LIMITS[batch.lane.transport].batch_size
            self.taken.extend(task.work for task in batch.tasks)
            self.running.append(batch)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        batch = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.planner.end(batch)

    @rule(seconds=st.sampled_from([0.1, 0.5, 3.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def no_limit_is_passed(self) -> None:
        """At most `max_deliveries` batches run; a host is in at most `max_per_host`."""
        for transport, limits in LIMITS.items():
            running = self.planner.running(transport)
            assert len(running) <= limits.max_deliveries
            for host in "abcd":
                assert sum(host in batch.hosts for batch in running) <= limits.max_per_host

    @invariant()
    def every_task_is_somewhere_exactly_once(self) -> None:
        assert len(self.taken) == len(set(self.taken))
        assert len(self.taken) + self.planner.waiting == self.added

    def teardown(self) -> None:
        """When everything ends, everything that waits gets its turn."""
        for _ in range(4 * self.added + 10):
            for batch in self.running:
                self.planner.end(batch)
            self.running = []
            self.now += 10.0
            self.take()
        assert sorted(self.taken) == list(range(self.added))
        for batch in self.running:
            self.planner.end(batch)
        assert self.planner.running() == []
        assert self.planner.next_look() is None


TestPlanner = PlannerMachine.TestCase


@given(st.integers(1, 500), st.integers(1, 3))
def test_a_host_with_many_messages_delays_nobody_elses(many: int, others: int) -> None:
    """A batch takes from the hosts of one lane in turn: each waiting host is in the first one."""
    limits = PlannerLimits(batch_size=8, max_per_host=4)
    planner: Planner[str] = Planner({"local": limits})
    for _ in range(many):
        planner.add(Task(LANES[0], "busy", "busy"))
    for number in range(others):
        planner.add(Task(LANES[0], f"other{number}", "other"))
    batch = planner.take(0.0)
    assert batch is not None
    assert batch.hosts == {"busy", *(f"other{number}" for number in range(others))}


@given(st.lists(st.tuples(HOSTS, st.integers(0, 99)), min_size=1, max_size=60))
def test_one_hosts_deliveries_keep_their_order(tasks: list[tuple[str, int]]) -> None:
    """Inside a lane they wait by host, first come first served."""
    planner: Planner[tuple[str, int]] = Planner({"local": PlannerLimits(batch_size=5)})
    for task in tasks:
        planner.add(Task(LANES[0], task[0], task))
    order: list[tuple[str, int]] = []
    while (batch := planner.take(float(len(order)))) is not None:
        order.extend(task.work for task in batch.tasks)
        planner.end(batch)
    for host in "abcd":
        assert [task for task in order if task[0] == host] == [t for t in tasks if t[0] == host]


@given(st.floats(0.1, 5.0))
def test_a_stuck_batch_does_not_hold_up_its_lane(stuck_after: float) -> None:
    """`next_look` names the moment from which a running batch no longer holds up its lane."""
    limits = attrs.evolve(LIMITS["local"], stuck_after=stuck_after)
    planner: Planner[int] = Planner({"local": limits})
    for number in range(8):
        planner.add(Task(LANES[0], "a", number))
    assert planner.take(0.0) is not None
    assert planner.take(0.0) is None
    look = planner.next_look()
    assert look == stuck_after
    assert planner.take(look) is not None
