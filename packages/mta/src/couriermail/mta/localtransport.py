"""The local transport: batches of one user's mail to a delivery agent and back (spec mta.md 11)."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from couriermail.mta.accounts import LocalTarget
from couriermail.mta.agentpool import AgentPool, BatchResults
from couriermail.mta.local.values import LocalJob, LocalResult
from couriermail.mta.scheduler import Delivery, DeliveryResult
from couriermail.mta.verp import sender_for
from couriermail.queue import Outcome

if TYPE_CHECKING:
    from couriermail.mta.planner import Lane

__all__ = ["LocalTransport"]


@attrs.define(eq=False)
class LocalTransport:
    """Runs each batch in a thread of its own, on an agent of the lane's uid and gid.

    Attributes:
        pool: the agents.
        max_deliveries: batches that run at once.
        default_delivery: instructions of a user without an instruction file.
        environment: variables for users' commands, from the `courierd` file.
    """

    pool: AgentPool
    max_deliveries: int
    default_delivery: str = "./Maildir"
    environment: Mapping[str, str] = attrs.field(factory=dict)
    _threads: ThreadPoolExecutor = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.max_deliveries, thread_name_prefix="local")

    def run(self, lane: Lane, deliveries: list[Delivery]) -> Future[list[DeliveryResult]]:
        """Deliver one batch (see `couriermail.mta.scheduler.Transport`)."""
        uid, _, gid = lane.key.partition(":")
        return self._threads.submit(self._deliver, int(uid), int(gid), deliveries)

    def close(self) -> None:
        """Let running batches end, begin nothing new."""
        self.pool.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _deliver(self, uid: int, gid: int, deliveries: list[Delivery]) -> list[DeliveryResult]:
        with ExitStack() as open_bodies:
            bodies: dict[int, bytes] = {}
            jobs = [
                self._job(key, delivery, bodies, open_bodies)
                for key, delivery in enumerate(deliveries)
            ]
            batch = self.pool.deliver(uid, gid, jobs)
        return _results(deliveries, batch)

    def _job(
        self, key: int, delivery: Delivery, bodies: dict[int, bytes], open_bodies: ExitStack
    ) -> LocalJob:
        job, state, target = delivery.round.job, delivery.state, delivery.route.target
        assert isinstance(target, LocalTarget)  # noqa: S101 - the router made this lane for us
        body: bytes | int
        inline = bodies.get(job.number) or job.body_bytes()
        if inline is not None:
            body = bodies[job.number] = inline
        else:
            body = open_bodies.enter_context(job.open_body()).fileno()
        return LocalJob(
            key=key,
            recipient=state.recipient.address,
            original=state.recipient.original,
            sender=sender_for(job.envelope, state.recipient.address),
            user=target.name,
            account=target.account,
            home=target.home,
            maildir=target.maildir or "",
            quota=target.quota or "",
            extension=target.extension,
            default_instructions=self.default_delivery,
            size=job.size,
            body=body,
            ledger=state.note,
            environment=self.environment,
        )


def _results(deliveries: list[Delivery], batch: BatchResults) -> list[DeliveryResult]:
    if batch.refused:
        return [
            DeliveryResult(outcome=_deferral(delivery.index, batch.refused))
            for delivery in deliveries
        ]
    by_key = {result.key: result for result in batch.results}
    return [
        _result(delivery.index, by_key[key]) if key in by_key else DeliveryResult(outcome=None)
        for key, delivery in enumerate(deliveries)
    ]


def _deferral(index: int, reason: str) -> Outcome:
    return Outcome(index=index, kind="deferral", lines=(reason,))


def _result(index: int, result: LocalResult) -> DeliveryResult:
    lines = result.lines
    if result.enhanced and result.kind != "success":
        # Reports take the status from the front of the last line (RFC 3464 2.3.4).
        code = "550" if result.kind == "failure" else "450"
        lines = (*lines[:-1], f"{code} {result.enhanced} {lines[-1] if lines else ''}".rstrip())
    outcome = Outcome(
        index=index,
        kind=result.kind,
        flag="l" if result.kind == "success" else "",
        lines=lines,
        untracked=result.untracked,
        note=result.ledger,
    )
    return DeliveryResult(outcome=outcome, forwards=result.forwards)
