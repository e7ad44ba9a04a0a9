"""authmysql and authpgsql over TLS: a server proves itself, or no password goes to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.support.servers import Server
from tests.support.sqlsites import SqlSite

from couriermail.auth import Account, DirectoryError
from couriermail.auth.backends.sqlmodule import SqlModule
from couriermail.auth.modules import ModuleSettings, load_module

RC = {"USER_TABLE": "passwd", "CLEAR_PWFIELD": "clear"}
OTHER_NAME = "127.1"  # the resolver takes it for 127.0.0.1, a certificate does not


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The certificate of somebody else."""
    path = tmp_path / "foreign.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-days", "2", "-keyout", tmp_path / "key", "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def ask(tmp_path: Path, engine: str, **settings: str) -> Account | None:
    """What the module says about alice with these settings."""
    rc = tmp_path / f"auth{engine}rc"
    lines = {f"{engine.upper()}_{name}": value for name, value in (RC | settings).items()}
    text = "".join(f"{name} {value}\n" for name, value in lines.items())
    rc.write_text(f"##NAME: MARKER:0\n{text}")
    rc.chmod(0o600)
    module = load_module(f"auth{engine}", ModuleSettings(config_dir=str(tmp_path)))
    assert isinstance(module, SqlModule)
    try:
        return module.login("alice", "secret", "imap")
    finally:
        module.close()


@pytest.fixture
def mysql(make_sql_site: object, mariadb_server: tuple[Server, Path]) -> dict[str, str]:
    """Settings for the server's TCP port, where it demands TLS."""
    assert callable(make_sql_site)
    site: SqlSite = make_sql_site("mysql")
    site.add("alice")
    [(port,)] = site.execute("SELECT @@port")
    return {
        "SERVER": "127.0.0.1",
        "PORT": str(port),
        "USERNAME": "tls",
        "PASSWORD": "sekrit",
        "DATABASE": "mail",
        "SELECT_CLAUSE": "SELECT id, '', clear, uid, gid, home,"
        " (SELECT variable_value FROM information_schema.session_status"
        " WHERE variable_name = 'Ssl_cipher') FROM passwd WHERE id = '$(local_part)'",
    }


@pytest.fixture
def authority(mariadb_server: tuple[Server, Path]) -> Path:
    """MariaDB's own certificate."""
    return mariadb_server[1].parent / "cert.pem"


def test_mysql_is_asked_over_tls(tmp_path: Path, mysql: dict[str, str], authority: Path) -> None:
    account = ask(tmp_path, "mysql", **mysql, SSL_CACERT=str(authority))
    assert account is not None
    assert account.maildir  # the cipher
    assert "TLS" in account.maildir or "GCM" in account.maildir


def test_a_mysql_server_of_another_authority_is_not_asked(
    tmp_path: Path, mysql: dict[str, str], foreign: Path
) -> None:
    with pytest.raises(DirectoryError, match=r"authmysql: .*the server's certificate: self.signed"):
        ask(tmp_path, "mysql", **mysql, SSL_CACERT=str(foreign))


def test_a_mysql_server_of_another_name_is_not_asked(
    tmp_path: Path, mysql: dict[str, str], authority: Path
) -> None:
    settings = mysql | {"SERVER": OTHER_NAME, "SSL_CACERT": str(authority)}
    with pytest.raises(DirectoryError, match="the server's certificate: Hostname mismatch"):
        ask(tmp_path, "mysql", **settings)


def test_without_an_authority_mysql_gets_no_tls(tmp_path: Path, mysql: dict[str, str]) -> None:
    with pytest.raises(DirectoryError, match="authmysql: OperationalError 1045"):  # access denied
        ask(tmp_path, "mysql", **mysql)


@pytest.fixture
def pgsql(make_sql_site: object, postgres_server: tuple[Server, str]) -> tuple[str, Path]:
    """The conninfo of the server's TCP port, and the server's certificate."""
    assert callable(make_sql_site)
    site: SqlSite = make_sql_site("pgsql")
    site.add("alice")
    words = dict(word.split("=", 1) for word in postgres_server[1].split())
    folder = Path(words.pop("host"))
    text = " ".join(f"{name}={value}" for name, value in words.items())
    return f"host=127.0.0.1 {text}", folder / "cert.pem"


def test_postgresql_is_asked_over_tls(tmp_path: Path, pgsql: tuple[str, Path]) -> None:
    conninfo, authority = pgsql
    account = ask(
        tmp_path,
        "pgsql",
        CONNECTION=f"{conninfo} sslmode=verify-full sslrootcert={authority}",
        SELECT_CLAUSE="SELECT id, '', clear, uid, gid, home,"
        " (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
        " FROM passwd WHERE id = '$(local_part)'",
    )
    assert account is not None
    assert (account.maildir or "").startswith("TLSv1.")


@pytest.mark.parametrize("trouble", ["authority", "name"])
def test_a_postgresql_server_that_proves_nothing_is_not_asked(
    tmp_path: Path, pgsql: tuple[str, Path], foreign: Path, trouble: str
) -> None:
    conninfo, authority = pgsql
    if trouble == "authority":
        authority = foreign
    else:
        conninfo = conninfo.replace("host=127.0.0.1", "hostaddr=127.0.0.1 host=db.example.test")
    with pytest.raises(DirectoryError, match=r"authpgsql: TLS: .*(certificate|db.example.test)"):
        ask(
            tmp_path,
            "pgsql",
            CONNECTION=f"{conninfo} sslmode=verify-full sslrootcert={authority}",
        )
