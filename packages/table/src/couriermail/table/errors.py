"""What can go wrong with a table; every error of this room is a `TableError`."""

from __future__ import annotations

from couriermail.core.errors import StorageError

__all__ = [
    "DuplicateKeyError",
    "TableBusyError",
    "TableError",
    "TableMissingError",
    "TableSourceError",
]


class TableError(StorageError):
    """A table cannot be read or written.  Temporary: nothing was decided about the key."""


class TableBusyError(TableError):
    """Somebody else is writing the table.  Temporary."""


class TableMissingError(TableError):
    """There is no such table file.  Callers for whom a table is optional catch this."""


class TableSourceError(TableError):
    """The text that a table is made from is not acceptable; the old table stays in use.

    Attributes:
        line: 1-based line in the file `path`, or None where it has no one place.
    """

    exit_code = 65  # EX_DATAERR

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None) -> None:
        place = ":".join(str(part) for part in (path, line) if part is not None)
        super().__init__(f"{place}: {message}" if place else message, path=path)
        self.line = line


class DuplicateKeyError(TableSourceError):
    """The same key occurs twice.  Its text is the one that makedat's users know.

    Attributes:
        key: the key.
    """

    def __init__(self, key: bytes, *, path: str | None = None, line: int | None = None) -> None:
        super().__init__("duplicate key", path=path, line=line)
        self.key = key

    def __str__(self) -> str:
        shown = self.key.decode("utf-8", "backslashreplace")
        # Spec maildir 4.16 fixes these words, which never named the place.
        return f"Cannot store record for {shown} - duplicate or out of disk space."
