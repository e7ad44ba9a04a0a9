"""Group commit: one thread turns what many callers want written into few synced commits.

Theory of operation.  Callers prepare everything (records, checksums, body files) and hand
over a `Work`.  The committer takes all that is there, applies it in one transaction, commits,
and only then resolves the futures (spec mta 8.4 D5).  While it syncs, the next batch gathers;
that alone gives full batches under load and no delay for a lone message.  It waits a little
(`commit_delay`) only while somebody is known to be staging a submission, and outcomes alone
wait up to `outcome_delay` for company, because nobody's reply hangs on them.

Failures.  Work that is wrong in itself is thrown out and the rest is applied again.  When the
database is full, work that may not use the reserve fails and outcomes are tried again, in
smaller pieces if need be.
When the commit itself fails, every waiter of the batch gets the error.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from couriermail.queue.errors import QueueError, QueueStorageError
from couriermail.queue.settings import QueueSettings
from couriermail.queue.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    import lmdb

__all__ = ["Committer", "Ticket", "Work"]

_logger = logging.getLogger("couriermail.queue")


class Ticket(Future[None]):
    """A future that its waiter cannot cancel: what was handed over will be committed."""

    def cancel(self) -> bool:
        """Always False; asyncio asks this when the task that waited is cancelled."""
        return False


class Work:
    """Something to be written in one piece.

    Attributes:
        ticket: resolved after the commit.
        is_urgent: somebody waits for it; outcomes are not urgent.
        is_new_mail: it may not use the space kept in reserve for outcomes.
        is_news: the scheduler should be told after the commit.
    """

    is_urgent = True
    is_new_mail = False
    is_news = False

    def __init__(self) -> None:
        self.ticket = Ticket()

    def apply(self, transaction: lmdb.Transaction) -> None:
        """Write it.  May run more than once; must have no effect outside the transaction."""
        raise NotImplementedError

    def committed(self) -> None:
        """What follows a successful commit; runs in the committer's thread."""


