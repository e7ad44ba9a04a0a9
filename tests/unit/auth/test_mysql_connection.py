"""How authmysql connects: TLS only where the settings have an authority (spec auth 4.5)."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from couriermail.auth import DirectoryError
from couriermail.auth.backends.authmysql import open_mysql_module

pymysql = pytest.importorskip("pymysql")

RC = """MYSQL_SERVER db.example.com
MYSQL_USERNAME mail
MYSQL_PASSWORD sekrit-word
MYSQL_DATABASE mail
MYSQL_USER_TABLE passwd
MYSQL_CRYPT_PWFIELD crypt
##NAME: MARKER:0
"""


def arguments(folder: Path, more: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What PyMySQL is called with for these settings."""
    called: dict[str, object] = {}

    def connect(**given: object) -> None:
        called.update(given)
        raise pymysql.OperationalError(2003, "no server here")

    monkeypatch.setattr(pymysql, "connect", connect)
    rc = folder / "authmysqlrc"
    rc.write_text(more + RC)
    rc.chmod(0o600)
    with pytest.raises(DirectoryError):
        open_mysql_module(str(rc)).lookup("alice", "imap")
    return called


def test_without_an_authority_there_is_no_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(tmp_path, "MYSQL_SSL_CIPHER HIGH\n", monkeypatch)
    assert given["ssl_disabled"] is True
    assert given["ssl"] is None


def test_with_an_authority_the_server_must_prove_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(tmp_path, f"MYSQL_SSL_CAPATH {tmp_path}\n", monkeypatch)
    context = given["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert given["ssl_disabled"] is False


def test_tls_settings_that_cannot_be_used_are_trouble_before_anybody_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more in (
        f"MYSQL_SSL_CACERT {tmp_path}/missing\n",
        f"MYSQL_SSL_CAPATH {tmp_path}\nMYSQL_SSL_CERT {tmp_path}/missing\n",
        f"MYSQL_SSL_CAPATH {tmp_path}\nMYSQL_SSL_CIPHER no-such-cipher\n",
    ):
        assert arguments(tmp_path, more, monkeypatch) == {}
