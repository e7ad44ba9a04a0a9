"""The databases of `gdbmopen`: tables as `makedat` builds them (spec filter 4.6)."""

from __future__ import annotations

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.table import Table, TableError, WritableTable

__all__ = ["TableDatabase", "open_database"]


class TableDatabase:
    """An open table; a `couriermail.filter.Database`."""

    def __init__(self, table: Table | WritableTable) -> None:
        self._table = table

    def fetch(self, key: bytes) -> bytes | None:
        """The value of a key, or None.

        Raises:
            RecipeRuntimeError: the table is damaged.
        """
        try:
            return self._table.get(key)
        except TableError as error:
            raise RecipeRuntimeError(f"gdbmfetch: {error}") from error

    def store(self, key: bytes, value: bytes) -> bool:
        """Give a key a value; False for a table open for reading, and keys it cannot hold."""
        if isinstance(self._table, Table):
            return False
        try:
            self._table.store(key, value)
        except TableError:
            return False
        return True

    def close(self) -> None:
        """Close the table; what was stored is on the disk then, for all to see.

        Raises:
            RecipeRuntimeError: it could not be written; nothing was changed.
        """
        try:
            self._table.close()
        except TableError as error:
            raise RecipeRuntimeError(f"gdbmclose: {error}") from error


def open_database(path: str, mode: str) -> TableDatabase | None:
    """Open a table; None when there is none, it is no table, or somebody else is writing it.

    Readers do not wait for a writer: they go on with what was there before.

    Courier: while one process writes, nobody else can open the file at all.
    """
    from couriermail.table import open_table

    try:
        return TableDatabase(open_table(path, mode))
    except TableError:
        return None
