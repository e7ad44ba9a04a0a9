"""The pinned wire, password and chain cases of spec auth 6, through a running authdaemond.

The number in front of each id is the case's in `tests/unit/auth/test_pinned_index.py`.
"""

from __future__ import annotations

import hmac
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.authdaemon import RunningDaemon, exchange, running_daemon
from tests.support.commands import Done, run_ours

from couriermail.auth import (
    AuthdaemonSettings,
    AuthModule,
    HmacContext,
    compile_userdb,
    hash_password,
    parse_authdaemonrc,
    verify_password,
)
from couriermail.auth.modules import ModuleSettings, load_module

RC = """authmodulelist="{modules}"
daemons=1
DEFAULTOPTIONS="{options}"
"""
DEFAULTS = "disablewebmail=1,foo,wbnodsn=1"
SHA_OF_SECRET = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
MD5_OF_SECRET = "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="
IMAP_HASH = hash_password("imapsecret", "md5-crypt")
CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"


def context(password: str) -> str:
    return HmacContext.from_password("md5", password).to_hex()


USERDB = "\n".join(
    [
        "jane\tuid=1002|gid=1002|home=/home/jane|systempw=" + SHA_OF_SECRET,
        "john\tuid=1001|gid=1001|home=/home/john|mail=./Mail|quota=1000S,10C|gecos=John Smith,x|"
        f"systempw={MD5_OF_SECRET}|imappw={IMAP_HASH}|"
        f"hmac-md5pw={context('secret')}|imap-hmac-md5pw={context('imapsecret')}|"
        "options=disableimap=1,foo=7",
        "nopw\tuid=1003|gid=1003|home=/home/nopw",
        "nouid\tgid=1004|home=/home/nouid|systempw=" + SHA_OF_SECRET,
        "root0\tuid=0|gid=0|home=/home/root0",
        "UPPER@Ex.com\tuid=1005|gid=1005|home=/home/u|systempw=" + SHA_OF_SECRET,
        "",
    ]
)


def start(folder: Path, modules: str, options: str = "") -> Iterator[RunningDaemon]:
    """A daemon whose back ends have their files in a directory."""
    where = ModuleSettings(config_dir=str(folder), userdb_revalidate=0.0)

    def load(name: str, settings: AuthdaemonSettings) -> AuthModule | None:
        return load_module(name, where)

    rc = RC.format(modules=modules, options=options)
    with running_daemon(folder, load, lambda: parse_authdaemonrc(rc)) as daemon:
        yield daemon


