"""Under load deliveries of a lane gather; a lone one starts at once."""

from __future__ import annotations

from couriermail.mta.planner import Lane, Planner, PlannerLimits, Task

LANE = Lane("local", "1000:1000")


def planner(batch_size: int = 4) -> Planner[int]:
    limits = PlannerLimits(batch_size=batch_size, linger=0.5, busy_batches=2)
    return Planner({"local": limits})


def add(plan: Planner[int], *numbers: int) -> None:
    for number in numbers:
        plan.add(Task(LANE, "bob", number))


def test_a_lone_delivery_starts_at_once() -> None:
    plan = planner()
    add(plan, 1)
    batch = plan.take(100.0)
    assert batch is not None
    assert [task.work for task in batch.tasks] == [1]


def test_later_ones_gather_until_the_lane_has_rested() -> None:
    plan = planner()
    add(plan, 1)
    first = plan.take(100.0)
    assert first is not None
    plan.end(first)
    add(plan, 2, 3)
    assert plan.take(100.2) is None
    assert plan.next_look() == 100.5
    batch = plan.take(100.5)
    assert batch is not None
    assert [task.work for task in batch.tasks] == [2, 3]


def test_a_full_batch_does_not_wait() -> None:
    plan = planner(batch_size=2)
    add(plan, 1)
    assert plan.take(100.0) is not None
    add(plan, 2, 3)
    batch = plan.take(100.1)
    assert batch is not None
    assert [task.work for task in batch.tasks] == [2, 3]


def test_a_lane_that_may_not_start_asks_for_no_early_look() -> None:
    plan = planner(batch_size=1)
    add(plan, 1, 2, 3)
    assert plan.take(100.0) is not None
    assert plan.take(100.1) is not None
    assert plan.take(100.2) is None
    assert plan.next_look() == 100.5  # when the first batch would look stuck
