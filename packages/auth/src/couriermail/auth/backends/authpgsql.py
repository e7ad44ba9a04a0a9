"""authpgsql: accounts in a table of a PostgreSQL server (psycopg 3).

Standard: spec auth 4.5 (authpgsql).
"""

from __future__ import annotations

from contextlib import contextmanager

import attrs

from couriermail.auth.backends.session import ConnectionLostError
from couriermail.auth.backends.sqlmodule import SqlModule
from couriermail.auth.backends.sqlsettings import SqlDialect
from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection, Cursor

    from couriermail.auth.backends.sqlqueries import Query
    from couriermail.auth.backends.sqlsettings import SqlSettings

__all__ = ["DIALECT", "open_pgsql_module"]

DIALECT = SqlDialect(prefix="PGSQL_", placeholder="%s", filters_changes=True)
CONNECT_SECONDS = 10
ANSWER_SECONDS = 20  # below the 30 s that clients of authdaemond wait


def open_pgsql_module(rc_path: str) -> SqlModule:
    """The module for an `authpgsqlrc`; nothing is read before the first request.

    Raises:
        ImportError: psycopg, or the libpq that it needs, is not installed.
    """
    import psycopg  # noqa: F401  an administrator is to hear of it at start-up

    return SqlModule.open("authpgsql", rc_path, DIALECT, _connect)


def _connect(settings: SqlSettings) -> _PgsqlConnection:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    rc = settings.rc
    written = rc.require("PGSQL_CONNECTION")
    charset = rc.get("PGSQL_CHARACTER_SET", default="UTF8")
    with _translated_errors():
        defaults = {"connect_timeout": CONNECT_SECONDS} | conninfo_to_dict(written)
        conninfo = make_conninfo("", **defaults | {"client_encoding": charset})
        try:
            handle = psycopg.connect(conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            if "SSL" in str(error) or "certificate" in str(error):  # libpq has no code for these
                reason = str(error).partition("\n")[0]
                raise DirectoryError(f"authpgsql: TLS: {reason}") from error
            raise
        handle.execute(f"SET statement_timeout = {ANSWER_SECONDS * 1000:d}".encode())
    return _PgsqlConnection(handle)


@attrs.define(eq=False)
class _PgsqlConnection:
    """An open connection."""

    handle: Connection[tuple[object, ...]]

    def select(self, query: Query) -> list[tuple[object, ...]]:
        with self._cursor(query) as cursor:
            return cursor.fetchall()

    def change(self, query: Query) -> int:
        with self._cursor(query) as cursor:
            return cursor.rowcount

    def escape(self, text: str) -> str:
        from psycopg.pq import Escaping

        encoding = self.handle.info.encoding
        with _translated_errors():
            escaped = Escaping(self.handle.pgconn).escape_string(text.encode(encoding))
        return bytes(escaped).decode(encoding)

    def close(self) -> None:
        self.handle.close()

    @contextmanager
    def _cursor(self, query: Query) -> Iterator[Cursor[tuple[object, ...]]]:
        with _translated_errors(), self.handle.cursor() as cursor:
            text = query.text.encode(self.handle.info.encoding)
            cursor.execute(text, query.parameters or None)
            yield cursor


@contextmanager
def _translated_errors() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        state = getattr(error, "sqlstate", None) or ""
        # Class 08: connection; 57P: the server is stopping; no state at all: libpq itself.
        is_lost = isinstance(error, psycopg.OperationalError) and (
            not state or state.startswith(("08", "57P"))
        )
        # The server's text may hold parts of the statement; class and state tell as much.
        message = f"authpgsql: {type(error).__name__} {state}".rstrip()
        raise (ConnectionLostError if is_lost else DirectoryError)(message) from error
    except (LookupError, UnicodeError) as error:
        raise DirectoryError(f"authpgsql: character set: {error}") from error
