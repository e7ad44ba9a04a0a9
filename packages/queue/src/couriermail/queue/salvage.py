"""Saving what can be read of a damaged database (spec mta 8.7).

The readable rows of the damaged queue are copied into a new one, page by page and without
LMDB, which damage could crash (see `pages`).  The timetable is not copied; the new queue's
first scheduler finds every message without a place in it and makes it due, and quarantines
what came over without its body.
"""

from __future__ import annotations

import os
import shutil
from itertools import islice
from typing import TYPE_CHECKING

from couriermail.core.clock import SystemClock
from couriermail.queue.bodies import BodyStore
from couriermail.queue.errors import QueueDamagedError, disk_error
from couriermail.queue.pages import PageFile
from couriermail.queue.settings import QueueSettings
from couriermail.queue.store import Store

if TYPE_CHECKING:
    import lmdb

__all__ = ["salvage"]

COPIED = ("msg", "state", "body", "bodyref", "bad", "marks")
CHUNK = 500  # rows per transaction
DEFAULTS = QueueSettings()
LEAP = 1 << 32  # numbers skipped when the last one given cannot be read


def salvage(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    settings: QueueSettings = DEFAULTS,
) -> int:
    """Copy what is readable of queue `source` into the new queue `target`; messages copied.

    `source` is only read, and must not be in use.

    Raises:
        QueueDamagedError: nothing at all can be read.
        QueueStorageError: `target` cannot be written.
    """
    old, new = os.fspath(source), os.fspath(target)
    try:
        pages = PageFile(os.path.join(old, "data.mdb"))
    except (ValueError, OSError) as error:
        raise QueueDamagedError(f"{old}/data.mdb: {error}") from error
    store = Store(new, settings, SystemClock(), create=True)
    try:
        counts = {name: _copy(pages, store, name) for name in COPIED}
        _continue_numbers(pages, store)
        _copy_files(BodyStore(old, settings), BodyStore(new, settings))
    except OSError as error:
        raise disk_error(error, "cannot copy to", new) from error
    finally:
        pages.close()
        store.close()
    return counts["msg"]


def _copy(pages: PageFile, store: Store, name: str) -> int:
    rows = pages.rows(name)
    count = 0
    while chunk := list(islice(rows, CHUNK)):
        count += len(chunk)
        _put_all(store, name, chunk)
    return count


def _put_all(store: Store, name: str, chunk: list[tuple[bytes, bytes]]) -> None:
    database = getattr(store.db, name)

    def apply(transaction: lmdb.Transaction) -> None:
        for key, value in chunk:
            transaction.put(key, value, db=database)

    store.write(apply)


def _continue_numbers(pages: PageFile, store: Store) -> None:
    """Numbers must stay unique, also those of messages that left or were lost."""
    following = dict(pages.rows("meta")).get(b"next", b"")
    is_known = len(following) == 8
    known = int.from_bytes(following, "big") if is_known else 1

    def apply(transaction: lmdb.Transaction) -> None:
        start = known
        for database in (store.db.msg, store.db.bodyref, store.db.bad):
            with transaction.cursor(database) as cursor:
                if cursor.last():
                    start = max(start, int.from_bytes(cursor.key(), "big") + 1)
        start += 0 if is_known else LEAP
        transaction.put(b"next", start.to_bytes(8, "big"), db=store.db.meta)

    store.write(apply)


def _copy_files(source: BodyStore, target: BodyStore) -> None:
    """Body files by hard link, which is as durable as the file, or else by copy and sync."""
    for number, path in source.files():
        final = target.path_of(number)
        target.make_directory(os.path.dirname(final))
        try:
            os.link(path, final)
        except OSError:
            shutil.copy2(path, final)
            _sync(final)
        _sync(os.path.dirname(final))


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
