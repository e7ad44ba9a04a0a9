"""Write a table: build in a temporary file, sync, rename, sync the directory.

Theory of operation.  All pairs are sorted and appended in one transaction to a new file, so
pages are filled completely and the file is as small as it can be.  The temporary file has
one fixed name beside the target and carries an advisory lock: builders of the same table wait
for each other, and what a killed builder left behind is reused, never collected.  Nothing is
ever changed in place: readers see the old table or the new one.

Memory: all pairs are held while building, roughly 150 bytes each beyond their own size.

Standard: spec maildir 4.16 (storage requirements 1, 4, 5), mta 3.9.
"""

from __future__ import annotations

import fcntl
import os
import stat
from functools import partial
from operator import itemgetter

import lmdb

from couriermail.core.durable import FULL_ERRORS, sync_directory
from couriermail.core.faults import reach
from couriermail.table.errors import DuplicateKeyError, TableError, TableSourceError
from couriermail.table.reader import MAX_KEY_BYTES, open_when_free
from couriermail.table.source import read_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from couriermail.table.source import SourceRecord

__all__ = ["build_table", "compile_table"]

_PAGE_BYTES = 4096  # LMDB uses the system's page size; the estimate doubles where it is larger
_NODE_OVERHEAD_BYTES = 16  # node header, page slot and padding of one pair
_LARGE_VALUE_BYTES = 2000  # about half a page: such values get pages of their own


def build_table(
    path: str | os.PathLike[str],
    pairs: Iterable[tuple[bytes, bytes]],
    *,
    mode: int | None = None,
    temporary: str | os.PathLike[str] | None = None,
) -> int:
    """Make a table of `pairs` and put it in the place of `path`.

    Durable when it returns.  Fault points: `table.before-sync`, `table.before-rename`,
    `table.after-rename`.

    Args:
        path: the table; what is there is replaced, and readers of it go on undisturbed.
        pairs: keys (1-511 bytes) and values, in any order.
        mode: exact permission bits from the moment of creation; None is 0644 less the umask.
        temporary: where to build; on the same file system.  Default: `path` + `.tmp`.

    Returns:
        How many pairs were stored.

    Raises:
        DuplicateKeyError: a key occurs twice.
        TableSourceError: a key is empty or too long.
        TableError: the disk or LMDB refused.  In every case the old table is untouched.
    """
    target = os.fspath(path)
    building = os.fspath(temporary) if temporary is not None else f"{target}.tmp"
    rows = _checked_rows(pairs, target)
    try:
        _build_and_rename(rows, building, target, mode)
    except lmdb.Error as error:
        is_full = isinstance(error, lmdb.DiskError)
        raise TableError(f"cannot write {target}: {error}", path=target, is_full=is_full) from error
    except OSError as error:
        reason = error.strerror or str(error)
        is_full = error.errno in FULL_ERRORS
        raise TableError(
            f"cannot write {target}: {reason}", path=target, is_full=is_full
        ) from error
    return len(rows)


def compile_table(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    cidr: bool = False,
    normalise: Callable[[bytes], bytes] | None = None,
    mode: int | None = None,
    temporary: str | os.PathLike[str] | None = None,
) -> int:
    """Compile a text file, or a directory of them, into a table (makedat).

    Args:
        source: the text; its grammar is that of `read_source`.
        path: the table to replace.
        cidr: expand keys that are address ranges (spec maildir 4.16, `-cidr`).
        normalise: applied to every key, for example `bytes.lower` for domains (spec mta 3.9).
        mode: as for `build_table`.
        temporary: as for `build_table`.

    Returns:
        How many records were stored.

    Raises:
        TableSourceError: the source cannot be accepted; `path` and `line` say where.
        TableError: the disk or LMDB refused.  In every case the old table is untouched.
    """
    change = normalise or bytes
    records = read_source(source, cidr=cidr)
    try:
        return build_table(path, _pairs(records, change), mode=mode, temporary=temporary)
    except DuplicateKeyError as error:
        record = _second_occurrence(read_source(source, cidr=cidr), error.key, change)
        if record is None:  # the source changed meanwhile
            raise
        raise DuplicateKeyError(error.key, path=record.path, line=record.line) from error


def _pairs(
    records: Iterable[SourceRecord], change: Callable[[bytes], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    for record in records:
        key = change(record.key)
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise TableSourceError(_key_trouble(key), path=record.path, line=record.line)
        yield key, record.value


def _second_occurrence(
    records: Iterable[SourceRecord], key: bytes, change: Callable[[bytes], bytes]
) -> SourceRecord | None:
    occurrences = (record for record in records if change(record.key) == key)
    next(occurrences, None)
    return next(occurrences, None)


def _key_trouble(key: bytes) -> str:
    shown = key[:40].decode("utf-8", "backslashreplace")
    return f"key of {len(key)} bytes (1 to {MAX_KEY_BYTES} are possible): {shown}..."


def _checked_rows(pairs: Iterable[tuple[bytes, bytes]], target: str) -> list[tuple[bytes, bytes]]:
    rows = sorted(pairs, key=itemgetter(0))
    previous = None
    for key, _ in rows:
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise TableSourceError(_key_trouble(key), path=target)
        if key == previous:
            raise DuplicateKeyError(key, path=target)
        previous = key
    return rows


def _build_and_rename(
    rows: list[tuple[bytes, bytes]], building: str, target: str, mode: int | None
) -> None:
    descriptor = _claim(building, mode)
    try:
        _write_rows(building, rows)
        reach("table.before-sync")
        os.fsync(descriptor)
        reach("table.before-rename")
        os.rename(building, target)
    except BaseException:
        os.unlink(building)
        raise
    finally:
        os.close(descriptor)  # and with it the lock
    reach("table.after-rename")
    sync_directory(os.path.dirname(target) or ".")


def _claim(building: str, mode: int | None) -> int:
    """Open and lock an empty temporary file that nobody else is working on."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        descriptor = os.open(building, flags, 0o644 if mode is None else mode)
        try:
            if not _is_our_own(os.fstat(descriptor)):
                os.unlink(building)  # somebody put it there to get at the table, or at a file
            elif _lock(descriptor, building):
                if mode is not None:
                    os.fchmod(descriptor, mode)
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_our_own(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1 and status.st_uid == os.geteuid()


def _lock(descriptor: int, building: str) -> bool:
    """Wait for the lock; False when its last holder renamed the file: it is a table now."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return _is_same_file(descriptor, building)


def _is_same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write_rows(building: str, rows: list[tuple[bytes, bytes]]) -> None:
    map_bytes = _estimate(rows)
    while True:
        environment = open_when_free(partial(_open_for_building, building, map_bytes))
        try:
            with environment.begin(write=True) as transaction:
                for key, value in rows:
                    transaction.put(key, value, append=True)
            return
        except lmdb.MapFullError:
            map_bytes *= 2
        finally:
            environment.close()


def _open_for_building(building: str, map_bytes: int) -> lmdb.Environment:
    # No syncs by LMDB: the file gets one, before its name.
    return lmdb.open(
        building, subdir=False, lock=False, sync=False, metasync=False, map_size=map_bytes
    )


def _estimate(rows: list[tuple[bytes, bytes]]) -> int:
    """Map size for these rows; too small is tried again, too large would burden readers."""
    size = 0
    for key, value in rows:
        if len(value) > _LARGE_VALUE_BYTES:
            size += len(value) + _PAGE_BYTES
        size += len(key) + min(len(value), _LARGE_VALUE_BYTES) + _NODE_OVERHEAD_BYTES
    pages = size * 5 // 4 // _PAGE_BYTES + 64
    return pages * _PAGE_BYTES
