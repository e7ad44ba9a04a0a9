"""The database: one LMDB environment, its named databases, growth and failure.

| database | key | value |
| --- | --- | --- |
| `meta` | name | schema version, next number, instance id |
| `msg` | number | envelope, recipients, body reference and, for most mail, the body itself |
| `state` | number | what changes; absent until something happened (see `state`) |
| `due` | time, number | empty; exactly one entry per live message that is not on hold |
| `body` | body id | a small body that split messages share |
| `bodyref` | body id | kind, count, size, CRC of a shared body or a body file |
| `bad` | number | quarantined records with the reason |
| `marks` | name | when a message with that mark was queued; until the caller forgets it |

Spec mta 8.2 lists more databases; they are merged where one row does.  Envelope, recipients
and inline body are written together and never changed, so they are one `msg` row: a small
message costs two puts (`msg`, `due`).  Recipient states, log and retry data change together
at the end of a round, so they are one `state` row.  `lease` is gone, because leases live in
the memory of the one process that holds the scheduler lock, and `owner`, because the uid is
in the fixed part of a `msg` row.

Syncing is always on.  A `Store` may be used by many threads: reads take a gate that closes
while the map is resized or reopened, which LMDB allows only without live transactions.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from couriermail.core.faults import reach
from couriermail.queue.errors import (
    FULL_ERRORS,
    QueueBusyError,
    QueueDamagedError,
    QueueStorageError,
    disk_error,
)
from couriermail.queue.mapfile import pad_short_file
from couriermail.queue.settings import QueueSettings

if TYPE_CHECKING:
    import lmdb

    from couriermail.core.clock import Clock

__all__ = ["Databases", "Store"]

SCHEMA = b"1"
MAX_READERS = 1024  # spec mta 8.5
NAMES = ("meta", "msg", "state", "due", "body", "bodyref", "bad", "marks")
SMALLEST_GROWTH = 1 << 20
RESIZED = "the map keeps being resized by other processes"

_logger = logging.getLogger("couriermail.queue")


class Databases:
    """Handles of the named databases."""

    __slots__ = NAMES
    meta: lmdb._Database
    msg: lmdb._Database
    state: lmdb._Database
    due: lmdb._Database
    body: lmdb._Database
    bodyref: lmdb._Database
    bad: lmdb._Database
    marks: lmdb._Database

    def __init__(self, environment: lmdb.Environment) -> None:
        for name in NAMES:
            setattr(self, name, environment.open_db(name.encode()))


class Store:
    """One LMDB environment with growth, failure and reopening.

    Args:
        path: the directory.
        settings: limits.
        clock: measures the pause before a failed store is tried again.
        create: make the directory and databases when they are missing.

    Raises:
        QueueBusyError: this process has the same directory open already.
        QueueDamagedError: the database cannot be read.
        QueueStorageError: it cannot be opened or created.
    """

    def __init__(self, path: str, settings: QueueSettings, clock: Clock, *, create: bool) -> None:
        import lmdb

        self._lmdb = lmdb
        self.path = path
        self._settings = settings
        self._clock = clock
        self._gate = threading.Condition()
        self._readers = 0
        self._is_closed = False
        self._pid = os.getpid()
        self._failed_at: float | None = None
        self._environment = self._open(create=create)
        self.db = self._prepare()

    @property
    def is_failed(self) -> bool:
        """True after an I/O error, until the store was reopened and verified."""
        return self._failed_at is not None

    @contextmanager
    def read(self) -> Iterator[lmdb.Transaction]:
        """A short read transaction; its values are memory views that die with it."""
        self._enter()
        try:
            with self._begin_read() as transaction:
                yield transaction
        except self._lmdb.Error as error:
            raise self._read_error(error) from error
        finally:
            self._leave()

    def write(self, apply: Callable[[lmdb.Transaction], None]) -> None:
        """Run `apply` in a write transaction and commit it, synced.

        `apply` runs again from the start when the map had to grow, so it must not have
        effects of its own.  Fault points: `queue.before-commit`, `queue.after-commit`.

        Raises:
            QueueStorageError: nothing was written; after an I/O error the store is failed.
        """
        for _ in range(64):  # each turn doubles the map or adopts another process's size
            self._enter()
            try:
                self._write_once(apply)
                return
            except self._lmdb.MapFullError as error:
                problem: Exception = error
            except self._lmdb.MapResizedError:
                problem = QueueStorageError(RESIZED, path=self.path)
            except (self._lmdb.Error, OSError) as error:
                failure: Exception = error
                break
            finally:
                self._leave()
            if isinstance(problem, self._lmdb.MapFullError):
                self._grow()
            else:
                self._adopt_size()
        else:
            raise QueueStorageError(RESIZED, path=self.path)
        raise self._write_error(failure) from failure

    def used_share(self) -> float:
        """How full the database is, of `map_max`; pages freed by removals count as free."""
        with self.read() as transaction:
            return self.share_used_in(transaction)

    def share_used_in(self, transaction: lmdb.Transaction) -> float:
        """`used_share` as one transaction sees it; cheap while the file is small."""
        limit = self._settings.map_max
        page = int(self._environment.stat()["psize"])
        if int(self._environment.info()["last_pgno"]) * page < limit * 0.5:
            return 0.0
        pages = 0
        for name in NAMES:
            counts = transaction.stat(getattr(self.db, name))
            pages += counts["branch_pages"] + counts["leaf_pages"] + counts["overflow_pages"]
        return pages * page / limit

    def check_readers(self) -> int:
        """Free the slots of readers that died; the number freed (spec mta 8.5)."""
        self._enter()
        try:
            return int(self._environment.reader_check())
        finally:
            self._leave()

    def close(self) -> None:
        """Close the environment once the reads in progress are over."""
        with self._gate:
            self._is_closed = True
            while self._readers:
                self._gate.wait()
            self._environment.close()

    def _open(self, *, create: bool) -> lmdb.Environment:
        settings = self._settings
        try:
            if create:
                os.makedirs(self.path, mode=0o750, exist_ok=True)
            pad_short_file(os.path.join(self.path, "data.mdb"))
            return self._lmdb.open(
                self.path,
                map_size=min(settings.map_size, settings.map_max),
                max_dbs=len(NAMES),
                max_readers=MAX_READERS,
                mode=0o660,
                create=create,
            )
        except self._lmdb.Error as error:
            raise self._open_error(error) from error
        except OSError as error:
            raise disk_error(error, "cannot open", self.path) from error

    def _open_error(self, error: lmdb.Error) -> Exception:
        if "already open" in str(error):
            return QueueBusyError(f"{self.path}: open in this process already")
        return self._read_error(error, "cannot open")

    def _prepare(self) -> Databases:
        """Open the named databases; write the schema version into a new environment."""
        try:
            return self._open_databases()
        except self._lmdb.Error as error:
            self._environment.close()
            raise self._open_error(error) from error
        except (QueueDamagedError, QueueStorageError):
            self._environment.close()
            raise

    def _open_databases(self) -> Databases:
        for _ in range(64):
            try:
                databases = Databases(self._environment)
                self._check_schema(databases)
            except self._lmdb.MapResizedError:  # another process made it grow just now
                self._environment.set_mapsize(0)
            else:
                return databases
        raise QueueStorageError(RESIZED, path=self.path)

    def _check_schema(self, databases: Databases) -> None:
        with self._environment.begin() as transaction:
            version = transaction.get(b"schema", db=databases.meta)
        if version is None:
            with self._environment.begin(write=True) as transaction:
                transaction.put(b"schema", SCHEMA, db=databases.meta)
                transaction.put(b"instance", uuid.uuid4().bytes, db=databases.meta)
        elif version != SCHEMA:
            raise QueueDamagedError(f"{self.path}/data.mdb: schema {version!r} is not ours")

    def _write_once(self, apply: Callable[[lmdb.Transaction], None]) -> None:
        with self._environment.begin(write=True, buffers=True) as transaction:
            apply(transaction)
            reach("queue.before-commit")
        reach("queue.after-commit")

    def _begin_read(self) -> lmdb.Transaction:
        for _ in range(8):
            try:
                return self._environment.begin(buffers=True)
            except self._lmdb.MapResizedError:
                self._leave()
                try:
                    self._adopt_size()
                finally:
                    self._enter(is_return=True)
        raise QueueStorageError(RESIZED, path=self.path)

    def _enter(self, *, is_return: bool = False) -> None:
        with self._gate:
            if not is_return:
                self._require_usable()
            self._readers += 1

    def _leave(self) -> None:
        with self._gate:
            self._readers -= 1
            if not self._readers:
                self._gate.notify_all()

    def _require_usable(self) -> None:
        """Reopen a failed store when its pause is over; the gate is held."""
        if self._pid != os.getpid():
            raise QueueStorageError("a queue is opened after the fork", path=self.path)
        if self._is_closed:
            raise QueueStorageError("the queue is closed", path=self.path)
        if self._failed_at is None:
            return
        if self._clock.monotonic() - self._failed_at < self._settings.reopen_delay:
            raise QueueStorageError("the store failed and is not verified yet", path=self.path)
        self._reopen()

    def _reopen(self) -> None:
        """Open the environment anew and prove by a synced write that it works (D6).

        Fault point: `queue.verify`.
        """
        self._failed_at = self._clock.monotonic()
        self._await_readers()
        self._environment.close()
        try:
            self._environment = self._open(create=False)
            self.db = self._prepare()
            with self._environment.begin(write=True) as transaction:
                transaction.put(b"verified", str(self._clock.now()).encode(), db=self.db.meta)
                reach("queue.verify")
        except (self._lmdb.Error, OSError) as error:
            raise self._storage_error(error, "cannot verify") from error
        self._failed_at = None
        _logger.warning("store reopened and verified")

    def _await_readers(self) -> None:
        while self._readers:
            self._gate.wait()

    def _grow(self) -> None:
        """Double the map, as far as `map_max` and the disk allow."""
        with self._gate:
            self._await_readers()
            size = int(self._environment.info()["map_size"])
            wanted = min(size * 2, self._settings.map_max)
            free = self._free_octets()
            if wanted - size > free:  # a full map on a full disk would be a torn write
                wanted = size + free // 2 // 4096 * 4096
            if wanted - size < min(SMALLEST_GROWTH, size):
                raise QueueStorageError("the queue is full", path=self.path, is_full=True)
            self._environment.set_mapsize(wanted)
        _logger.info("database map grown to %d octets", wanted)

    def _free_octets(self) -> int:
        try:
            found = os.statvfs(self.path)
        except OSError as error:
            raise disk_error(error, "cannot examine", self.path) from error
        return found.f_bavail * found.f_frsize

    def _adopt_size(self) -> None:
        with self._gate:
            self._await_readers()
            self._environment.set_mapsize(0)

    def _write_error(self, error: Exception) -> Exception:
        """The error for the waiters; anything but lack of space makes the store fail (D6)."""
        result = self._storage_error(error, "cannot commit to")
        if not result.is_full:
            with self._gate:
                self._failed_at = self._clock.monotonic()
            _logger.error("store failed: %s", result)
        return result

    def _read_error(self, error: Exception, what: str = "cannot read") -> Exception:
        damaged = (
            self._lmdb.InvalidError,
            self._lmdb.CorruptedError,
            self._lmdb.VersionMismatchError,
            self._lmdb.PageNotFoundError,
            self._lmdb.PanicError,
        )
        if isinstance(error, damaged):
            return QueueDamagedError(f"{self.path}/data.mdb: {error}")
        return self._storage_error(error, what)

    def _storage_error(self, error: Exception, what: str) -> QueueStorageError:
        if isinstance(error, OSError):
            return disk_error(error, what, self.path)
        is_full = isinstance(error, (self._lmdb.MapFullError, self._lmdb.DiskError)) or (
            getattr(error, "code", 0) in FULL_ERRORS
        )
        return QueueStorageError(f"{what} {self.path}: {error}", path=self.path, is_full=is_full)
