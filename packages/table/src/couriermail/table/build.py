"""Write a table: build in a temporary file, sync, rename, sync the directory.

Theory of operation.  All pairs are sorted and appended in one transaction to a new file, so
pages are filled completely and the file is as small as it can be.  Nothing is ever changed
in place: readers see the old table or the new one (`couriermail.table.replacing`).

Memory: all pairs are held while building, roughly 150 bytes each beyond their own size.

Standard: spec maildir 4.16 (storage requirements 1, 4, 5), mta 3.9.
"""

from __future__ import annotations

import os
from functools import partial
from operator import itemgetter

import attrs
import lmdb

from couriermail.table.errors import DuplicateKeyError, TableSourceError
from couriermail.table.reader import MAX_KEY_BYTES, open_when_free
from couriermail.table.replacing import claim, replace_all, table_error
from couriermail.table.source import read_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from couriermail.table.replacing import Replacement
    from couriermail.table.source import SourceRecord

__all__ = ["NewTable", "build_table", "build_tables", "compile_table", "write_rows"]

_PAGE_BYTES = 4096  # LMDB uses the system's page size; the estimate doubles where it is larger
_NODE_OVERHEAD_BYTES = 16  # node header, page slot and padding of one pair
_LARGE_VALUE_BYTES = 2000  # about half a page: such values get pages of their own


@attrs.frozen(kw_only=True)
class NewTable:
    """A table that is to be built.

    Attributes:
        path: the table; what is there is replaced, and readers of it go on undisturbed.
        pairs: keys (1-511 bytes) and values, in any order.
        mode: exact permission bits from the moment of creation; None is 0644 less the umask.
        temporary: where to build; on the same file system.  Default: `path` + `.tmp`.
    """

    path: str
    pairs: Iterable[tuple[bytes, bytes]] = attrs.field(repr=False)
    mode: int | None = None
    temporary: str | None = None


def build_table(
    path: str | os.PathLike[str],
    pairs: Iterable[tuple[bytes, bytes]],
    *,
    mode: int | None = None,
    temporary: str | os.PathLike[str] | None = None,
) -> int:
    """Make a table of `pairs` and put it in the place of `path`; see `NewTable`.

    Durable when it returns.  Fault points: `table.before-sync`, `table.before-rename`,
    `table.after-rename`.

    Returns:
        How many pairs were stored.

    Raises:
        DuplicateKeyError: a key occurs twice.
        TableSourceError: a key is empty or too long.
        TableError: the disk or LMDB refused.  In every case the old table is untouched.
    """
    building = None if temporary is None else os.fspath(temporary)
    return build_tables(
        [NewTable(path=os.fspath(path), pairs=pairs, mode=mode, temporary=building)]
    )


def build_tables(tables: Sequence[NewTable]) -> int:
    """Make several tables, all of them or none, and put them in their places together.

    Everything is built and synced before the first of them gets its name; each is replaced
    atomically.  Who is killed between two renames leaves a new table beside an old one: what
    must belong together says so by a key of its own, as the userdb does.

    Returns:
        How many pairs were stored in all.

    Raises:
        DuplicateKeyError: a key occurs twice in a table.
        TableSourceError: a key is empty or too long.
        TableError: the disk or LMDB refused.  In every case the old tables are untouched,
            but for an error of the disk between two renames.
    """
    rows = [_checked_rows(table.pairs, table.path) for table in tables]
    replacements: list[Replacement] = []
    for table, its_rows in zip(tables, rows, strict=True):
        try:
            building = table.temporary or f"{table.path}.tmp"
            replacements.append(claim(table.path, building, mode=table.mode))
            write_rows(building, its_rows, _estimate(its_rows), append=True)
        except (OSError, lmdb.Error) as error:
            _give_up(replacements)
            raise table_error(error, table.path) from error
    try:
        replace_all(replacements)
    except OSError as error:
        raise table_error(error, tables[0].path) from error
    return sum(map(len, rows))


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


def _give_up(replacements: Iterable[Replacement]) -> None:
    for replacement in replacements:
        replacement.give_up()


def write_rows(
    building: str,
    rows: Iterable[tuple[bytes, bytes | None]],
    map_bytes: int,
    *,
    append: bool = False,
) -> None:
    """Write pairs into a file that nobody reads yet; a value of None removes its key.

    Args:
        building: the file; empty, or a table.
        rows: the pairs; iterated again when the map was too small.
        map_bytes: size of the map to begin with.
        append: True for sorted rows in an empty file.

    Raises:
        lmdb.Error: LMDB or the disk refused.
    """
    while True:
        environment = open_when_free(partial(_open_for_building, building, map_bytes))
        try:
            with environment.begin(write=True) as transaction:
                for key, value in rows:
                    if value is None:
                        transaction.delete(key)
                    else:
                        transaction.put(key, value, append=append)
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
