"""The settings that all SQL back ends have, read from their rc file.

Standard: spec auth 4.5 (common keys of authsqlite, authmysql, authpgsql).
"""

from __future__ import annotations

import attrs

from couriermail.auth.backends.sqltemplate import unprotected_variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.rcfile import RcSettings

__all__ = ["SqlDialect", "SqlSettings"]

_CLAUSES = ("SELECT_CLAUSE", "ENUMERATE_CLAUSE", "CHPASS_CLAUSE")


@attrs.frozen(kw_only=True)
class SqlDialect:
    """How one engine differs from the others.

    Attributes:
        prefix: of the setting names, such as `SQLITE_`.
        placeholder: how a bound parameter is written: `?` or `%s`.
        has_hash_comments: `#` begins a comment.
        needs_table: USER_TABLE must be set even when all clauses are custom.
        filters_changes: the default UPDATE has the WHERE_CLAUSE as well.
        refuses_several_rows: several rows for one name are an error, not "the first one".
    """

    prefix: str
    placeholder: str
    has_hash_comments: bool = False
    needs_table: bool = False
    filters_changes: bool = False
    refuses_several_rows: bool = False


@attrs.frozen(kw_only=True)
class SqlSettings:
    """What the rc file of an SQL back end says; texts are SQL of the administrator.

    Attributes:
        rc: the whole file, for the settings of one engine.
        dialect: the engine's ways.
        table: the table of accounts; empty when custom clauses replace it.
        scram: column or expression of the SCRAM-SHA-256 secret, or empty.
        login, crypt, clear, uid, gid, home, name, maildir, delivery, quota, options: column
            names or expressions; `''` where there is none.
        where: condition that every account fulfils.
        select_clause, enumerate_clause, change_clause: whole statements, or empty.
        default_domain: appended to names without `@`, or empty.
    """

    rc: RcSettings
    dialect: SqlDialect
    table: str
    login: str
    crypt: str
    clear: str
    scram: str
    uid: str
    gid: str
    home: str
    name: str
    maildir: str
    delivery: str
    quota: str
    options: str
    where: str
    select_clause: str
    enumerate_clause: str
    change_clause: str
    default_domain: str

    @classmethod
    def read(cls, rc: RcSettings, dialect: SqlDialect) -> SqlSettings:
        """Make sense of a file.

        Raises:
            RcFileError: a required setting is missing, or a clause cannot be made safe.
        """
        prefix = dialect.prefix
        _check_clauses(rc, dialect)

        def setting(*names: str, default: str = "''") -> str:
            return rc.get(*(prefix + name for name in names), default=default)

        return cls(
            rc=rc,
            dialect=dialect,
            table=rc.get(f"{prefix}USER_TABLE"),
            login=setting("LOGIN_FIELD", default="id"),
            crypt=setting("CRYPT_PWFIELD"),
            clear=setting("CLEAR_PWFIELD"),
            scram=setting("SCRAM_PWFIELD", default=""),
            uid=setting("UID_FIELD", default="uid"),
            gid=setting("GID_FIELD", default="gid"),
            home=setting("HOME_FIELD", default="home"),
            name=setting("NAME_FIELD"),
            maildir=setting("MAILDIR_FIELD"),
            # Courier: its manuals name the one, its authmysql reads the other.
            delivery=setting("DEFAULTDELIVERY", "DEFAULTDELIVERY_FIELD"),
            quota=setting("QUOTA_FIELD"),
            options=setting("AUXOPTIONS_FIELD"),
            where=setting("WHERE_CLAUSE", default="1=1"),
            select_clause=setting("SELECT_CLAUSE", default=""),
            enumerate_clause=setting("ENUMERATE_CLAUSE", default=""),
            change_clause=setting("CHPASS_CLAUSE", default=""),
            default_domain=rc.get("DEFAULT_DOMAIN", f"{prefix}DEFAULT_DOMAIN").lstrip("@"),
        )


def _check_clauses(rc: RcSettings, dialect: SqlDialect) -> None:
    prefix = dialect.prefix
    is_custom = all(rc.get(prefix + clause) for clause in _CLAUSES)
    if dialect.needs_table or not is_custom:
        rc.require(f"{prefix}USER_TABLE")
    if not is_custom and not rc.get(f"{prefix}CRYPT_PWFIELD", f"{prefix}CLEAR_PWFIELD"):
        raise rc.error(f"neither {prefix}CRYPT_PWFIELD nor {prefix}CLEAR_PWFIELD is set")
    for clause in _CLAUSES:
        name = prefix + clause
        variable = unprotected_variable(rc.get(name), has_hash_comments=dialect.has_hash_comments)
        if variable:
            raise rc.error(f"{name}: {variable} must stand inside single quotes", name)
