"""Statements of the SQL modules as values, and which clauses are safe."""

from __future__ import annotations

import pytest

from couriermail.auth.backends import authmysql, authpgsql, authsqlite
from couriermail.auth.backends.sqlqueries import (
    NewPassword,
    Query,
    change_query,
    enumerate_query,
    select_query,
)
from couriermail.auth.backends.sqlsettings import SqlDialect, SqlSettings
from couriermail.auth.backends.sqltemplate import expand_template, unprotected_variable
from couriermail.auth.rcfile import RcFileError, parse_rc

SQLITE, MYSQL, PGSQL = authsqlite.DIALECT, authmysql.DIALECT, authpgsql.DIALECT
NEW = NewPassword(clear="new", crypt="{MD5}x")
FIELDS = """USER_TABLE passwd
CRYPT_PWFIELD crypt
CLEAR_PWFIELD clear
NAME_FIELD name
MAILDIR_FIELD maildir
DEFAULTDELIVERY defaultdelivery
QUOTA_FIELD quota
AUXOPTIONS_FIELD options
"""


def settings(dialect: SqlDialect, text: str = FIELDS) -> SqlSettings:
    lines = [dialect.prefix + line for line in text.strip().split("\n")]
    return SqlSettings.read(parse_rc("\n".join([*lines, "##NAME: MARKER:0"]), path="rc"), dialect)


def quote(text: str) -> str:
    return text.replace("'", "''")


def test_the_statements_are_the_pinned_ones() -> None:
    sqlite = settings(SQLITE)
    columns = "id, crypt, clear, uid, gid, home, maildir, quota, name, options"
    assert select_query(sqlite, "bob@example.com", "imap", quote) == Query(
        f"SELECT {columns} FROM passwd WHERE id = ? AND (1=1)", ("bob@example.com",)
    )
    courier = select_query(sqlite, "bob@example.com", "courier", quote)
    assert courier.text == (
        f"SELECT {columns.replace('maildir', 'defaultdelivery')} FROM passwd WHERE id = ? AND (1=1)"
    )
    assert change_query(sqlite, "bob@example.com", "imap", NEW, quote) == Query(
        "UPDATE passwd SET clear=?, crypt=? WHERE id=?", ("new", "{MD5}x", "bob@example.com")
    )
    assert enumerate_query(sqlite).text == (
        "SELECT id, uid, gid, home, maildir, options FROM passwd WHERE 1=1"
    )


def test_a_column_of_scram_secrets_is_one_more() -> None:
    pgsql = settings(PGSQL, FIELDS + "SCRAM_PWFIELD scram")
    assert ", options, scram FROM passwd" in select_query(pgsql, "bob", "imap", quote).text
    new = NewPassword(clear="new", crypt="{MD5}x", scram="SCRAM-SHA-256$x")
    query = change_query(pgsql, "bob", "imap", new, quote)
    assert query.text.startswith("UPDATE passwd SET clear=%s, crypt=%s, scram=%s WHERE id=%s")
    assert query.parameters == ("new", "{MD5}x", "SCRAM-SHA-256$x", "bob")


def test_the_engines_differ_in_placeholders_and_in_the_update() -> None:
    text = FIELDS + "WHERE_CLAUSE x LIKE 'a%'"
    assert select_query(settings(MYSQL, text), "a", "imap", quote).text.endswith(
        "WHERE id = %s AND (x LIKE 'a%%')"
    )
    assert change_query(settings(MYSQL, text), "a", "imap", NEW, quote).text.endswith("WHERE id=%s")
    assert change_query(settings(PGSQL, text), "a", "imap", NEW, quote).text.endswith(
        "WHERE id=%s AND (x LIKE 'a%%')"
    )
    assert enumerate_query(settings(MYSQL, text)).text.endswith("WHERE x LIKE 'a%'")


