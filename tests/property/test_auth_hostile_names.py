"""Names and passwords that mean something to somebody on the way reach no other account.

The law of every test: "a user name with `/`, `..`, NUL, newline, `=`, quotes or SQL/LDAP
metacharacters reaches no other file, query or account".
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from couriermail.auth import (
    InvalidLoginError,
    PasswdRequest,
    PreRequest,
    Request,
    RequestParser,
    UserdbInputError,
    UserdbModule,
    compile_userdb,
    login_request,
)
from couriermail.auth.backends import authmysql, authpgsql, authsqlite
from couriermail.auth.backends.authldap import LdapModule
from couriermail.auth.backends.authpam import PamModule
from couriermail.auth.backends.authpipe import PipeModule
from couriermail.auth.backends.ldapconnection import LdapEntry
from couriermail.auth.backends.ldapsettings import LdapSettings
from couriermail.auth.backends.pam import REFUSED
from couriermail.auth.backends.sqlmodule import SqlModule
from couriermail.auth.backends.sqlqueries import (
    NewPassword,
    Query,
    change_query,
    select_query,
)
from couriermail.auth.backends.sqlsettings import SqlDialect, SqlSettings
from couriermail.auth.rcfile import parse_rc
from couriermail.auth.userdb_edit import UserdbDocument
from couriermail.auth.wire import AuthRequest

PIECES = [
    "alice", "bob", "'", '"', "\\", "%", "_", "*", "(", ")", "&", "|", "=", "/", "..", "../", "\0",
    "\n", "\r", "\t", " ", ";", "--", "/*", "#", "?", "%s", ":1", "$(domain)", "$(local_part)", "@",
    "' OR '1'='1", "\\'", "\\2a", ")(uid=*", "FAIL", "\nPRE . imap alice", "\udcff", "ａ", "$$", ",",
]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.text(max_size=12)
quick = settings(max_examples=150, deadline=None)

SECRET = "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="


# SQL: bound queries


def sql_settings(dialect: SqlDialect, **clauses: str) -> SqlSettings:
    rows = {"USER_TABLE": "passwd", "CRYPT_PWFIELD": "crypt", "CLEAR_PWFIELD": "clear", **clauses}
    lines = "".join(f"{dialect.prefix}{name} {value}\n" for name, value in rows.items())
    return SqlSettings.read(parse_rc(f"{lines}##NAME: MARKER:0\n", path="rc"), dialect)


def no_escape(text: str) -> str:
    raise AssertionError("a bound value must not become text of the statement")


@pytest.mark.parametrize(
    "dialect", [authsqlite.DIALECT, authmysql.DIALECT, authpgsql.DIALECT], ids=lambda d: d.prefix
)
@given(name=hostile, password=hostile)
@quick
def test_a_bound_name_is_never_part_of_the_statement(
    dialect: SqlDialect, name: str, password: str
) -> None:
    where = sql_settings(dialect)
    usual, new = NewPassword(clear="new", crypt="x"), NewPassword(clear=password, crypt=password)
    assert select_query(where, name, "imap", no_escape) == Query(
        select_query(where, "alice", "imap", no_escape).text, (name,)
    )
    assert change_query(where, name, "imap", new, no_escape) == Query(
        change_query(where, "alice", "imap", usual, no_escape).text, (password, password, name)
    )


# SQL: real statements, bound and from an administrator's clauses


class RecordingConnection:
    """A table of two accounts in memory, in the engine's real SQL; counts what was changed."""

    def __init__(self) -> None:
        self.handle = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.handle.execute("CREATE TABLE passwd (id, crypt, clear, uid, gid, home)")
        for number, name in enumerate(("alice", "bob"), 1001):
            row = (name, SECRET, "secret", number, number, f"/home/{name}")
            self.handle.execute("INSERT INTO passwd VALUES (?,?,?,?,?,?)", row)
        self.before = self.rows()

    def rows(self) -> list[tuple[object, ...]]:
        return self.handle.execute("SELECT * FROM passwd ORDER BY id").fetchall()

    def select(self, query: Query) -> list[tuple[object, ...]]:
        return self.handle.execute(query.text, query.parameters).fetchall()

    def change(self, query: Query) -> int:
        return self.handle.execute(query.text, query.parameters).rowcount

    def escape(self, text: str) -> str:
        return authsqlite._SqliteConnection(self.handle, "", None).escape(text)

    def close(self) -> None:
        self.handle.close()


CLAUSES = {
    "SELECT_CLAUSE": "SELECT id,crypt,clear,uid,gid,home FROM passwd WHERE id='$(local_part)'"
    " AND '$(domain)'='' AND '$(service)'='imap'",
    "CHPASS_CLAUSE": "UPDATE passwd SET clear='$(newpass)',crypt='$(newpass_crypt)'"
    " WHERE id='$(local_part)'",
}


