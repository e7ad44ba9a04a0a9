"""authsqlite and authpipe beside Debian's: the same files, the same requests, the same replies.

Accepted differences:
* SQLite: a column that is empty or NULL is no line; Debian's says `NAME=` and `PASSWD=`.
* SQLite: who has no home is not listed; Debian's lists them, though they cannot log in.
* authpipe: a login's reply has the password that was given (`PASSWD2`), as all modules' replies
  have; Debian's has what the program said.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.authdaemon import (
    SYSTEM_CONFIG,
    SYSTEM_RUN,
    exchange,
    namespace_words,
    running_daemon,
    wait_until,
)

from couriermail.auth import AuthdaemonSettings, AuthModule, parse_authdaemonrc
from couriermail.auth.modules import ModuleSettings, load_module

DEBIAN_DAEMON = "/usr/lib/courier/courier-authlib/authdaemond"
pytestmark = [
    pytest.mark.root,
    pytest.mark.peer("authtest", "unshare"),
    pytest.mark.skipif(
        not Path("/usr/lib/courier-authlib/libauthsqlite.so").exists()
        and not list(Path("/usr/lib").glob("*/courier-authlib/libauthsqlite.so")),
        reason="peer absent: courier-authlib-sqlite",
    ),
]

RC = f"""authmodulelist="authsqlite authpipe"
authmodulelistorig="authsqlite authpipe"
daemons=1
authdaemonvar={SYSTEM_RUN}
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
"""
MD5_OF_SECRET = "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="
ROWS = [
    ("bob@example.com", MD5_OF_SECRET, "secret", 81, 82, "/home/bob", "./Mail", "1000S", "Bob B,x",
     "disableimap=1", "|foo"),
    ("o'neil@example.com", MD5_OF_SECRET, "secret", 83, 84, "/home/o", "M", "1S", "O", "a=1", "|o"),
    ("clear@example.com", None, "secret", 85, 86, "/home/c", "M", "1S", "C", "a=1", "|c"),
    ("none@example.com", None, None, 87, 88, "/home/n", "M", "1S", "N", "a=1", "|n"),
    ("homeless@example.com", MD5_OF_SECRET, "secret", 89, 90, "", "M", "1S", "H", "a=1", "|h"),
    ("twice@example.com", MD5_OF_SECRET, "secret", 91, 92, "/home/t", "M", "1S", "T", "a=1", "|t"),
    ("twice@example.com", MD5_OF_SECRET, "secret", 93, 94, "/home/u", "M", "1S", "U", "a=1", "|u"),
]  # fmt: skip
PROGRAM = r"""#!/bin/sh
fred='UID=81\nGID=81\nHOME=/home/fred\nADDRESS=fred@example.com\nMAILDIR=Maildir\n.\n'
while IFS= read -r line; do
  case "$line" in
  "PRE . login die") exit 0 ;;
  "PRE . "*" fred@example.com") printf "$fred" ;;
  "AUTH "*) read -r service; read -r type; read -r name; read -r password
     case "$type $name $password" in
     "login fred@example.com foobar") printf "$fred" ;; *) printf 'FAIL\n' ;; esac ;;
  "PASSWD "*foobar*) printf 'OK\n' ;;
  ENUMERATE) printf 'fred@example.com\t81\t81\t/home/fred\tMaildir\tdisablepop3=0\n.\n' ;;
  *) printf 'FAIL\n' ;;
  esac
done
"""


def configure(folder: Path) -> None:
    """Write the same settings, accounts and program into a directory."""
    folder.mkdir()
    (folder / "authdaemonrc").write_text(RC)
    (folder / "authsqliterc").write_text(
        "##NAME: MARKER:0\n"
        f"SQLITE_DATABASE {folder / 'accounts'}\n"
        "SQLITE_USER_TABLE passwd\nSQLITE_CRYPT_PWFIELD crypt\nSQLITE_CLEAR_PWFIELD clear\n"
        "SQLITE_NAME_FIELD name\nSQLITE_MAILDIR_FIELD maildir\nSQLITE_QUOTA_FIELD quota\n"
        "SQLITE_AUXOPTIONS_FIELD options\nSQLITE_DEFAULTDELIVERY defaultdelivery\n"
        "DEFAULT_DOMAIN example.com\n"
    )
    (folder / "authProg").write_text(PROGRAM)
    (folder / "authProg").chmod(0o755)
    connection = sqlite3.connect(folder / "accounts")
    with connection:
        connection.execute(
            "CREATE TABLE passwd (id text, crypt text, clear text, uid int, gid int, home text,"
            " maildir text, quota text, name text, options text, defaultdelivery text)"
        )
        connection.executemany("INSERT INTO passwd VALUES (?,?,?,?,?,?,?,?,?,?,?)", ROWS)
    connection.close()


def stored(folder: Path, name: str) -> list[tuple[str, str]]:
    """Passwords in the table of one daemon."""
    connection = sqlite3.connect(folder / "accounts")
    try:
        return connection.execute("SELECT clear, crypt FROM passwd WHERE id=?", (name,)).fetchall()
    finally:
        connection.close()


@contextmanager
def _debian(folder: Path) -> Iterator[Path]:
    run = folder / "run"
    run.mkdir(mode=0o750)
    binds = {folder / "etc": SYSTEM_CONFIG, run: SYSTEM_RUN}
    with subprocess.Popen(
        [*namespace_words(binds), DEBIAN_DAEMON],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DEFAULTOPTIONS": ""},
    ) as daemon:
        try:
            wait_until((run / "socket").exists, "Debian's authdaemond")
            yield run / "socket"
        finally:
            daemon.send_signal(signal.SIGKILL)  # the namespace ends with it


@contextmanager
def _ours(folder: Path) -> Iterator[Path]:
    settings = ModuleSettings(config_dir=str(folder / "etc"))

    def load(name: str, rc: AuthdaemonSettings) -> AuthModule | None:
        return load_module(name, settings)

    with running_daemon(folder, load, lambda: parse_authdaemonrc(RC)) as daemon:
        yield daemon.path


@pytest.fixture
def both(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Sockets of both daemons, each with files of its own."""
    for name in ("ours", "debian"):
        (tmp_path / name).mkdir()
        configure(tmp_path / name / "etc")
    with _ours(tmp_path / "ours") as ours, _debian(tmp_path / "debian") as debian:
        yield {"ours": ours, "debian": debian}


