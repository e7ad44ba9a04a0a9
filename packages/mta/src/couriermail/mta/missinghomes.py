"""Deliveries whose home is missing: courierlocal is asked for it before an agent gets them."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import attrs

from couriermail.mta.local.client import ask_for_home
from couriermail.mta.local.errors import AgentLost, AgentRefused
from couriermail.mta.local.values import LocalJob, LocalResult

__all__ = ["MissingHomes"]

ANSWER_SECONDS = 30.0  # a skeleton is small; a home on a server that hangs is no reason to wait
MAX_REMEMBERED = 20_000  # accounts


@attrs.define(eq=False)
class MissingHomes:
    """Has homes made; its methods block and may be called from many threads.

    Where we may not look whether a home exists, an account is asked about once, and again
    after a delivery to it was deferred.

    Attributes:
        path: courierlocal's socket.
    """

    path: str
    _asked: set[str] = attrs.field(factory=set, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def prepare(self, jobs: Sequence[LocalJob]) -> list[LocalResult]:
        """Ask for the homes that these deliveries miss; one attempt for each account.

        Returns:
            The results of deliveries whose home cannot be had.
        """
        reasons: dict[str, str] = {}
        for job in jobs:
            if job.account not in reasons and self._misses_home(job):
                reasons[job.account] = self._ask(job.account)
        return [
            LocalResult(
                key=job.key,
                kind="deferral",
                lines=(reason,),
                ledger=job.ledger,
                enhanced="4.3.0",
            )
            for job in jobs
            if (reason := reasons.get(job.account))
        ]

    def observe(self, jobs: Sequence[LocalJob], results: Sequence[LocalResult]) -> None:
        """Learn from what came of deliveries."""
        accounts = {job.key: job.account for job in jobs}
        deferred = {accounts[item.key] for item in results if item.kind == "deferral"}
        with self._lock:
            self._asked -= deferred

    def _misses_home(self, job: LocalJob) -> bool:
        if not job.account:
            return False
        try:
            os.lstat(job.home)
        except FileNotFoundError:
            return True
        except OSError:
            return job.account not in self._asked
        return False

    def _ask(self, account: str) -> str:
        try:
            ask_for_home(self.path, account, timeout=ANSWER_SECONDS)
        except AgentRefused as error:
            return str(error)
        except AgentLost:  # the delivery asks for an agent with more patience
            return ""
        with self._lock:
            if len(self._asked) >= MAX_REMEMBERED:
                self._asked.clear()
            self._asked.add(account)
        return ""
