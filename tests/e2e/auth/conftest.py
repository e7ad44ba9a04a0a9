"""Fixtures of the authentication modules: real servers, one of each kind for all tests."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support.servers import Directory, Server, mariadb, postgres, slapd
from tests.support.sqlsites import SqlSite

ENGINES = ("sqlite", "mysql", "pgsql")
TABLE = """CREATE TABLE IF NOT EXISTS passwd (
    id {text}, crypt {text}, clear {text}, uid integer, gid integer, home {text},
    maildir {text}, quota {text}, name {text}, options {text}, defaultdelivery {text}, scram {text})"""


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[tuple[Server, Path]]:
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("peer absent: mariadb-install-db")
    pytest.importorskip("pymysql")
    with mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[tuple[Server, str]]:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("peer absent: initdb")
    pytest.importorskip("psycopg")
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def directory_server() -> Iterator[Directory]:
    if not Path("/usr/sbin/slapd").exists():
        pytest.skip("peer absent: slapd")
    pytest.importorskip("ldap")
    with slapd() as server:
        yield server


def _execute_sqlite(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def _execute_mysql(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    import pymysql

    with pymysql.connect(
        unix_socket=str(path),
        user="mail",
        password="sekrit",
        database="mail",
        autocommit=True,
        ssl_disabled=True,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(statement.replace("?", "%s"), values or None)
        return list(cursor.fetchall())


def _execute_pgsql(conninfo: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement.replace("?", "%s").encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _sqlite_site(folder: Path) -> SqlSite:
    path, away = folder / "accounts", folder / "away"
    return SqlSite(
        engine="sqlite",
        folder=folder,
        connection={"SQLITE_DATABASE": str(path)},
        execute=partial(_execute_sqlite, path),
        stop=partial(os.rename, path, away),
        # A copy: the file is another one, as after a restore.
        start=partial(_copy, away, path),
    )


def _mysql_site(folder: Path, server: Server, path: Path) -> SqlSite:
    return SqlSite(
        engine="mysql",
        folder=folder,
        connection={
            "MYSQL_SOCKET": str(path),
            "MYSQL_USERNAME": "mail",
            "MYSQL_PASSWORD": "sekrit",
            "MYSQL_DATABASE": "mail",
        },
        execute=partial(_execute_mysql, path),
        stop=server.stop,
        start=server.start,
    )


def _pgsql_site(folder: Path, server: Server, conninfo: str) -> SqlSite:
    return SqlSite(
        engine="pgsql",
        folder=folder,
        connection={"PGSQL_CONNECTION": conninfo},
        execute=partial(_execute_pgsql, conninfo),
        stop=server.stop,
        start=server.start,
    )


@pytest.fixture
def make_sql_site(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], SqlSite]]:
    """Makes a site of an engine."""
    sites: list[SqlSite] = []

    def make(engine: str) -> SqlSite:
        if engine == "mysql":
            site = _mysql_site(tmp_path, *request.getfixturevalue("mariadb_server"))
        elif engine == "pgsql":
            site = _pgsql_site(tmp_path, *request.getfixturevalue("postgres_server"))
        else:
            site = _sqlite_site(tmp_path)
        # The servers are shared: emptying a table is ten times cheaper there than making one.
        site.execute(TABLE.format(text="varchar(250)"))
        site.execute("DELETE FROM passwd")
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.close()


@pytest.fixture(params=ENGINES)
def sql(request: pytest.FixtureRequest, make_sql_site: Callable[[str], SqlSite]) -> SqlSite:
    """A site of each engine in turn."""
    return make_sql_site(request.param)