def auth(authtype: str, *lines: str, service: str = "login") -> bytes:
    body = "\n".join([service, authtype, *lines, ""])
    return f"AUTH {len(body.encode())}\n{body}".encode()


def cram(name: str, digest: str) -> bytes:
    words = (b64encode(word.encode()).decode() for word in ("<1@a>", f"{name} {digest}"))
    return auth("cram-md5", *words, service="imap")


# HMAC-MD5 of "<1@a>" under the key "secret".
DIGEST = "f7fee2b3bc0e2b8a2c9ea5b5d4ef7c0e"

REQUESTS = [
    b"PRE . imap bob\n",
    b"PRE . courier bob\n",
    b"PRE . imap bob@example.com\n",
    b"PRE . imap BOB@example.com\n",
    b"PRE . imap o'neil\n",
    b"PRE . imap ' OR '1'='1\n",
    b"PRE . imap bob@example.com' -- \n",
    b"PRE . imap bob%\n",
    b"PRE . imap homeless\n",
    b"PRE . imap twice\n",
    b"PRE authsqlite imap bob\n",
    b"PRE authsqlite login fred@example.com\n",
    b"PRE authpipe login fred@example.com\n",
    b"PRE . login fred@example.com\n",
    b"PRE . login root\n",
    b"PRE . login die\n",
    b"PRE . login fred@example.com\n",
    auth("login", "bob", "secret"),
    auth("login", "bob@example.com", "secret", service="courier"),
    auth("login", "bob", "wrong"),
    auth("login", "bob", ""),
    auth("login", "none", ""),
    auth("login", "none", "secret"),
    auth("login", "o'neil", "secret"),
    auth("login", "fred@example.com", "wrong"),
    auth("plain", "bob", "secret"),
    cram("bob", "0" * 32),
    cram("nobody", DIGEST),
]


def test_both_give_the_same_replies(both: dict[str, Path]) -> None:
    for request in REQUESTS:
        assert exchange(both["ours"], request) == exchange(both["debian"], request), request


def test_an_empty_column_is_no_line(both: dict[str, Path]) -> None:
    request = b"PRE . imap clear\n"
    debian = exchange(both["debian"], request)
    assert b"PASSWD=\n" in debian
    assert exchange(both["ours"], request) == debian.replace(b"PASSWD=\n", b"")


def test_a_login_through_the_program_has_the_password_as_well(both: dict[str, Path]) -> None:
    request = auth("login", "fred@example.com", "foobar")
    debian = exchange(both["debian"], request)
    assert debian.endswith(b"\n.\n")
    assert exchange(both["ours"], request) == debian.replace(b"\n.\n", b"\nPASSWD2=foobar\n.\n")


def test_both_change_the_same_columns(both: dict[str, Path]) -> None:
    for name, old, new in (
        ("bob", "wrong", "x"),
        ("bob", "secret", "newsecret"),
        ("o'neil", "secret", "it's"),
        ("nobody", "secret", "x"),
        ("fred@example.com", "foobar", "x"),
    ):
        request = f"PASSWD login\t{name}\t{old}\t{new}\n".encode()
        assert exchange(both["ours"], request) == exchange(both["debian"], request), name
    for name in ("bob@example.com", "o'neil@example.com"):
        ours, debian = (stored(path.parent / "etc", name) if key == "ours"
                        else stored(path.parent.parent / "etc", name)
                        for key, path in both.items())  # fmt: skip
        assert ours == debian
        assert ours[0][0] in {"newsecret", "it's"}


def test_both_list_the_same_accounts(both: dict[str, Path]) -> None:
    ours, debian = (exchange(both[name], b"ENUMERATE\n") for name in ("ours", "debian"))
    listed = [line for line in debian.split(b"\n") if not line.startswith(b"homeless@")]
    assert sorted(ours.split(b"\n")) == sorted(listed)
    assert len(listed) == debian.count(b"\n")
    assert ours.startswith(b"# authsqlite\n\n")
    assert ours.endswith(
        b"# authpipe\n\nfred@example.com\t81\t81\t/home/fred\tMaildir\tdisablepop3=0\n.\n"
    )
