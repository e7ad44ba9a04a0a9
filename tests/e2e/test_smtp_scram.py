"""SCRAM-SHA-256 through a running system: our client and msmtp's, userdb and authdaemond."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.test_smtp_auth import authdaemond, make_certificate
from tests.support.mailsite import MailSite

from couriermail.auth import start_client

pytestmark = pytest.mark.peer("openssl")

BASE = "ADDRESS=127.0.0.1\nPORT=0\nMAXPERIP=60\nMAXDAEMONS=60\nESMTPAUTH=SCRAM-SHA-256\n"


def give_secret(site: MailSite, account: str, password: str) -> None:
    """As an administrator does it: with userdbpw and userdb."""
    secret = run("userdbpw", "-scram-sha-256", given=password.encode() + b"\n")
    assert secret.startswith(b"SCRAM-SHA-256$4096:")
    place = ("-f", str(site.config / "userdb"), account)
    run("userdb", *place, "set", "scram-sha-256pw", given=secret)


def run(command: str, *arguments: str, given: bytes) -> bytes:
    """Standard output of one of our commands."""
    text = f"from couriermail.cli.{command} import main; main()"
    argv = [sys.executable, "-c", text, *arguments]
    return subprocess.run(argv, input=given, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def site(shared_root: Path) -> Iterator[MailSite]:
    """A running system with TLS whose alice has a SCRAM secret and nothing else."""
    certificate = make_certificate(shared_root)
    made = MailSite.make(
        shared_root / "site", files={"esmtpd": f"{BASE}TLS_CERTFILE={certificate}\n"}
    )
    give_secret(made, "alice", "s\u00e9same")
    with made.running():
        yield made
    made.assert_no_traceback()


def converse(site: MailSite, name: str, password: str) -> tuple[int, list[bytes]]:
    """The final code of an exchange, and the server's challenges."""
    challenges = []
    with site.smtp() as client:
        assert client.esmtp_features["auth"].split() == ["SCRAM-SHA-256"]
        sasl = start_client("SCRAM-SHA-256", name, password)
        initial = b64encode(sasl.initial() or b"").decode()
        code, text = client.docmd("AUTH", f"SCRAM-SHA-256 {initial}")
        while code == 334:
            challenges.append(b64decode(text))
            code, text = client.docmd(b64encode(sasl.respond(challenges[-1])).decode())
        if code == 235:
            sasl.finish()
    return code, challenges


def test_only_the_password_of_the_secret_logs_in(site: MailSite) -> None:
    assert converse(site, "alice", "s\u00e9same")[0] == 235
    assert converse(site, "alice", "sesame")[0] == 535
    assert converse(site, "bob", "s\u00e9same")[0] == 535  # he has no secret


def test_an_unknown_name_looks_like_any_other(site: MailSite) -> None:
    def salt(name: str) -> tuple[bytes, bytes]:
        code, (challenge,) = converse(site, name, "guess")
        assert code == 535
        _, salt, rounds = challenge.split(b",")
        return salt, rounds

    unknown = salt("nobody-here")
    assert unknown == salt("nobody-here")
    assert unknown != salt("nobody-there")
    alice = salt("alice")
    assert (len(unknown[0]), unknown[1]) == (len(alice[0]), alice[1])
    assert (site.state / "scram.key").stat().st_mode & 0o077 == 0


@pytest.mark.peer("msmtp")
@pytest.mark.parametrize("password", ["s\u00e9same", "wrong"])
def test_msmtp_logs_in(site: MailSite, password: str) -> None:
    argv = ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={site.port}"]
    argv += ["--auth=scram-sha-256", "--user=alice", f"--passwordeval=printf %s '{password}'"]
    argv += ["--tls", "--tls-starttls", f"--tls-trust-file={site.root.parent / 'both.pem'}"]
    argv += ["--from=s@client.test", "alice@example.test"]
    done = subprocess.run(
        argv, input=b"Subject: by msmtp\n\nhi\n", capture_output=True, check=False, timeout=60
    )
    if password == "wrong":
        assert b"535" in done.stderr, done.stderr
        assert done.returncode == 77  # EX_NOPERM
        return
    assert done.returncode == 0, done.stderr
    (message,) = site.wait(
        lambda: [text for text in site.messages("alice") if b"by msmtp" in text], "msmtp's mail"
    )
    assert b"(AUTH: SCRAM-SHA-256 alice, TLS: TLSv1.3," in message


def test_a_clear_password_of_a_database_serves_as_well(make_site: Callable[..., MailSite]) -> None:
    site = make_site(esmtpd=BASE, authdaemonrc='authmodulelist="authsqlite"\ndaemons=1\n')
    database = site.config / "accounts"
    site.write_config(
        "authsqliterc",
        f"SQLITE_DATABASE {database}\nSQLITE_USER_TABLE passwd\nSQLITE_CLEAR_PWFIELD clear\n"
        "##NAME: MARKER:0\n",
    )
    with closing(sqlite3.connect(database)) as table, table:
        table.execute("CREATE TABLE passwd (id, clear, uid, gid, home)")
        table.execute("INSERT INTO passwd VALUES ('alice', 'sesame', 1001, 1001, '/home/alice')")
    with site.running(), authdaemond(site):
        code, (first, _) = converse(site, "alice", "sesame")
        assert code == 235
        code, (again,) = converse(site, "alice", "wrong")
        assert code == 535
        assert first.split(b",")[1:] == again.split(b",")[1:]  # salt and rounds stay
        code, (unknown,) = converse(site, "nobody-here", "sesame")
        assert code == 535
        assert len(unknown) == len(first)
    site.assert_no_traceback()


def test_the_secret_comes_through_authdaemond(make_site: Callable[..., MailSite]) -> None:
    site = make_site(esmtpd=BASE, authdaemonrc='authmodulelist="authuserdb"\ndaemons=1\n')
    give_secret(site, "alice", "sesame")
    with site.running(), authdaemond(site):
        assert converse(site, "alice", "sesame")[0] == 235
        assert converse(site, "alice", "wrong")[0] == 535
        assert converse(site, "nobody-here", "sesame")[0] == 535
    site.assert_no_traceback()
