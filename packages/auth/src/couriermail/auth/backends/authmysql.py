"""authmysql: accounts in a table of a MySQL or MariaDB server (PyMySQL).

Standard: spec auth 4.5 (authmysql).
"""

from __future__ import annotations

from contextlib import contextmanager

import attrs

from couriermail.auth.backends.session import ConnectionLostError
from couriermail.auth.backends.sqlmodule import SqlModule
from couriermail.auth.backends.sqlsettings import SqlDialect
from couriermail.auth.errors import DirectoryError
from couriermail.core.clock import SystemClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

    from couriermail.auth.backends.sqlqueries import Query
    from couriermail.auth.backends.sqlsettings import SqlSettings
    from couriermail.core.clock import Clock

__all__ = ["DIALECT", "open_mysql_module"]

DIALECT = SqlDialect(prefix="MYSQL_", placeholder="%s", has_hash_comments=True, needs_table=True)
CONNECT_SECONDS = 10
ANSWER_SECONDS = 20  # below the 30 s that clients of authdaemond wait
PING_AFTER_SECONDS = 60.0

# Error numbers of the server's client library: gone away, lost during query, timed out.
_LOST = frozenset({2002, 2003, 2006, 2013, 2014, 2055, 4031, 1053, 1927})


def open_mysql_module(rc_path: str, *, clock: Clock | None = None) -> SqlModule:
    """The module for an `authmysqlrc`; nothing is read before the first request.

    Args:
        rc_path: the settings file.
        clock: tells how long the connection was idle.

    Raises:
        ImportError: PyMySQL is not installed.
    """
    import pymysql  # noqa: F401  an administrator is to hear of it at start-up

    now = clock or SystemClock()
    return SqlModule.open("authmysql", rc_path, DIALECT, lambda settings: _connect(settings, now))


def _connect(settings: SqlSettings, clock: Clock) -> _MysqlConnection:
    import pymysql
    from pymysql.constants import CLIENT

    rc = settings.rc
    server, socket = rc.get("MYSQL_SERVER"), rc.get("MYSQL_SOCKET")
    if not server and not socket:
        raise rc.error("neither MYSQL_SERVER nor MYSQL_SOCKET is set")
    tls = _tls_context(settings)
    with _translated_errors():
        handle = pymysql.connect(
            host=server or None,
            unix_socket=socket or None,
            port=rc.number("MYSQL_PORT"),  # 0: the usual one
            user=rc.get("MYSQL_USERNAME") or None,
            password=rc.get("MYSQL_PASSWORD"),
            database=rc.require("MYSQL_DATABASE"),
            charset=rc.get("MYSQL_CHARACTER_SET", default="utf8mb4"),
            # An UPDATE that sets what is there already has found its row all the same.
            client_flag=rc.number("MYSQL_OPT") | CLIENT.FOUND_ROWS,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            write_timeout=ANSWER_SECONDS,
            ssl=tls,
            # Spec auth 4.5: TLS only where it is set.  PyMySQL would offer it unasked, and
            # read all authorities of the system for it: 20 to 50 ms for each connection.
            ssl_disabled=tls is None,
        )
    return _MysqlConnection(handle, clock, clock.monotonic())


def _tls_context(settings: SqlSettings) -> ssl.SSLContext | None:
    """TLS that checks the server's certificate, when an authority is set."""
    rc = settings.rc
    file, folder = rc.get("MYSQL_SSL_CACERT"), rc.get("MYSQL_SSL_CAPATH")
    if not file and not folder:
        return None
    import ssl

    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
        certificate = rc.get("MYSQL_SSL_CERT")
        if certificate:
            context.load_cert_chain(certificate, rc.get("MYSQL_SSL_KEY") or None)
        ciphers = rc.get("MYSQL_SSL_CIPHER", "MYSQL_SSL_CIPHERS")
        if ciphers:
            context.set_ciphers(ciphers)
    except OSError as error:  # SSLError is one
        raise DirectoryError(f"authmysql: TLS settings: {error}") from error
    return context


@attrs.define(eq=False)
class _MysqlConnection:
    """An open connection."""

    handle: Connection[Cursor]
    clock: Clock
    used_at: float

    def select(self, query: Query) -> Sequence[Sequence[object]]:
        with self._cursor(query) as cursor:
            return cursor.fetchall()

    def change(self, query: Query) -> int:
        with self._cursor(query) as cursor:
            return cursor.rowcount

    def escape(self, text: str) -> str:
        with _translated_errors():
            return str(self.handle.escape(text))[1:-1]  # it knows the server's mode; unquoted

    def close(self) -> None:
        import pymysql

        try:
            self.handle.close()
        except (pymysql.MySQLError, OSError):
            return  # it was dead already

    @contextmanager
    def _cursor(self, query: Query) -> Iterator[Cursor]:
        with _translated_errors():
            if self.clock.monotonic() - self.used_at > PING_AFTER_SECONDS:
                self.handle.ping(reconnect=False)
            self.used_at = self.clock.monotonic()
            with self.handle.cursor() as cursor:
                cursor.execute(query.text, query.parameters or None)
                yield cursor


def _tls_reason(error: Exception) -> str:
    """Why a connection could not be made safe, when that was it: an administrator must know."""
    import ssl

    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f": the server's certificate: {cause.verify_message}"
    return f": TLS: {cause.reason}" if isinstance(cause, ssl.SSLError) else ""


@contextmanager
def _translated_errors() -> Iterator[None]:
    import pymysql

    try:
        yield
    except (pymysql.MySQLError, OSError, EOFError) as error:
        is_lost = isinstance(error, pymysql.InterfaceError) or not (
            isinstance(error, pymysql.MySQLError) and error.args and error.args[0] not in _LOST
        )
        # The server's text may hold parts of the statement; its number tells as much.
        number = error.args[0] if error.args and isinstance(error.args[0], int) else ""
        message = f"authmysql: {type(error).__name__} {number}".rstrip() + _tls_reason(error)
        raise (ConnectionLostError if is_lost else DirectoryError)(message) from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise DirectoryError(f"authmysql: character set or value: {error}") from error