class FixedSession:
    """Runs the work on one connection with fixed settings."""

    def __init__(self, connection: object, settings: object) -> None:
        self.connection, self.settings = connection, settings

    def run(self, work: Callable[[object, object], object]) -> object:
        return work(self.connection, self.settings)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module", params=["bound", "clauses"])
def sql(request: pytest.FixtureRequest) -> Iterator[tuple[SqlModule, RecordingConnection]]:
    connection = RecordingConnection()
    clauses = {} if request.param == "bound" else CLAUSES
    session = FixedSession(connection, sql_settings(authsqlite.DIALECT, **clauses))
    yield SqlModule("authsqlite", session), connection  # type: ignore[arg-type]  # a double
    connection.close()


@given(name=hostile, password=hostile, new=hostile)
@quick
def test_a_name_finds_its_own_row_or_none(
    sql: tuple[SqlModule, RecordingConnection], name: str, password: str, new: str
) -> None:
    module, connection = sql
    found = module.lookup(name, "imap")
    # A clause that takes the local part only has no use for what follows the "@".
    assert (found is None) or found.address in (name, name.partition("@")[0])
    assume(name.partition("@")[0] not in ("alice", "bob"))
    assert found is None
    assert module.login(name, "secret", "imap") is None
    assert not module.change_password(name, "secret", new, "imap")
    assert password == "secret" or module.login("alice", password, "imap") is None
    assert connection.rows() == connection.before


@given(new=hostile)
@quick
def test_a_new_password_is_stored_as_it_is_and_nowhere_else(
    sql: tuple[SqlModule, RecordingConnection], new: str
) -> None:
    module, connection = sql
    try:
        is_changed = module.change_password("alice", "secret", new, "imap")
        [[stored]] = connection.handle.execute("SELECT clear FROM passwd WHERE id='alice'")
        assert stored == (new if is_changed else "secret")
        assert connection.rows()[1] == connection.before[1]
    finally:
        connection.handle.execute("UPDATE passwd SET clear='secret', crypt=? ", (SECRET,))


# LDAP


class RecordingDirectory:
    """Finds entries as a server does: in a value, `*` is anything and `\\xx` an octet."""

    FILTER = re.compile(r"\(&\(active=1\)\((?:mail|uid)=([^()\0]*)\)\)")

    def find_one(self, base: str, filter: str, attributes: list[str]) -> LdapEntry | None:
        asked = self.FILTER.fullmatch(filter)
        assert asked is not None, f"another query: {filter!r}"
        wanted = re.sub(
            r"\\(..)|(\*)|(.)",
            lambda part: ".*" if part[2] else re.escape(part[3] or chr(int(part[1], 16))),
            asked[1],
            flags=re.DOTALL,
        )
        names = [name for name in ("alice", "bob") if re.fullmatch(wanted, name, re.DOTALL)]
        if len(names) != 1:
            return None
        values = {"mail": names, "homedir": [f"/home/{names[0]}"], "uid": ["1"], "gid": ["1"]}
        return LdapEntry(f"cn={names[0]}", values)


@given(name=hostile)
@quick
def test_a_name_is_one_value_in_an_ldap_filter(name: str) -> None:
    rc = "LDAP_URI x\nLDAP_BASEDN x\nLDAP_FILTER (active=1)\nLDAP_UID uid\nLDAP_GID gid\n"
    where = LdapSettings.read(parse_rc(f"{rc}##NAME: MARKER:0\n", path="rc"))
    session = FixedSession(RecordingDirectory(), where)
    module = LdapModule(session)  # type: ignore[arg-type]  # a double
    found = module.lookup(name, "imap")
    assert (found is not None) == (name in ("alice", "bob"))
    assert found is None or found.home == f"/home/{name}"


# userdb


