"""The statements of the SQL back ends, as values: text and bound parameters.

    SELECT login,crypt,clear,uid,gid,home,maildir|delivery,quota,name,options[,scram]
        FROM table WHERE login = ? AND (where)
    SELECT login,uid,gid,home,maildir,options FROM table WHERE where
    UPDATE table SET clear=?, crypt=?[, scram=?] WHERE login=?  ; PostgreSQL: AND (where)

What the request brings is a bound parameter in them.  Only an administrator's own clauses
hold escaped values instead, because the variables may be part of a longer text there.

Standard: spec auth 3.4, 4.5 (default queries).
"""

from __future__ import annotations

import attrs

from couriermail.auth.backends.sqltemplate import expand_template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.auth.backends.sqlsettings import SqlSettings

__all__ = ["NewPassword", "Query", "change_query", "enumerate_query", "select_query"]


@attrs.frozen
class Query:
    """A statement for an engine.

    Attributes:
        text: the SQL.
        parameters: what is bound to its placeholders; empty: the text has none, and a `%` in
            it is only a `%`.
    """

    text: str
    parameters: tuple[str, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True)
class NewPassword:
    """A password to store: in clear, hashed, and for SCRAM (empty: it cannot be used there)."""

    clear: str = attrs.field(repr=False)
    crypt: str = attrs.field(repr=False)
    scram: str = attrs.field(default="", repr=False)


def select_query(
    settings: SqlSettings, login: str, service: str, escape: Callable[[str], str]
) -> Query:
    """The query for one account.

    Args:
        settings: the back end's.
        login: the name, with its domain.
        service: who asks; `courier` gets the delivery instruction in the maildir's place.
        escape: the engine's escaping.
    """
    if settings.select_clause:
        values = _variables(settings, login, service)
        return Query(expand_template(settings.select_clause, values, escape))
    maildir = settings.delivery if service == "courier" else settings.maildir
    columns = (
        settings.login, settings.crypt, settings.clear, settings.uid, settings.gid,
        settings.home, maildir, settings.quota, settings.name, settings.options,
        *filter(None, [settings.scram]),
    )  # fmt: skip
    mark = settings.dialect.placeholder
    text = (
        f"SELECT {_sql(settings, ', '.join(columns))} FROM {_sql(settings, settings.table)}"  # noqa: S608  the administrator's own SQL; the name is bound
        f" WHERE {_sql(settings, settings.login)} = {mark} AND ({_sql(settings, settings.where)})"
    )
    return Query(text, (login,))


def enumerate_query(settings: SqlSettings) -> Query:
    """The query for all accounts."""
    if settings.enumerate_clause:
        return Query(expand_template(settings.enumerate_clause, {}, str))
    columns = (
        settings.login, settings.uid, settings.gid,
        settings.home, settings.maildir, settings.options,
    )  # fmt: skip
    return Query(f"SELECT {', '.join(columns)} FROM {settings.table} WHERE {settings.where}")  # noqa: S608  the administrator's own SQL


def change_query(
    settings: SqlSettings,
    login: str,
    service: str,
    new: NewPassword,
    escape: Callable[[str], str],
) -> Query:
    """The statement that stores a new password in every column that holds one.

    Args:
        settings: the back end's.
        login: the name, with its domain.
        service: who asks.
        new: the password.
        escape: the engine's escaping.
    """
    if settings.change_clause:
        values = _variables(settings, login, service)
        values |= {"newpass": new.clear, "newpass_crypt": new.crypt}
        return Query(expand_template(settings.change_clause, values, escape))
    mark = settings.dialect.placeholder
    columns = {settings.clear: new.clear, settings.crypt: new.crypt}
    stored = {column: value for column, value in columns.items() if column != "''"}
    if settings.scram:
        stored[settings.scram] = new.scram
    changes = ", ".join(f"{_sql(settings, column)}={mark}" for column in stored)
    where = f" AND ({_sql(settings, settings.where)})" if settings.dialect.filters_changes else ""
    text = (
        f"UPDATE {_sql(settings, settings.table)} SET {changes}"  # noqa: S608  the administrator's own SQL; values are bound
        f" WHERE {_sql(settings, settings.login)}={mark}{where}"
    )
    return Query(text, (*stored.values(), login))


def _variables(settings: SqlSettings, login: str, service: str) -> dict[str, str]:
    local_part, at, domain = login.partition("@")
    return {
        "local_part": local_part,
        "domain": domain if at else settings.default_domain,
        "service": service,
    }


def _sql(settings: SqlSettings, text: str) -> str:
    """Settings as part of a statement with parameters, where a `%` may have to be doubled."""
    return text.replace("%", "%%") if settings.dialect.placeholder == "%s" else text
