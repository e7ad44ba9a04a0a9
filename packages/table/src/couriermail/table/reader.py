"""Read a table: exact lookups and iteration over one immutable LMDB file.

Theory of operation.  A table file never changes: a new version is a new file under the old
name.  So a reader needs no lock file, and may go on using the version it opened while the
next one is put in its place.  `Table` compares the file's identity (device, inode, size,
modification time) at most once per `revalidate` seconds and opens the new version when it
changed; iterations that are under way finish on the version they began with.

LMDB allows one environment per file and process, so environments are shared through a weak
registry by (device, inode): the environment is closed when its last table, or the last
iteration over it, is gone.

Standard: spec maildir 4.16 (storage requirements 1-3 and 7).
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref

import attrs
import lmdb

from couriermail.core.clock import SystemClock
from couriermail.table.errors import TableError, TableMissingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from couriermail.core.clock import Clock

__all__ = ["MAX_KEY_BYTES", "Table", "open_when_free"]

MAX_KEY_BYTES = 511  # LMDB's compile-time limit; longer keys cannot be in any table

_OPEN_ATTEMPTS = 200
_OPEN_PAUSE_SECONDS = 0.001

_log = logging.getLogger("couriermail.table")


@attrs.define(eq=False)
class Table:
    """An open table.  Safe to share between threads and to keep for the life of a process.

    A table that is replaced is picked up by itself.  One that is removed, or replaced by a
    file that is no table, keeps serving the version that was opened; this is logged.

    Attributes:
        path: the file, as given.
        revalidate: seconds between two looks at the file; 0 looks at every lookup.
    """

    path: str
    revalidate: float
    _clock: Clock
    _version: _Version | None
    _check_at: float

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        revalidate: float = 1.0,
        clock: Clock | None = None,
    ) -> Table:
        """Open a table for reading.

        Args:
            path: the table file.
            revalidate: seconds between two checks for a newer version.
            clock: where the time between checks comes from.

        Raises:
            TableMissingError: there is no such file.
            TableError: it cannot be read, is damaged, or is no table.
        """
        name, clock = os.fspath(path), clock or SystemClock()
        return cls(name, revalidate, clock, _open_version(name), clock.monotonic() + revalidate)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None; a key that no table can hold is simply not found.

        Raises:
            TableError: the table is closed, or LMDB reports damage.
        """
        if self._clock.monotonic() >= self._check_at:
            self._check()
        if not 0 < len(key) <= MAX_KEY_BYTES:
            return None
        version = self._version
        if version is None:
            raise TableError("table is closed", path=self.path)
        try:
            with version.environment.begin() as transaction:
                value: bytes | None = transaction.get(key)
        except lmdb.Error as error:
            raise TableError(f"cannot look up: {error}", path=self.path) from error
        return value

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        entries: int = self._current().environment.stat()["entries"]
        return entries

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in self.items())

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All pairs in key order, from the version that is current when iteration starts."""
        environment = self._current().environment
        try:
            with environment.begin() as transaction:
                yield from transaction.cursor()
        except lmdb.Error as error:
            raise TableError(f"cannot read: {error}", path=self.path) from error

    def refresh(self) -> bool:
        """Look at the file now and open its new version, if there is one.

        Returns:
            True when a new version was opened.

        Raises:
            TableError: the file is gone or no table; the open version stays in use.
        """
        self._check_at = self._clock.monotonic() + self.revalidate
        current = self._current()
        if _identity(self.path) == current.identity:
            return False
        self._version = _open_version(self.path)
        return True

    def close(self) -> None:
        """Let go of the file; further lookups are errors, iterations under way finish."""
        self._version = None
        self._check_at = float("inf")

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _current(self) -> _Version:
        if self._version is None:
            raise TableError("table is closed", path=self.path)
        return self._version

    def _check(self) -> None:
        try:
            self.refresh()
        except TableError as error:
            _log.warning("keeping the version of the table that is open: %s", error)


def open_when_free(open_environment: Callable[[], lmdb.Environment]) -> lmdb.Environment:
    """Open an environment, waiting while another thread is still closing one of its number.

    The last user of an old version closes its file before the binding forgets the inode; a
    new file may get the same inode in between and is then refused as "already open".

    Raises:
        lmdb.Error: it cannot be opened, or stays open elsewhere in this process.
    """
    for attempt in range(_OPEN_ATTEMPTS):
        try:
            return open_environment()
        except lmdb.Error as error:
            if "already open" not in str(error) or attempt == _OPEN_ATTEMPTS - 1:
                raise
            time.sleep(_OPEN_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


@attrs.frozen(eq=False)
class _Version:
    """One version of a table: the environment and the identity of the file below it."""

    identity: tuple[int, int, int, int]
    environment: lmdb.Environment


_environments: weakref.WeakValueDictionary[tuple[int, int], lmdb.Environment] = (
    weakref.WeakValueDictionary()
)
_opening = threading.Lock()


def _open_version(path: str) -> _Version:
    with _opening:
        while True:
            identity = _identity(path)
            environment = _environments.get(identity[:2])
            if environment is None:
                environment = _open_environment(path)
            if _identity(path) == identity:  # not replaced while we opened it
                _environments[identity[:2]] = environment
                return _Version(identity, environment)


def _open_environment(path: str) -> lmdb.Environment:
    try:
        environment = open_when_free(
            lambda: lmdb.open(
                path, subdir=False, readonly=True, lock=False, create=False, max_spare_txns=4
            )
        )
        info, stat = environment.info(), environment.stat()
    except lmdb.Error as error:
        raise TableError(f"{path}: not a usable table: {error}", path=path) from error
    # Reading a page that the file does not have would kill the process (SIGBUS).
    if os.stat(path).st_size < (info["last_pgno"] + 1) * stat["psize"]:
        environment.close()
        raise TableError(f"{path}: not a usable table: truncated", path=path)
    return environment


def _identity(path: str) -> tuple[int, int, int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise TableMissingError(f"{path}: no such table", path=path) from error
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: {error}", path=path) from error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
