"""What authsqlite, authmysql and authpgsql have in common: all but the driver.

A row is an account when it has a home and numeric ids other than 0.  The hash column counts
where it is filled, else the clear one.

Standard: spec auth 4.5 (authsqlite / authmysql / authpgsql); 7.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import attrs

from couriermail.auth.account import Account, AccountOptions
from couriermail.auth.backends.credentials import (
    LoginCheck,
    id_of,
    is_clean_text,
    login_name,
    new_scram_secret,
    usable_account,
)
from couriermail.auth.backends.session import Session
from couriermail.auth.backends.sessionmodule import SessionModule
from couriermail.auth.backends.sqlqueries import (
    NewPassword,
    Query,
    change_query,
    enumerate_query,
    select_query,
)
from couriermail.auth.backends.sqlsettings import SqlDialect, SqlSettings
from couriermail.auth.errors import DirectoryError
from couriermail.auth.rcfile import RcFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


__all__ = ["SqlConnection", "SqlModule", "text_of"]

_SELECT_COLUMNS = 6  # a custom clause may leave out what comes after
_ENUMERATE_COLUMNS = 4


class SqlConnection(Protocol):
    """A connection to an engine.

    Every method but `close` raises `ConnectionLostError` when the connection broke, and
    `DirectoryError` for whatever else the engine refuses.
    """

    def select(self, query: Query) -> Sequence[Sequence[object]]:
        """All rows of a query."""
        ...

    def change(self, query: Query) -> int:
        """Run an UPDATE, durably; the number of rows that it found."""
        ...

    def escape(self, text: str) -> str:
        """Make a text safe between single quotes."""
        ...

    def close(self) -> None:
        """Give the connection up; raises nothing."""
        ...


@attrs.define(eq=False)
class SqlModule(SessionModule[SqlSettings, SqlConnection]):
    """An `AuthModule` over a table of accounts; changes passwords and lists accounts.

    Attributes:
        name: the module's name in a chain.
        session: the connection to the engine.
    """

    name: str
    session: Session[SqlSettings, SqlConnection]
    _check: LoginCheck = attrs.field(factory=LoginCheck, init=False)

    @classmethod
    def open(
        cls,
        name: str,
        rc_path: str,
        dialect: SqlDialect,
        connect: Callable[[SqlSettings], SqlConnection],
        *,
        has_secrets: bool = True,
    ) -> SqlModule:
        """The module whose settings are in a file; nothing is read before the first request.

        Args:
            name: the module's name in a chain.
            rc_path: the settings file.
            dialect: the engine's ways.
            connect: makes a connection of the settings.
            has_secrets: the file holds a password, so that not everybody may read it.
        """
        read = partial(SqlSettings.read, dialect=dialect)
        return cls(name, Session(RcFile(rc_path, read, has_secrets=has_secrets), connect))

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account; see `Directory.lookup`.

        Raises:
            DirectoryError: the settings or the engine cannot be used now.
        """

        def find(connection: SqlConnection, settings: SqlSettings) -> Account | None:
            login = login_name(name, settings.default_domain)
            if login is None or not is_clean_text(service):
                return None
            rows = connection.select(select_query(settings, login, service, connection.escape))
            if len(rows) > 1 and settings.dialect.refuses_several_rows:
                raise DirectoryError(f"{self.name}: several rows for one name")
            return self._account(name, rows[0]) if rows else None

        return self.session.run(find)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password; see `AuthModule.login`.

        Raises:
            DirectoryError: the question cannot be answered now.
        """
        return self._check.accept(self.lookup(name, service), password)

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Store a new password, hashed as the old one was, in all columns for passwords.

        Raises:
            DirectoryError: it cannot be done now; nothing was changed.
        """
        from couriermail.auth.passwords import make_like

        if not is_clean_text(new):
            return False
        account = self.login(name, old, service)
        if account is None:
            return False
        hashed = make_like(account.password, new)

        def change(connection: SqlConnection, settings: SqlSettings) -> bool:
            login = login_name(name, settings.default_domain) or name
            scram = new_scram_secret(new) if settings.scram else ""
            password = NewPassword(clear=new, crypt=hashed, scram=scram)
            query = change_query(settings, login, service, password, connection.escape)
            return connection.change(query) > 0

        return self.session.run(change)

    def accounts(self) -> Iterator[Account]:
        """Every account, sorted by address.

        Raises:
            DirectoryError: the list is not complete.
        """
        rows = self.session.run(
            lambda connection, settings: connection.select(enumerate_query(settings))
        )
        found = (self._listed_account(row) for row in rows)
        yield from sorted(filter(None, found), key=lambda account: account.address)

    def _account(self, name: str, row: Sequence[object]) -> Account | None:
        if len(row) < _SELECT_COLUMNS:
            raise DirectoryError(f"{self.name}: the query gives fewer than 6 columns")
        texts = [text_of(value) for value in row]
        texts += [""] * (11 - len(texts))
        address, crypt, clear, uid, gid, home, maildir, quota, full_name, options = texts[:10]
        account = Account(
            name=name,
            address=address,
            uid=id_of(uid),
            gid=id_of(gid),
            home=home,
            maildir=maildir or None,
            quota=quota or None,
            full_name=full_name or None,
            options=AccountOptions(options),
            password=crypt or None,
            scram=texts[10] or None,
            clear_password=clear or None,
        )
        return usable_account(account, self.name)

    def _listed_account(self, row: Sequence[object]) -> Account | None:
        if len(row) < _ENUMERATE_COLUMNS:
            raise DirectoryError(f"{self.name}: the list gives fewer than 4 columns")
        texts = [text_of(value) for value in row]
        address, uid, gid, home, maildir, options = (*texts, "", "")[:6]
        # In the order of the other query: no passwords, quota and name.
        row = (address, "", "", uid, gid, home, maildir, "", "", options)
        return self._account(address, row)


def text_of(value: object) -> str:
    """A column's value as text; NULL is empty, and octets keep the odd ones as surrogates."""
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of type REAL
    return str(value)
