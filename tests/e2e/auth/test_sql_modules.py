"""authsqlite, authmysql and authpgsql on real engines: the same behaviour on all three."""

from __future__ import annotations

import gc
import hmac
import logging
import os
import warnings
from collections.abc import Callable

import pytest
from tests.support.sqlsites import SqlSite

from couriermail.auth import CramResponse, DirectoryError, ScramSecret
from couriermail.auth.passwords import verify_password
from couriermail.auth.rcfile import RcFileError

# Names that mean something to SQL, LDAP, a shell, a path or a line.
HOSTILE = [
    "' OR '1'='1", "'; DROP TABLE passwd; --", "\\", "\\' OR 1=1 -- ", '" OR ""="', "%", "_lice",
    "*", "alice\0", "alice\n", "alice\x00' OR 1=1", "$(domain)", "%s", "%(x)s", "?", ":1", "{0}",
    "../alice", "", "a" * 5000, "alice' -- ", "alice'/*", "ａlice", "\udcff", "��",
]  # fmt: skip


def cram(name: str, password: str, algorithm: str = "md5") -> CramResponse:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    digest = hmac.new(password.encode(), challenge, algorithm).hexdigest()
    return CramResponse(algorithm=algorithm, challenge=challenge, name=name, digest=digest)


def test_an_account_has_every_field_of_its_row(sql: SqlSite) -> None:
    sql.add("alice@example.com")
    account = sql.module().lookup("alice@example.com", "imap")
    assert account is not None
    assert (account.name, account.address) == ("alice@example.com", "alice@example.com")
    assert (account.uid, account.gid, account.home) == (1001, 1002, "/home/alice@example.com")
    assert (account.maildir, account.quota, account.full_name) == (
        "./Maildir", "1000S,10C", "A Name",
    )  # fmt: skip
    assert account.options.get("group") == "staff"
    assert account.clear_password == "secret"
    assert verify_password(account.password or "", "secret")


def test_a_scram_secret_is_read_and_changes_with_the_password(sql: SqlSite) -> None:
    stored = ScramSecret.from_password("secret").to_text()
    sql.add("alice", scram=stored)
    sql.add("bob")
    assert getattr(sql.module().lookup("alice", "imap"), "scram", "") is None  # not configured
    module = sql.module(SCRAM_PWFIELD="scram")
    account = module.lookup("alice", "imap")
    assert account is not None
    assert account.scram == stored
    assert stored not in repr(account)
    logged_in = module.login("alice", "secret", "imap")
    assert logged_in is not None
    assert logged_in.scram is None
    assert module.change_password("alice", "secret", "newsecret", "imap")
    changed = ScramSecret.from_text(getattr(module.lookup("alice", "imap"), "scram", ""))
    assert changed is not None
    assert changed.is_of("newsecret")
    assert getattr(module.lookup("bob", "imap"), "scram", "") is None
    custom = sql.module(
        SELECT_CLAUSE="SELECT id,crypt,clear,uid,gid,home,'','','','',scram"
        " FROM passwd WHERE id='$(local_part)'"
    )
    assert getattr(custom.lookup("alice", "imap"), "scram", "") == changed.to_text()


def test_the_service_courier_gets_the_delivery_instruction(sql: SqlSite) -> None:
    sql.add("alice")
    account = sql.module().lookup("alice", "courier")
    assert account is not None
    assert account.maildir == "|deliver"