class _RejectedError(Exception):
    """One work cannot be applied, whatever it shares the batch with."""

    def __init__(self, work: Work, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.work = work
        self.reason = reason


class Committer:
    """The thread that commits for a queue.

    Args:
        store: where to.
        settings: delays and batch sizes.
        announce: called after a commit that has news for the scheduler.
    """

    def __init__(self, store: Store, settings: QueueSettings, announce: Callable[[], None]) -> None:
        self._store = store
        self._settings = settings
        self._announce = announce
        self._changed = threading.Condition()
        self._waiting: list[Work] = []
        self._first = 0.0  # when the oldest waiting work came
        self._urgent = 0.0  # when the oldest urgent one came; 0.0 = none
        self._staging = 0
        self._is_idle = True
        self._is_closing = False
        self._pid = os.getpid()  # a fork has no committer thread: its futures would never end
        self._thread = threading.Thread(target=self._run, name="queue-commit", daemon=True)
        self._thread.start()

    def put(self, work: Work, *, was_staged: bool = False) -> None:
        """Hand over `work`; its ticket is resolved after the commit.

        Raises:
            QueueStorageError: the queue is closed.
        """
        with self._changed:
            if was_staged:
                self._staging -= 1
            if self._is_closing or self._pid != os.getpid():
                raise QueueStorageError("the queue is closed", path=self._store.path)
            now = time.monotonic()
            if not self._waiting:
                self._first = now
            self._waiting.append(work)
            if work.is_urgent and not self._urgent:
                self._urgent = now
            if self._is_idle:
                self._wake_if_ready()

    def stage(self) -> None:
        """Say that a submission will follow soon (by `put` or `unstage`)."""
        with self._changed:
            self._staging += 1

    def unstage(self) -> None:
        """The submission announced by `stage` will not come."""
        with self._changed:
            self._staging -= 1
            self._wake_if_ready()

    def close(self) -> None:
        """Commit what is waiting and end the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _wake_if_ready(self) -> None:
        count = len(self._waiting)
        if count == 1 or self._urgent or count >= self._settings.commit_batch:
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._collect():
            self._commit(batch)

    def _collect(self) -> list[Work]:
        """Wait for work and for the moment to commit it; empty when the queue closes."""
        with self._changed:
            self._is_idle = True
            while not self._waiting and not self._is_closing:
                self._changed.wait()
            while (pause := self._pause()) > 0:
                self._changed.wait(pause)
            self._is_idle = False
            batch = self._waiting[: self._settings.commit_max]
            self._waiting = self._waiting[self._settings.commit_max :]
            self._first = self._urgent = 0.0  # what was left over has waited enough
            return batch

    def _pause(self) -> float:
        """Seconds still to wait for company."""
        settings = self._settings
        if self._is_closing or len(self._waiting) >= settings.commit_batch:
            return 0.0
        if not self._urgent:
            return self._first + settings.outcome_delay - time.monotonic()
        if not self._staging:
            return 0.0
        return self._urgent + settings.commit_delay - time.monotonic()

    def _commit(self, batch: list[Work]) -> bool:
        """Commit `batch` and resolve its tickets; False when nothing of it was committed."""
        try:
            batch = self._write(batch)
        except QueueStorageError as error:
            return self._make_do(batch, error)
        except QueueError as error:
            self._fail(batch, error)
            return False
        except BaseException as error:
            _logger.exception("commit failed unexpectedly")
            self._fail(batch, QueueError(f"commit failed: {type(error).__name__}"))
            return False
        self._resolve(batch)
        return bool(batch)

    def _make_do(self, batch: list[Work], error: QueueStorageError) -> bool:
        """Save the outcomes of a batch for which there was no space."""
        outcomes = [work for work in batch if not work.is_new_mail]
        if not error.is_full or (len(batch) == 1 and outcomes):
            self._fail(batch, error)
            return False
        if len(outcomes) < len(batch):
            self._fail([work for work in batch if work.is_new_mail], error)
            return bool(outcomes) and self._commit(outcomes)
        # What one transaction frees the one after the next may use, so that pieces can fit
        # where the whole does not.  When the smallest piece does not fit either, give up.
        middle = len(batch) // 2
        if self._commit(batch[:middle]):
            return self._commit(batch[middle:]) or True
        self._fail(batch[middle:], error)
        return False

    def _write(self, batch: list[Work]) -> list[Work]:
        """Write what can be written of `batch`, which is returned; the rest gets its error."""
        while batch:
            try:
                self._store.write(_Batch(batch, self._store, self._settings))
                return batch
            except _RejectedError as rejected:
                self._fail([rejected.work], rejected.reason)
                batch = [work for work in batch if work is not rejected.work]
        return batch

    def _resolve(self, batch: list[Work]) -> None:
        has_news = False
        for work in batch:
            has_news = has_news or work.is_news
            try:
                work.committed()
            except Exception:
                _logger.exception("after the commit")
            work.ticket.set_result(None)
        if has_news:
            self._announce()

    @staticmethod
    def _fail(batch: list[Work], error: BaseException) -> None:
        for work in batch:
            work.ticket.set_exception(error)


class _Batch:
    """Applies the works of a batch, keeping the reserve free of new mail."""

    def __init__(self, batch: list[Work], store: Store, settings: QueueSettings) -> None:
        self._batch = batch
        self._store = store
        self._ceiling = 1.0 - settings.map_reserve

    def __call__(self, transaction: lmdb.Transaction) -> None:
        import lmdb

        is_tight = self._store.share_used_in(transaction) >= self._ceiling
        for work in self._batch:
            if is_tight and work.is_new_mail:
                raise _RejectedError(work, self._full())
            try:
                work.apply(transaction)
            except (lmdb.BadValsizeError, lmdb.KeyExistsError) as error:
                raise _RejectedError(work, _as_queue_error(error)) from error
            except (lmdb.Error, OSError):
                raise  # the map, the disk or the database: not this work's fault
            except Exception as error:
                raise _RejectedError(work, _as_queue_error(error)) from error

    def _full(self) -> QueueStorageError:
        return QueueStorageError("the queue is full", path=self._store.path, is_full=True)


def _as_queue_error(error: Exception) -> QueueError:
    if isinstance(error, QueueError):
        return error
    return QueueError(f"cannot be stored: {type(error).__name__}: {error}")
