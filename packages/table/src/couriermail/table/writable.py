"""A table that a program changes key by key, as maildrop's gdbm functions do.

Theory of operation.  A table file never changes, so a writer keeps its changes in memory over
the version it opened, and `close` puts a changed copy in the table's place.  Readers go on
with the version they have; a second writer is refused at once.  A program that is killed
before `close` has changed nothing.

Standard: spec maildir 4.16 (storage requirement 6); spec filter 4.6 (modes R, W, C, N).
"""

from __future__ import annotations

import os
import shutil
import stat
from operator import itemgetter

import attrs
import lmdb

from couriermail.table.build import write_rows
from couriermail.table.errors import (
    DuplicateKeyError,
    TableBusyError,
    TableError,
    TableMissingError,
    TableSourceError,
)
from couriermail.table.reader import MAX_KEY_BYTES, Table
from couriermail.table.replacing import claim, replace_all, table_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from couriermail.table.replacing import Replacement

__all__ = ["OPEN_MODES", "WritableTable", "open_table"]

OPEN_MODES = "RWCN"
NEW_FILE_MODE = 0o664  # spec filter 4.6: less the umask

_PAIR_BYTES = 64  # of pages, per change, beside key and value
_SPARE_BYTES = 1 << 16


def open_table(path: str | os.PathLike[str], mode: str = "R") -> Table | WritableTable:
    """Open a table as gdbm's functions do.

    Args:
        path: the table file.
        mode: `R` to read, `W` to change a table that exists, `C` to create it where it does
            not, `N` to begin an empty one in any case.

    Raises:
        TableMissingError: `R` or `W`, and there is no such file.
        TableBusyError: not `R`, and somebody else is writing it.
        TableError: it is no table, or the file system refuses.
        ValueError: no such mode.
    """
    if len(mode) != 1 or mode not in OPEN_MODES:
        raise ValueError(f"mode {mode!r} is none of {', '.join(OPEN_MODES)}")
    return Table.open(path) if mode == "R" else WritableTable.open(path, mode)


@attrs.define(eq=False)
class WritableTable:
    """A table open for changes; nobody else sees them before `close`.

    As a context manager it keeps the changes when the block ends well and drops them when it
    ends with an exception.

    Attributes:
        path: the file, as given.
    """

    path: str
    _replacement: Replacement | None
    _base: Table | None
    _changes: dict[bytes, bytes | None] = attrs.field(factory=dict, init=False, repr=False)
    _is_new: bool

    @classmethod
    def open(cls, path: str | os.PathLike[str], mode: str = "W") -> WritableTable:
        """Open for writing with mode `W`, `C` or `N`; see `open_table`."""
        name = os.fspath(path)
        target = os.path.realpath(name)  # a link stays one
        try:
            replacement = _claim(target)
        except BlockingIOError:
            raise TableBusyError(f"{name}: somebody else is writing it", path=name) from None
        except FileNotFoundError:
            raise TableMissingError(f"{name}: no such directory", path=name) from None
        except (OSError, ValueError) as error:
            raise TableError(f"cannot write {name}: {error}", path=name) from error
        try:
            base = _open_base(target, mode)
        except BaseException:
            replacement.give_up()
            raise
        return cls(name, replacement, base, is_new=base is None)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, with the changes made so far; None when there is none.

        Raises:
            TableError: the table is closed or damaged.
        """
        self._require_open()
        if key in self._changes:
            return self._changes[key]
        return None if self._base is None else self._base.get(key)

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in self.items())

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All pairs in key order, with the changes made before the iteration starts."""
        from heapq import merge

        self._require_open()
        changes = dict(self._changes)
        base = iter(()) if self._base is None else self._base.items()
        kept = (pair for pair in base if pair[0] not in changes)
        stored = [(key, value) for key, value in sorted(changes.items()) if value is not None]
        return merge(kept, stored, key=itemgetter(0))

    def store(self, key: bytes, value: bytes, *, replace: bool = True) -> None:
        """Give a key a value.

        Args:
            key: 1 to 511 bytes.
            value: any bytes.
            replace: False to refuse a key that is there (gdbm's INSERT).

        Raises:
            DuplicateKeyError: the key is there, and `replace` is False.
            TableSourceError: no table can hold the key.
            TableError: the table is closed or damaged.
        """
        self._require_open()
        if not 0 < len(key) <= MAX_KEY_BYTES:
            text = f"key of {len(key)} bytes (1 to {MAX_KEY_BYTES} are possible)"
            raise TableSourceError(text, path=self.path)
        if not replace and key in self:
            raise DuplicateKeyError(key, path=self.path)
        self._changes[key] = value

    def delete(self, key: bytes) -> bool:
        """Remove a key; False when it was not there.

        Raises:
            TableError: the table is closed or damaged.
        """
        if key not in self:
            return False
        self._changes[key] = None
        return True

    def close(self) -> None:
        """Put the changed table in its place; durable when it returns.

        Fault points: `table.before-sync`, `table.before-rename`, `table.after-rename`.

        Raises:
            TableError: nothing was changed; the table is closed all the same.
        """
        if not (self._changes or self._is_new):
            self.discard()
            return
        replacement, self._replacement = self._replacement, None
        if replacement is None:
            return
        try:
            self._write(replacement)
        except BaseException as error:
            replacement.give_up()
            self._forget()
            if isinstance(error, OSError | lmdb.Error):
                raise table_error(error, self.path) from error
            raise
        self._forget()
        try:
            replace_all([replacement])
        except OSError as error:
            raise table_error(error, self.path) from error

    def discard(self) -> None:
        """Close without changing anything; a table that is closed stays so."""
        replacement, self._replacement = self._replacement, None
        if replacement is not None:
            replacement.give_up()
        self._forget()

    def __enter__(self) -> WritableTable:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def _write(self, replacement: Replacement) -> None:
        size = _SPARE_BYTES
        if self._base is not None:
            with open(replacement.target, "rb") as old, open(replacement.building, "wb") as new:
                shutil.copyfileobj(old, new)
                size += 2 * new.tell()  # changed pages are written anew
        size += sum(
            len(key) + len(value or b"") + _PAIR_BYTES for key, value in self._changes.items()
        )
        write_rows(replacement.building, sorted(self._changes.items()), size)

    def _forget(self) -> None:
        if self._base is not None:
            self._base.close()
        self._base = None
        self._changes = {}
        self._is_new = False

    def _require_open(self) -> None:
        if self._replacement is None:
            raise TableError("table is closed", path=self.path)


def _claim(target: str) -> Replacement:
    try:
        mode = stat.S_IMODE(os.stat(target).st_mode)
    except FileNotFoundError:
        mode = None
    return claim(target, f"{target}.tmp", mode=mode, new_mode=NEW_FILE_MODE, wait=False)


def _open_base(target: str, mode: str) -> Table | None:
    if mode == "N":
        return None
    try:
        return Table.open(target, revalidate=float("inf"))
    except TableMissingError:
        if mode == "C":
            return None
        raise
