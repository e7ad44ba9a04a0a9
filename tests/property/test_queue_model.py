"""The queue against a dictionary: any history of calls, crashes and operators.

"After D1 the message is never forgotten ... readers never see an envelope without its body,
its due entry, its recipients" (spec mta 8.4): after every step the queue shows exactly the
messages of the model, in their states, and `check` finds nothing.
"""

from __future__ import annotations

import shutil
import tempfile

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from couriermail.core import ManualClock
from couriermail.queue import Envelope, Outcome, Queue, QueueSettings, Recipient, Submission
from couriermail.queue.job import Job

SETTINGS = QueueSettings(
    outcome_delay=0.0, inline_max=50, id_block=8, map_size=1 << 17, sync_directories=False
)


@attrs.define
class Model:
    """One message as it should be."""

    body: bytes
    next_due: float
    states: list[str]
    attempts: list[int]
    rounds: int = 0
    held: bool = False
    cancelled: bool = False


class QueueMachine(RuleBasedStateMachine):
    """Submit, lease, finish, defer, cancel, hold, flush, reopen, in any order."""

    jobs = Bundle("jobs")

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="queue-model-")
        self.clock = ManualClock()
        self.model: dict[str, Model] = {}
        self.leased: set[str] = set()
        self.generation = 0
        self.open()

    def open(self) -> None:
        self.queue = Queue.open(self.directory, settings=SETTINGS, clock=self.clock)

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
            shutil.rmtree(self.directory)

    @rule(
        parts=st.integers(1, 3),
        recipients=st.integers(1, 3),
        size=st.sampled_from([0, 20, 50, 51, 4000]),
        delay=st.sampled_from([0.0, 0.0, 60.0]),
    )
    def submit(self, parts: int, recipients: int, size: int, delay: float) -> None:
        body = bytes([65 + parts]) * size
        names = tuple(Recipient(address=f"r{n}@example.net") for n in range(recipients))
        envelope = Envelope(sender="s@example.com", recipients=names, delay=delay)
        ids = self.queue.new_ids(parts)
        self.queue.submit([Submission(queue_id, envelope, body) for queue_id in ids])
        for queue_id in ids:
            assert queue_id not in self.model
            due = self.clock.now() + delay
            self.model[queue_id] = Model(body, due, ["pending"] * recipients, [0] * recipients)

    @rule(target=jobs, limit=st.integers(1, 4))
    def lease(self, limit: int) -> tuple[int, list[Job]]:
        now = self.clock.now()
        due = [
            (model.next_due, queue_id)
            for queue_id, model in self.model.items()
            if model.next_due <= now and not model.held and queue_id not in self.leased
        ]
        leased = self.queue.lease(limit, now)
        assert [job.id for job in leased] == [queue_id for _, queue_id in sorted(due)[:limit]]
        for job in leased:
            self.leased.add(job.id)
            with job.open_body() as stream:
                assert stream.read() == self.model[job.id].body
        return self.generation, leased

    @rule(batch=consumes(jobs), kinds=st.lists(st.sampled_from("SFD"), min_size=3, max_size=3))
    def finish(self, batch: tuple[int, list[Job]], kinds: list[str]) -> None:
        generation, leased = batch
        if generation != self.generation:
            return  # leases of a process that is gone
        words = {"S": "success", "F": "failure", "D": "deferral"}
        futures = []
        for job in leased:
            model = self.model[job.id]
            outcomes = [
                Outcome(index=n, kind=words[kinds[n]])  # type: ignore[arg-type]
                for n in range(len(model.states))
            ]
            for n, state in enumerate(model.states):
                if state == "pending":
                    model.attempts[n] += 1
                    model.states[n] = "pending" if kinds[n] == "D" else words[kinds[n]]
            self.leased.discard(job.id)
            if "pending" in model.states:
                due = self.clock.now() + 300
                knew = job.cancelled is not None
                model.next_due = self.clock.now() if model.cancelled and not knew else due
                model.rounds += 1
                futures.append(self.queue.finish(job, outcomes, next_due=due))
            else:
                del self.model[job.id]
                futures.append(self.queue.finish(job, outcomes, remove=True))
        for future in futures:
            future.result()

    @rule(batch=consumes(jobs), after=st.sampled_from([None, 30.0]))
    def release(self, batch: tuple[int, list[Job]], after: float | None) -> None:
        generation, leased = batch
        if generation != self.generation:
            return
        for job in leased:
            model = self.model[job.id]
            self.leased.discard(job.id)
            due = None if after is None else self.clock.now() + after
            if due is not None:
                is_news = model.cancelled and job.cancelled is None
                model.next_due = self.clock.now() if is_news else due
            self.queue.release(job, due).result()

    @rule(data=st.data(), action=st.sampled_from(["cancel", "hold", "unhold", "flush"]))
    def operate(self, data: st.DataObject, action: str) -> None:
        if not self.model:
            return
        queue_id = data.draw(st.sampled_from(sorted(self.model)))
        model = self.model[queue_id]
        if action == "cancel":
            self.queue.cancel(queue_id, ["stop"])
            model.cancelled, model.held = True, False
        elif action == "flush":
            self.queue.flush(queue_id)
        else:
            getattr(self.queue, action)(queue_id)
            model.held = action == "hold"
        if action in {"cancel", "flush"}:
            model.next_due = min(model.next_due, self.clock.now())

    @rule()
    def flush_all(self) -> None:
        self.queue.flush()
        for model in self.model.values():
            if not model.held:
                model.next_due = min(model.next_due, self.clock.now())

    @rule(seconds=st.sampled_from([1.0, 60.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def reopen(self) -> None:
        self.queue.close()
        self.generation += 1
        self.leased.clear()
        self.open()
        assert self.queue.become_scheduler() == []

    @invariant()
    def shows_what_the_model_says(self) -> None:
        if not hasattr(self, "queue"):
            return
        shown = {summary.id: summary for summary in self.queue.summaries()}
        assert shown.keys() == self.model.keys()
        for queue_id, model in self.model.items():
            summary = shown[queue_id]
            assert [state.state for state in summary.states] == model.states
            assert [state.attempts for state in summary.states] == model.attempts
            assert summary.rounds == model.rounds
            assert summary.next_due == (None if model.held else model.next_due)
            assert (summary.cancelled is not None) == model.cancelled
        assert self.queue.check() == []


QueueMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyHistory = QueueMachine.TestCase
