"""Driving the deliveries of one batch so that they share syncs and cannot hurt each other.

Every delivery advances until it wants something stored or is about to be slow.  All that
want something stored are served together; only when nothing is left to store does one slow
step run, and then again.  A result is reported as soon as it is known.

Nothing that one delivery raises reaches another: it becomes a deferral with a generic text,
and the traceback goes to the log.
"""

from __future__ import annotations

import collections
import logging
import select
import time

import attrs

from couriermail.core.faults import reach
from couriermail.mta.local.delivery import INTERRUPTED, UNFORESEEN, Delivery, Slow
from couriermail.mta.local.mailboxes import MailboxDelivery, StoreFailure, store_in_maildirs
from couriermail.mta.local.recipes import RecipeCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from couriermail.mta.local.values import AgentSettings, LocalJob, LocalResult

__all__ = ["deliver_batch"]

_log = logging.getLogger("couriermail.mta.local")


def deliver_batch(
    jobs: Iterable[LocalJob],
    settings: AgentSettings,
    report: Callable[[LocalResult], None],
    *,
    flush: Callable[[], None] = lambda: None,
    lifeline: int | None = None,
    recipes: RecipeCache | None = None,
    now: Callable[[], float] = time.time,
) -> None:
    """Deliver every job as the process's own user.

    Args:
        jobs: the deliveries.
        settings: how.
        report: gets each result once, when the mail it speaks of is durable.
        flush: called when no further result will come soon: before each slow step and at the
            end.  So `report` may collect.
        lifeline: a descriptor that becomes readable when nobody waits for results any more:
            a running command is ended, and what was not begun is deferred.
        recipes: compiled recipes, kept from batch to batch.
        now: the clock for `From ` lines.

    Raises:
        Exception: only what `report` and `flush` raise.
    """
    batch = _Batch(report, flush, lifeline)
    known = RecipeCache() if recipes is None else recipes
    batch.run([Delivery(job, settings, now(), lifeline, known) for job in jobs])


@attrs.define
class _Running:
    delivery: Delivery
    steps: Generator[MailboxDelivery | Slow, StoreFailure | None, LocalResult]


@attrs.define
class _Batch:
    report: Callable[[LocalResult], None]
    flush: Callable[[], None]
    lifeline: int | None
    _stores: list[tuple[_Running, MailboxDelivery]] = attrs.field(factory=list, init=False)
    _slow: collections.deque[_Running] = attrs.field(factory=collections.deque, init=False)

    def run(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self._advance(_Running(delivery, delivery.run()), None)
        while self._stores or self._slow:
            if self._is_cut():
                self._abandon_all()
            elif self._stores:
                self._store_all()
            else:
                self.flush()
                self._advance(self._slow.popleft(), None)
        self.flush()

    def _advance(self, running: _Running, answer: StoreFailure | None) -> None:
        try:
            step = running.steps.send(answer)
        except StopIteration as ending:
            self._finish(ending.value)
            return
        except Exception:
            _log.exception("delivery %d failed unexpectedly", running.delivery.job.key)
            self._finish(running.delivery.abandon())
            return
        if isinstance(step, Slow):
            self._slow.append(running)
        else:
            self._stores.append((running, step))

    def _store_all(self) -> None:
        stores, self._stores = self._stores, []
        try:
            answers = store_in_maildirs([step for _, step in stores])
        except Exception:
            _log.exception("a batch of %d mailbox deliveries failed unexpectedly", len(stores))
            answers = [StoreFailure(UNFORESEEN, "4.3.0")] * len(stores)
        for (running, _), answer in zip(stores, answers, strict=True):
            self._advance(running, answer)

    def _is_cut(self) -> bool:
        if self.lifeline is None:
            return False
        poll = select.poll()
        poll.register(self.lifeline, select.POLLIN)
        return bool(poll.poll(0))

    def _abandon_all(self) -> None:
        waiting = [*(running for running, _ in self._stores), *self._slow]
        self._stores.clear()
        self._slow.clear()
        for running in waiting:
            running.steps.close()
            self._finish(running.delivery.abandon(INTERRUPTED))

    def _finish(self, result: LocalResult) -> None:
        reach("local.before-reply")
        self.report(result)
