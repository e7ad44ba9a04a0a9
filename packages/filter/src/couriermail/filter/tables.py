"""`gdbmopen` for reading, over the tables that `makedat` builds (spec filter 4.6)."""

from __future__ import annotations

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.table import Table, TableError

__all__ = ["TableDatabase", "open_table"]


class TableDatabase:
    """A table opened for reading; a `couriermail.filter.Database`."""

    def __init__(self, table: Table) -> None:
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
        """Refuse: the table is open for reading."""
        return False

    def close(self) -> None:
        """Close the table."""
        self._table.close()


def open_table(path: str, mode: str) -> TableDatabase | None:
    """Open a table with mode `R`; None when there is none, or it is no table.

    Raises:
        RecipeRuntimeError: writing was asked for, which is not available yet: a recipe must
            not run on as if it had remembered something.
    """
    if mode != "R":
        raise RecipeRuntimeError(f"gdbmopen: mode {mode} is not supported yet, only R.")
    try:
        return TableDatabase(Table.open(path))
    except TableError:
        return None