@pytest.fixture(scope="module", params=["text", "compiled"])
def userdb(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[UserdbModule, Path]:
    path = tmp_path_factory.mktemp("hostile") / "userdb"
    path.write_text(
        f"alice\tuid=1|gid=1|home=/home/alice|systempw={SECRET}\n1=\talice\n#x\tuid=2\n"
        f"bob\tuid=3|gid=3|home=/home/bob|systempw={SECRET}\n"
    )
    path.chmod(0o600)
    if request.param == "compiled":
        compile_userdb(path)
    module = UserdbModule.open(path, revalidate=0)
    assert module.login("alice", "secret", "login")  # from now on a refusal costs one MD5
    return module, path


@given(name=hostile, service=hostile)
@quick
def test_a_name_finds_its_own_record_or_none(
    userdb: tuple[UserdbModule, Path], name: str, service: str
) -> None:
    module, path = userdb
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    found = module.lookup(name, service)
    assert (found is not None) == (name in ("alice", "bob"))
    if found is None:
        assert module.login(name, "secret", "login") is None
        assert not module.change_password(name, "secret", "new", "login")
        assert not module.change_password("alice", "secret", "new|x", service)
    else:
        assert found.home == f"/home/{name}"
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


@given(name=hostile, field=hostile, value=hostile)
@quick
def test_an_edited_record_is_one_line_of_its_own(name: str, field: str, value: str) -> None:
    assume(name not in ("alice", "bob"))
    document = UserdbDocument.parse(b"alice\tuid=1\nbob\tuid=2\n")
    octets = [text.encode("utf-8", "surrogateescape") for text in (name, field, value)
              if text.isascii() or text.isprintable()]  # fmt: skip
    assume(len(octets) == 3)
    with suppress(UserdbInputError):
        document.set(octets[0], {octets[1]: octets[2]})
        assert document.fields(octets[0]) == [octets[1] + b"=" + octets[2]]
    again = UserdbDocument.parse(document.to_bytes())
    assert again.fields(b"alice") == [b"uid=1"]
    assert again.fields(b"bob") == [b"uid=2"]
    assert set(again.names()) - {octets[0]} == {b"alice", b"bob"}


# The wire, and programs that speak it


def requests_in(octets: bytes) -> list[Request]:
    """What a daemon makes of these bytes; nothing may be left."""
    parser = RequestParser()
    parser.receive_data(octets)
    found = []
    while (request := parser.next_request()) is not None:
        found.append(request)
    assert not parser._buffer
    return found


@given(name=hostile, old=hostile, new=hostile, service=hostile)
@quick
def test_a_request_says_what_was_meant_or_is_not_sent(
    name: str, old: str, new: str, service: str
) -> None:
    texts = (name, old, new, service)
    assume(not any("\ud800" <= char <= "\udc7f" for text in texts for char in text))
    with suppress(InvalidLoginError):
        lookup = PreRequest(name=name, service=service, remote=None)
        assert requests_in(lookup.to_bytes()) == [lookup]
    with suppress(InvalidLoginError):
        change = PasswdRequest(service=service, name=name, old=old, new=new)
        assert requests_in(change.to_bytes()) == [change]
    with suppress(InvalidLoginError):
        login = login_request(name, old, service)
        [read] = requests_in(login.to_bytes())
        assert isinstance(read, AuthRequest)
        assert read.credentials() == (name, old)
        assert read.service == service


@given(name=hostile, old=hostile, new=hostile)
@quick
def test_a_program_reads_one_question_about_that_name_or_none(
    name: str, old: str, new: str
) -> None:
    texts = (name, old, new)
    assume(not any("\ud800" <= char <= "\udc7f" for text in texts for char in text))
    asked: list[Request] = []

    def ask(octets: bytes, take: Callable[[bytes], bool]) -> None:
        asked.extend(requests_in(octets))
        assert take(b"FAIL\n")

    child = SimpleNamespace(path="/bin/sh", ask=ask, close=lambda: None)
    module = PipeModule(child)  # type: ignore[arg-type]  # a double
    for question in (
        lambda: module.lookup(name, "imap"),
        lambda: module.login(name, old, "imap"),
        lambda: module.change_password(name, old, new, "imap"),
    ):
        asked.clear()
        assert not question()
        assert [name_in(one) for one in asked] in ([], [name])


def name_in(request: Request) -> str | None:
    """Whom a request is about."""
    if isinstance(request, AuthRequest):
        credentials = request.credentials()
        return credentials[0] if credentials else None
    return getattr(request, "name", None)


# PAM: four texts with NUL between them


@given(name=hostile, password=hostile, service=hostile, remote=hostile)
@quick
def test_pam_is_asked_for_exactly_these_texts_or_not_at_all(
    name: str, password: str, service: str, remote: str
) -> None:
    asked: list[bytes] = []

    def run(words: list[str], *, input: bytes, **_: object) -> SimpleNamespace:
        asked.append(input)
        return SimpleNamespace(returncode=REFUSED, stderr=b"")

    texts = (service, name, password, remote)
    assume(not any("\ud800" <= char <= "\udc7f" for text in texts for char in text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run)
        assert PamModule().login(name, password, service, remote=remote) is None
    for octets in asked:
        parts = tuple(part.decode("utf-8", "surrogateescape") for part in octets.split(b"\0"))
        assert parts == texts
        assert re.fullmatch(r"[\w-]+", service, re.ASCII)  # the name of a file of PAM's
        assert "/" not in name