def write_userdb(folder: Path) -> Path:
    userdb = folder / "userdb"
    userdb.write_text(USERDB)
    userdb.chmod(0o600)
    compile_userdb(userdb)
    return userdb


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """The daemon of the pinned dialogue; its accounts stay as they are."""
    folder = tmp_path_factory.mktemp("pinned")
    write_userdb(folder)
    yield from start(folder, "authuserdb", DEFAULTS)


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon of the same accounts for a test that changes passwords."""
    write_userdb(tmp_path)
    yield from start(tmp_path, "authuserdb")


JOHN = (
    "UID=1001\nGID=1001\nHOME=/home/john\nADDRESS=john\nNAME=John Smith\nMAILDIR=./Mail\n"
    f"QUOTA=1000S,10C\nPASSWD={IMAP_HASH}\n"
    "OPTIONS=disableimap=1,foo=7,disablewebmail=1,wbnodsn=1\n.\n"
).encode()
JANE = (
    f"UID=1002\nGID=1002\nHOME=/home/jane\nADDRESS=jane\nPASSWD={SHA_OF_SECRET}\nPASSWD2=secret\n"
    "OPTIONS=disablewebmail=1,foo,wbnodsn=1\n.\n"
).encode()
JOHN_BY_CRAM = (
    b"UID=1001\nGID=1001\nHOME=/home/john\nADDRESS=john\nMAILDIR=./Mail\n"
    b"OPTIONS=disableimap=1,foo=7,disablewebmail=1,wbnodsn=1\n.\n"
)
CLOSED, FAIL = b"", b"FAIL\n"


def cram(service: str, password: str) -> bytes:
    digest = hmac.new(password.encode(), CHALLENGE, "md5").hexdigest()
    data = b"\n".join([b64encode(CHALLENGE), b64encode(f"john {digest}".encode()), b""])
    body = f"{service}\ncram-md5\n".encode() + data
    return b"AUTH %d\n" % len(body) + body


@pytest.mark.parametrize(
    ("request_bytes", "reply"),
    [
        pytest.param(b"PRE . imap john\n", JOHN, id="51-any-module"),
        pytest.param(b"PRE authuserdb imap john\n", JOHN, id="52-named-module"),
        pytest.param(b"PRE .  imap   john\n", JOHN, id="53-runs-of-blanks"),
        pytest.param(b"TCPREMOTEIP=1.2.3.4\nPRE . imap john\n", JOHN, id="54-remote"),
        pytest.param(b"FOO=bar\nPRE . imap john\n", JOHN, id="55-unknown-meta"),
        pytest.param(b"PRE nomod imap john\n", FAIL, id="56-unknown-module"),
        pytest.param(b"PRE . imap nobody1\n", FAIL, id="57-nobody"),
        pytest.param(b"PRE . imap john\r\n", FAIL, id="58-carriage-return"),
        pytest.param(b"PRE . imap john smith\n", FAIL, id="59-blank-in-the-name"),
        pytest.param(b"PRE . imap\n", CLOSED, id="60-no-name"),
        pytest.param(b"PRE\n", CLOSED, id="61-nothing"),
        pytest.param(b"BOGUS\n", CLOSED, id="62-no-command"),
        pytest.param(b"AUTH 23\nimap\nlogin\njane\nsecret\n", JANE, id="63-login"),
        pytest.param(b"AUTH 22\nimap\nlogin\njane\nsecret", JANE, id="64-without-last-line-end"),
        pytest.param(b"AUTH 22\nimap\nlogin\njane\nwrong\n", FAIL, id="65-wrong-password"),
        pytest.param(b"AUTH 16\nimap\nlogin\njane\n", FAIL, id="66-missing-password"),
        pytest.param(b"AUTH 23\nimap\nPLAIN\njane\nsecret\n", FAIL, id="67-unknown-type"),
        pytest.param(b"AUTH 23\nimap\ncram-md5\nnot!\nb64\n", FAIL, id="68-malformed-cram"),
        pytest.param(cram("imap", "imapsecret"), JOHN_BY_CRAM, id="69-context-of-the-service"),
        pytest.param(cram("login", "secret"), JOHN_BY_CRAM, id="70-general-context"),
        pytest.param(cram("imap", "secret"), FAIL, id="69b-not-the-general-one"),
        pytest.param(b"AUTH 99999\nimap\nlogin\njane\nsecret\n", CLOSED, id="71-too-long"),
        pytest.param(b"AUTH -1\n", CLOSED, id="72-negative"),
        pytest.param(b"AUTH x\n", CLOSED, id="73-no-number"),
        pytest.param(b"PASSWD imap\tjohn\tx\ty\n", FAIL, id="74-wrong-old-password"),
        pytest.param(b"PASSWD imap\tjohn\n", CLOSED, id="75-too-few-fields"),
        pytest.param(b"PASSWD imap\tjo\x01hn\tx\ty\n", FAIL, id="76-control-character"),
    ],
)
def test_the_daemon_answers(daemon: RunningDaemon, request_bytes: bytes, reply: bytes) -> None:
    assert exchange(daemon.path, request_bytes) == reply


def test_case_77_the_list_of_the_daemon(daemon: RunningDaemon) -> None:
    reply = exchange(daemon.path, b"ENUMERATE\n")
    assert reply.startswith(b"# authuserdb\n\n")
    assert reply.endswith(b"\n.\n")
    lines = reply.decode().split("\n")
    assert "jane\t1002\t1002\t/home/jane\t\tdisablewebmail=1,foo,wbnodsn=1" in lines
    merged = "disableimap=1,foo=7,disablewebmail=1,wbnodsn=1"
    assert f"john\t1001\t1001\t/home/john\t./Mail\t{merged}" in lines
    assert any(line.startswith("root0\t0\t0\t/home/root0\t\t") for line in lines)


def authtest(daemon: RunningDaemon, *words: str) -> Done:
    return run_ours("authtest", "--socket", str(daemon.path), *words)


def fields(daemon: RunningDaemon) -> dict[str, str]:
    """John's fields in the text."""
    [line] = [
        line
        for line in (daemon.path.parent / "userdb").read_text().split("\n")
        if line.startswith("john\t")
    ]
    return dict(field.split("=", 1) for field in line.partition("\t")[2].split("|"))


REFUSED = Done(1, b"", b"Authentication FAILED: Operation not permitted\n")


def test_case_88_the_general_password_is_changed(changing: RunningDaemon) -> None:
    before = fields(changing)
    done = authtest(changing, "john", "secret", "newpass")
    assert done == (0, b"", b"Password change succeeded.\n")
    after = fields(changing)
    assert {name for name in after if after[name] != before[name]} == {"systempw", "hmac-md5pw"}
    assert verify_password(after["systempw"], "newpass")
    assert after["hmac-md5pw"] == context("newpass")


