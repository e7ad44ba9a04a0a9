"""Message numbers: unique forever, without a commit for each.

A block of numbers is reserved in one transaction and handed out from memory; the next block
is reserved along with other commits when half of the last one is used.  A crash skips what
was reserved and never gives a number twice.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from couriermail.queue.works import ReserveWork

if TYPE_CHECKING:
    from couriermail.queue.committer import Committer
    from couriermail.queue.store import Store

__all__ = ["Numbers"]


class Numbers:
    """Hands out numbers of a queue.

    Args:
        store: where blocks are reserved.
        committer: by whom.
        block: numbers per block.
    """

    def __init__(self, store: Store, committer: Committer, block: int) -> None:
        self._store = store
        self._committer = committer
        self._block = block
        self._lock = threading.Lock()
        self._next = 0
        self._end = 0
        self._blocks: list[tuple[int, int]] = []
        self._is_reserving = False

    def take(self, count: int) -> list[int]:
        """`count` numbers, ascending.

        Raises:
            QueueStorageError: no block could be reserved.
        """
        with self._lock:
            taken = [self._take_one() for _ in range(count)]
            if not self._blocks and self._end - self._next < self._block // 2:
                self._reserve_ahead()
            return taken

    def _take_one(self) -> int:
        if self._next >= self._end and not self._blocks:
            work = ReserveWork(self._store, self._block, self._keep)
            self._committer.put(work)
            work.ticket.result()
        if self._next >= self._end:
            self._next, self._end = self._blocks.pop(0)
        number = self._next
        self._next += 1
        return number

    def _reserve_ahead(self) -> None:
        if self._is_reserving:
            return
        self._is_reserving = True
        work = ReserveWork(self._store, self._block, self._keep)
        work.is_urgent = False
        work.ticket.add_done_callback(self._reserved)
        self._committer.put(work)

    def _keep(self, start: int, count: int) -> None:
        self._blocks.append((start, start + count))

    def _reserved(self, _: object) -> None:
        self._is_reserving = False
