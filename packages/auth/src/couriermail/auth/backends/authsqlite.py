"""authsqlite: accounts in a table of an SQLite database (standard library).

The database is never created.  A database file that was replaced is opened anew.

Standard: spec auth 4.5 (authsqlite).
"""

from __future__ import annotations

import os
from contextlib import contextmanager

import attrs

from couriermail.auth.backends.session import ConnectionLostError
from couriermail.auth.backends.sqlmodule import SqlModule
from couriermail.auth.backends.sqlsettings import SqlDialect
from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from couriermail.auth.backends.sqlqueries import Query
    from couriermail.auth.backends.sqlsettings import SqlSettings

__all__ = ["DIALECT", "open_sqlite_module"]

DIALECT = SqlDialect(prefix="SQLITE_", placeholder="?", refuses_several_rows=True)
LOCK_SECONDS = 10.0  # how long another program's write is waited for

_FileId = tuple[int, int]


def open_sqlite_module(rc_path: str) -> SqlModule:
    """The module for an `authsqliterc`; nothing is read before the first request."""
    # The file names a path only: everybody may read it.
    return SqlModule.open("authsqlite", rc_path, DIALECT, _connect, has_secrets=False)


def _connect(settings: SqlSettings) -> _SqliteConnection:
    import sqlite3
    from urllib.parse import quote

    path = settings.rc.require("SQLITE_DATABASE")
    with _translated_errors():
        handle = sqlite3.connect(
            f"file:{quote(path)}?mode=rw",  # rw: not created when missing
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,  # every statement is its own transaction
            check_same_thread=False,  # the session lets threads take turns
        )
    return _SqliteConnection(handle, path, _file_id(path))


@attrs.define(eq=False)
class _SqliteConnection:
    """An open database file."""

    handle: sqlite3.Connection
    path: str
    file_id: _FileId | None

    def select(self, query: Query) -> list[tuple[object, ...]]:
        self._check_file()
        with _translated_errors():
            return self.handle.execute(query.text, query.parameters).fetchall()

    def change(self, query: Query) -> int:
        self._check_file()
        with _translated_errors():
            return self.handle.execute(query.text, query.parameters).rowcount

    def escape(self, text: str) -> str:
        return text.replace("'", "''")

    def close(self) -> None:
        self.handle.close()

    def _check_file(self) -> None:
        if _file_id(self.path) != self.file_id:
            raise ConnectionLostError("authsqlite: the database file was replaced")


def _file_id(path: str) -> _FileId | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


@contextmanager
def _translated_errors() -> Iterator[None]:
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise DirectoryError(f"authsqlite: {error}") from error