def test_case_89_the_password_of_one_service_is_changed(changing: RunningDaemon) -> None:
    before = fields(changing)
    assert authtest(changing, "-s", "imap", "john", "imapsecret", "newimap").code == 0
    after = fields(changing)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"imappw", "imap-hmac-md5pw"}
    assert authtest(changing, "-s", "imap", "john", "newimap").code == 0


def test_case_90_a_wrong_old_password_changes_nothing(changing: RunningDaemon) -> None:
    before = fields(changing)
    assert authtest(changing, "john", "wrong", "newpass") == REFUSED
    assert fields(changing) == before


def test_case_91_a_new_password_with_a_bar_changes_nothing(changing: RunningDaemon) -> None:
    before = fields(changing)
    assert authtest(changing, "john", "secret", "new|pass") == REFUSED
    assert fields(changing) == before


def test_case_92_a_record_without_uid_is_refused(daemon: RunningDaemon) -> None:
    assert authtest(daemon, "nouid") == REFUSED


def test_case_93_user_0_is_found_and_not_listed(daemon: RunningDaemon) -> None:
    assert b"(uid 0, gid 0)" in authtest(daemon, "root0").out
    listed = run_ours("authenumerate", "--socket", str(daemon.path))
    assert listed.code == 0
    assert b"root0" not in listed.out
    assert b"john" in listed.out


def test_case_94_who_has_no_password_is_found_and_does_not_log_in(daemon: RunningDaemon) -> None:
    found = authtest(daemon, "nopw")
    assert found.code == 0
    assert b"\nEncrypted Password: (none)\n" in found.out
    assert authtest(daemon, "nopw", "secret") == REFUSED


def test_case_95_a_name_is_found_in_its_own_case(daemon: RunningDaemon) -> None:
    assert b"Authenticated: UPPER@Ex.com  (uid 1005" in authtest(daemon, "UPPER@Ex.com").out


def test_case_96_and_in_no_other(daemon: RunningDaemon) -> None:
    assert authtest(daemon, "upper@ex.com") == REFUSED


def test_case_97_a_login_gets_the_default_domain(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFDOMAIN", "@Ex.com")
    assert authtest(daemon, "UPPER", "secret").code == 0


def test_case_98_a_lookup_does_not(daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFDOMAIN", "@Ex.com")
    assert authtest(daemon, "UPPER") == REFUSED


PROGRAM = r"""#!/bin/sh
while IFS= read -r line; do
  case "$line" in
  ENUMERATE) printf 'fred@example.com\t81\t81\t/home/fred\tMaildir\tdisablepop3=0\n.\n' ;;
  *) exit 0 ;;
  esac
done
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """The daemon of the pinned chain, with a name that is no module's."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "authProg").write_text(PROGRAM)
    (folder / "authProg").chmod(0o755)
    (folder / "authsqliterc").write_text(
        f"##NAME: MARKER:0\nSQLITE_DATABASE {folder}/accounts\nSQLITE_USER_TABLE passwd\n"
        "SQLITE_CRYPT_PWFIELD crypt\nSQLITE_DEFAULTDELIVERY delivery\nSQLITE_MAILDIR_FIELD home\n"
        "DEFAULT_DOMAIN example.com\n"
    )
    connection = sqlite3.connect(folder / "accounts")
    with connection:
        connection.execute(
            "CREATE TABLE passwd (id text, crypt text, uid int, gid int, home text, delivery text)"
        )
        connection.execute(
            "INSERT INTO passwd VALUES ('bob@example.com', ?, 81, 82, '/home/bob', '|foo')",
            (MD5_OF_SECRET,),
        )
    connection.close()
    yield from start(folder, "authsqlite nosuchmodule authpipe")


def test_case_100_the_mail_system_gets_the_delivery(chain: RunningDaemon) -> None:
    assert b"\nMAILDIR=|foo\n" in exchange(chain.path, b"PRE . courier bob\n")
    assert b"\nMAILDIR=/home/bob\n" in exchange(chain.path, b"PRE . imap bob\n")


def test_case_105_a_program_that_ends_without_a_reply_is_trouble(chain: RunningDaemon) -> None:
    assert exchange(chain.path, b"PRE . login nobody\n") == CLOSED


def test_case_106_each_module_lists_in_the_order_of_the_chain(chain: RunningDaemon) -> None:
    assert exchange(chain.path, b"ENUMERATE\n") == (
        b"# authsqlite\n\nbob@example.com\t81\t82\t/home/bob\t/home/bob\t\n"
        b"# authpipe\n\nfred@example.com\t81\t81\t/home/fred\tMaildir\tdisablepop3=0\n.\n"
    )


def test_case_107_an_unknown_module_is_logged_and_skipped(chain: RunningDaemon) -> None:
    assert "nosuchmodule: there is no such module; skipped" in chain.log.read_text()