def test_columns_that_are_not_configured_are_empty_and_not_changed() -> None:
    only = settings(SQLITE, "USER_TABLE t\nCLEAR_PWFIELD c\nLOGIN_FIELD login")
    assert select_query(only, "a", "imap", quote).text == (
        "SELECT login, '', c, uid, gid, home, '', '', '', '' FROM t WHERE login = ? AND (1=1)"
    )
    assert change_query(only, "a", "imap", NEW, quote) == Query(
        "UPDATE t SET c=? WHERE login=?", ("new", "a")
    )


def test_custom_clauses_get_every_value_escaped() -> None:
    text = FIELDS + (
        "SELECT_CLAUSE '$(local_part)' '$(domain)' '$(service)' $x $(other)\n"
        "CHPASS_CLAUSE '$(newpass)' '$(newpass_crypt)' '$(local_part)'"
    )
    custom = settings(SQLITE, text)
    assert select_query(custom, "o'b@d'd@e", "i'm", quote) == Query("'o''b' 'd''d@e' 'i''m' $x ")
    new = NewPassword(clear="a'b", crypt="c'd")
    assert change_query(custom, "o'b", "imap", new, quote) == Query("'a''b' 'c''d' 'o''b'")


def test_a_value_that_looks_like_a_variable_is_not_expanded_again() -> None:
    values = {"local_part": "$(domain)", "domain": "x"}
    assert expand_template("'$(local_part)$(domain)'", values, quote) == "'$(domain)x'"


@pytest.mark.parametrize(
    "clause",
    [
        "'$(local_part)'",
        "'$(local_part)@$(domain)'",
        "'it''s $(local_part)'",
        "a = 'x' AND b = '$(domain)'",
        "'%' || '$(domain)' || '--' || '$(service)'",
        "'/*' || '$(domain)' || '*/'",
        "$(unknown)",
        "$x $1 $",
        "\"o'clock\" = '$(domain)'",
        "a -- it's\n = '$(domain)'",
    ],
)
@pytest.mark.parametrize("has_hash_comments", [True, False])
def test_a_variable_inside_an_ordinary_text_is_protected(
    clause: str, *, has_hash_comments: bool
) -> None:
    assert unprotected_variable(clause, has_hash_comments=has_hash_comments) is None


@pytest.mark.parametrize(
    "clause",
    [
        "$(local_part)",
        "'a' $(local_part) 'b'",
        "'it''s' || $(local_part) || ''",
        '"$(local_part)"',
        "`$(local_part)`",
        "E'$(local_part)'",
        "U&'$(local_part)'",
        "'a\\' || $(local_part) || '",
        "'\\\\$(local_part)'",
        "$$ '$(local_part)' $$",
        "$tag$ $(local_part) $tag$",
        "-- '$(local_part)'",
        "/* '$(local_part)' */",
        "'unfinished $(local_part)",
        "'",
    ],
)
def test_a_variable_elsewhere_is_not(clause: str) -> None:
    found = unprotected_variable(clause if clause != "'" else "' $(local_part)")
    assert found == "$(local_part)"


def test_a_hash_sign_begins_a_comment_only_in_mysql() -> None:
    clause = "a # '$(local_part)'"
    assert unprotected_variable(clause, has_hash_comments=True)
    assert unprotected_variable(clause) is None


@pytest.mark.parametrize(
    ("dialect", "text", "words"),
    [
        (SQLITE, "CLEAR_PWFIELD c", "SQLITE_USER_TABLE is not set"),
        (SQLITE, "USER_TABLE t", "neither SQLITE_CRYPT_PWFIELD nor"),
        (MYSQL, "SELECT_CLAUSE a\nENUMERATE_CLAUSE b\nCHPASS_CLAUSE c", "MYSQL_USER_TABLE is not"),
        (PGSQL, FIELDS + "CHPASS_CLAUSE x $(newpass)", r"rc:9: PGSQL_CHPASS_CLAUSE: \$\(newpass\)"),
    ],
)
def test_settings_that_cannot_be_used_are_named(dialect: SqlDialect, text: str, words: str) -> None:
    with pytest.raises(RcFileError, match=words):
        settings(dialect, text)