def test_mysql_also_reads_the_other_name_of_the_delivery_setting(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module(DEFAULTDELIVERY=None, DEFAULTDELIVERY_FIELD="defaultdelivery")
    account = module.lookup("alice", "courier")
    assert account is not None
    assert account.maildir == "|deliver"


def test_a_name_without_domain_gets_the_default_one(sql: SqlSite) -> None:
    sql.add("alice@example.com")
    module = sql.module(plain={"DEFAULT_DOMAIN": "example.com"})
    account = module.login("alice", "secret", "imap")
    assert account is not None
    assert (account.name, account.address) == ("alice", "alice@example.com")
    assert module.lookup("alice@other.example", "imap") is None


@pytest.mark.parametrize(
    ("password", "is_right"),
    [("secret", True), ("Secret", False), ("", False), ("secret ", False), ("secret\0", False)],
)
@pytest.mark.parametrize("form", ["hash", "clear"])
def test_only_the_password_logs_in(
    sql: SqlSite, password: str, *, is_right: bool, form: str
) -> None:
    sql.add("alice", "secret", **{"clear" if form == "hash" else "crypt": None})
    account = sql.module().login("alice", password, "imap")
    assert (account is not None) == is_right
    if account is not None:
        assert account.clear_password == "secret"


def test_the_hash_decides_where_both_are_stored(sql: SqlSite) -> None:
    sql.add("alice", clear="other")
    module = sql.module()
    assert module.login("alice", "secret", "imap")
    assert module.login("alice", "other", "imap") is None


def test_an_account_without_any_password_is_found_but_cannot_log_in(sql: SqlSite) -> None:
    sql.add("alice", None)
    sql.add("bob", "", crypt="")
    module = sql.module()
    for name in ("alice", "bob"):
        assert module.lookup(name, "imap")
        assert module.login(name, "", "imap") is None
        assert module.cram(cram(name, ""), "imap") is None


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_cram_needs_the_clear_password(sql: SqlSite, algorithm: str) -> None:
    sql.add("alice")
    sql.add("bob", clear=None)
    module = sql.module()
    assert module.cram(cram("alice", "secret", algorithm), "imap")
    assert module.cram(cram("alice", "wrong", algorithm), "imap") is None
    assert module.cram(cram("bob", "secret", algorithm), "imap") is None


@pytest.mark.parametrize("clause", ["default", "custom"])
def test_hostile_names_reach_nothing(sql: SqlSite, clause: str) -> None:
    sql.add("alice")
    custom = (
        "SELECT id, crypt, clear, uid, gid, home FROM passwd WHERE id = '$(local_part)'"
        " AND '$(domain)' = 'd' AND '$(service)' <> ''"
    )
    module = sql.module(
        plain={"DEFAULT_DOMAIN": "d"} if clause == "custom" else None,
        SELECT_CLAUSE=custom if clause == "custom" else None,
    )
    for name in HOSTILE:
        assert module.lookup(name, "imap") is None, name
        assert module.login(name, "secret", "imap") is None, name
        assert module.change_password(name, "secret", "new", "imap") is False, name
    assert module.lookup("alice", "imap")
    assert sql.stored("alice")[0] == "secret"


@pytest.mark.parametrize(
    "name", ["o'neil", "back\\slash", "per%cent", 'dou"ble', "dol$(x)lar", "jörg"]
)
@pytest.mark.parametrize("clause", ["default", "custom"])
def test_a_strange_name_is_an_account_when_it_is_stored(
    sql: SqlSite, name: str, clause: str
) -> None:
    sql.add("alice")
    sql.add(name)
    module = sql.module(
        SELECT_CLAUSE="SELECT id,crypt,clear,uid,gid,home FROM passwd WHERE id='$(local_part)'"
        if clause == "custom"
        else None,
        CHPASS_CLAUSE="UPDATE passwd SET clear='$(newpass)', crypt='$(newpass_crypt)'"
        " WHERE id='$(local_part)'"
        if clause == "custom"
        else None,
    )
    account = module.login(name, "secret", "imap")
    assert account is not None
    assert account.address == name
    assert module.change_password(name, "secret", 'it\'s \\ %s "new"', "imap")
    assert module.login(name, 'it\'s \\ %s "new"', "imap")
    assert sql.stored("alice")[0] == "secret"


def test_a_service_name_is_escaped_too(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module(
        SELECT_CLAUSE="SELECT id,crypt,clear,uid,gid,home FROM passwd WHERE '$(service)'='imap'"
    )
    assert module.lookup("alice", "imap")
    assert module.lookup("alice", "' OR 1=1 OR '") is None


def test_a_custom_clause_may_leave_out_trailing_columns(sql: SqlSite) -> None:
    sql.add("alice@example.com")
    module = sql.module(
        plain={"DEFAULT_DOMAIN": "example.com"},
        SELECT_CLAUSE="SELECT id, crypt, clear, uid, gid, \\\n   home FROM passwd"
        " WHERE id = '$(local_part)@$(domain)' AND name LIKE 'A%'",
    )
    account = module.lookup("alice", "imap")
    assert account is not None
    assert (account.maildir, account.quota, account.full_name) == (None, None, None)


def test_a_custom_clause_with_too_few_columns_is_trouble(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module(SELECT_CLAUSE="SELECT id, uid FROM passwd WHERE id='$(local_part)'")
    with pytest.raises(DirectoryError, match="fewer than 6 columns"):
        module.lookup("alice", "imap")


def test_a_variable_outside_of_quotes_is_refused_with_its_line(sql: SqlSite) -> None:
    module = sql.module(SELECT_CLAUSE="SELECT * FROM passwd WHERE id = $(local_part)")
    with pytest.raises(RcFileError, match=r"must stand inside single quotes") as caught:
        module.lookup("alice", "imap")
    assert (
        caught.value.line
        == sql.rc.read_text()
        .split("\n")
        .index(next(line for line in sql.rc.read_text().split("\n") if "SELECT_CLAUSE" in line))
        + 1
    )


def test_a_where_clause_with_percent_limits_all_statements(sql: SqlSite) -> None:
    sql.add("alice")
    sql.add("bob", name="B Name")
    module = sql.module(WHERE_CLAUSE="name LIKE 'A%' OR name LIKE 'A_Name'")
    assert module.lookup("alice", "imap")
    assert module.lookup("bob", "imap") is None
    assert [account.address for account in module.accounts()] == ["alice"]


@pytest.mark.parametrize(
    "broken",
    [
        {"uid": 0}, {"gid": 0}, {"home": ""}, {"home": None}, {"uid": None}, {"gid": None},
        {"uid": -1},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_without_home_or_ids_is_no_account(
    sql: SqlSite, broken: dict[str, str | int | None], caplog: pytest.LogCaptureFixture
) -> None:
    sql.add("alice", "secret", **broken)
    module = sql.module()
    assert module.lookup("alice", "imap") is None
    assert module.login("alice", "secret", "imap") is None
    assert list(module.accounts()) == []
    assert "is no account" in caplog.text
    assert "alice" not in caplog.text


def test_of_several_rows_sqlite_takes_none_and_the_others_the_first(sql: SqlSite) -> None:
    sql.add("alice")
    sql.add("alice", home="/elsewhere")
    module = sql.module()
    if sql.engine == "sqlite":
        with pytest.raises(DirectoryError, match="several rows"):
            module.lookup("alice", "imap")
    else:
        account = module.lookup("alice", "imap")
        assert account is not None
        assert account.home in {"/home/alice", "/elsewhere"}


def test_a_new_password_keeps_the_scheme_and_goes_to_both_columns(sql: SqlSite) -> None:
    sql.add("alice")
    sql.add("bob")
    module = sql.module()
    assert module.change_password("alice", "secret", "newsecret", "imap")
    clear, crypt = sql.stored("alice")
    assert clear == "newsecret"
    assert crypt.startswith("{MD5}")
    assert verify_password(crypt, "newsecret")
    assert sql.stored("bob")[0] == "secret"
    assert module.login("alice", "secret", "imap") is None
    assert module.login("alice", "newsecret", "imap")


def test_only_configured_columns_are_changed(sql: SqlSite) -> None:
    sql.add("alice", clear="untouched")
    assert sql.module(CLEAR_PWFIELD=None).change_password("alice", "secret", "new", "imap")
    assert sql.stored("alice")[0] == "untouched"


@pytest.mark.parametrize(
    ("old", "new"),
    [("wrong", "new"), ("", "new"), ("secret", ""), ("secret", "a\nb"), ("secret", "a\0b"),
     ("secret", "\udcff")],
)  # fmt: skip
def test_a_password_change_is_refused(sql: SqlSite, old: str, new: str) -> None:
    sql.add("alice")
    assert sql.module().change_password("alice", old, new, "imap") is False
    assert sql.stored("alice")[0] == "secret"


def test_a_password_may_be_changed_to_itself(sql: SqlSite) -> None:
    sql.add("alice")
    assert sql.module(CRYPT_PWFIELD=None).change_password("alice", "secret", "secret", "imap")


def test_a_change_that_finds_no_row_is_refused(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module(CHPASS_CLAUSE="UPDATE passwd SET clear='$(newpass)' WHERE id='nobody'")
    assert module.change_password("alice", "secret", "new", "imap") is False


def test_all_accounts_are_listed_by_address(sql: SqlSite) -> None:
    for name in ("carol", "alice", "bob"):
        sql.add(name)
    found = list(sql.module().accounts())
    assert [account.address for account in found] == ["alice", "bob", "carol"]
    first = found[0]
    assert (first.uid, first.gid, first.home, first.maildir) == (
        1001, 1002, "/home/alice", "./Maildir",
    )  # fmt: skip
    assert first.options.text == "disableimap=0,group=staff"
    assert first.password is None


def test_a_custom_list_is_used(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module(ENUMERATE_CLAUSE="SELECT id, uid, gid, home FROM passwd")
    assert [(a.address, a.maildir) for a in module.accounts()] == [("alice", None)]


def test_custom_clauses_replace_the_table_where_the_engine_allows(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module(
        USER_TABLE=None,
        CRYPT_PWFIELD=None,
        CLEAR_PWFIELD=None,
        SELECT_CLAUSE="SELECT id,crypt,clear,uid,gid,home FROM passwd WHERE id='$(local_part)'",
        ENUMERATE_CLAUSE="SELECT id, uid, gid, home FROM passwd",
        CHPASS_CLAUSE="UPDATE passwd SET clear='$(newpass)' WHERE id='$(local_part)'",
    )
    if sql.engine == "mysql":
        with pytest.raises(RcFileError, match="MYSQL_USER_TABLE is not set"):
            module.lookup("alice", "imap")
    else:
        assert module.login("alice", "secret", "imap")


def test_a_server_that_is_away_is_trouble_and_one_that_returns_is_used(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module()
    assert module.login("alice", "secret", "imap")
    sql.stop()
    for ask in (
        lambda: module.lookup("alice", "imap"),
        lambda: module.login("alice", "secret", "imap"),
        lambda: module.change_password("alice", "secret", "new", "imap"),
        lambda: list(module.accounts()),
    ):
        with pytest.raises(DirectoryError):
            ask()
    _collect_sockets()
    sql.start()
    assert module.login("alice", "secret", "imap")


def _collect_sockets() -> None:
    """PyMySQL leaves its socket to the collector when it cannot connect; it warns now, then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_restart_between_two_requests_is_not_noticed(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module()
    assert module.lookup("alice", "imap")
    sql.stop()
    sql.start()
    assert module.change_password("alice", "secret", "new", "imap")
    assert module.login("alice", "new", "imap")


def test_idle_closes_the_connection_until_it_is_needed(sql: SqlSite) -> None:
    sql.add("alice")
    module = sql.module()
    before = len(os.listdir("/proc/self/fd"))
    assert module.lookup("alice", "imap")
    assert len(os.listdir("/proc/self/fd")) > before
    module.idle()
    assert len(os.listdir("/proc/self/fd")) == before
    assert module.lookup("alice", "imap")
    module.close()


def test_changed_settings_are_used_at_once_and_broken_ones_are_not(
    sql: SqlSite, caplog: pytest.LogCaptureFixture
) -> None:
    sql.add("alice")
    module = sql.module()
    assert module.lookup("alice", "imap")
    sql.write_rc(WHERE_CLAUSE="uid = 5")
    assert module.lookup("alice", "imap") is None
    sql.rc.write_text("no marker here\n")
    assert module.lookup("alice", "imap") is None
    assert module.lookup("alice", "imap") is None
    assert caplog.text.count("will try again later") == 1
    sql.write_rc()
    assert module.lookup("alice", "imap")


def test_trouble_says_nothing_of_names_and_passwords(
    sql: SqlSite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    module = sql.module(USER_TABLE="missing_table")
    with pytest.raises(DirectoryError) as caught:
        module.login("alice@example.com", "sekrit-word", "imap")
    assert "alice" not in str(caught.value) + caplog.text
    assert "sekrit-word" not in str(caught.value) + caplog.text + repr(module)
    assert "sekrit" not in repr(module)


@pytest.mark.parametrize("engine", ["mysql", "pgsql"])
def test_settings_with_passwords_must_not_be_public(
    make_sql_site: Callable[[str], SqlSite], engine: str
) -> None:
    site = make_sql_site(engine)
    module = site.module()
    site.rc.chmod(0o644)
    with pytest.raises(RcFileError, match="readable for everybody"):
        module.lookup("alice", "imap")


def test_a_wrong_database_password_is_trouble(make_sql_site: Callable[[str], SqlSite]) -> None:
    site = make_sql_site("mysql")
    module = site.module(plain={"MYSQL_PASSWORD": "wrong"})
    with pytest.raises(DirectoryError, match="1045"):
        module.lookup("alice", "imap")


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES"])
def test_mysql_escaping_follows_the_mode_of_the_server(
    make_sql_site: Callable[[str], SqlSite], mode: str
) -> None:
    site = make_sql_site("mysql")
    site.add("alice")
    site.add("back\\slash")
    [(usual,)] = site.execute("SELECT @@GLOBAL.sql_mode")
    site.execute("SET GLOBAL sql_mode = ?", mode)
    try:
        module = site.module(
            SELECT_CLAUSE="SELECT id,crypt,clear,uid,gid,home FROM passwd WHERE id='$(local_part)'"
        )
        for name in ("\\' OR 1=1 -- ", "' OR 1=1 -- ", "\\"):
            assert module.lookup(name, "imap") is None
        assert module.lookup("back\\slash", "imap")
    finally:
        site.execute("SET GLOBAL sql_mode = ?", usual)


def test_a_missing_sqlite_database_is_not_created(
    make_sql_site: Callable[[str], SqlSite],
) -> None:
    site = make_sql_site("sqlite")
    module = site.module(plain={"SQLITE_DATABASE": str(site.folder / "nothing")})
    with pytest.raises(DirectoryError):
        module.lookup("alice", "imap")
    assert not (site.folder / "nothing").exists()
