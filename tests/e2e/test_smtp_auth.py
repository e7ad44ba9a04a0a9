"""AUTH through a running system: who proves an account may send where others may not."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.mailsite import MailSite

from couriermail.auth import HmacContext, hash_password

pytestmark = pytest.mark.peer("openssl")

# A domain of ours that strangers may not write to: `locals` has it, `esmtpacceptmailfor` has not.
INSIDE = "alice@inside.test"
ESMTPD = "ADDRESS=127.0.0.1\nPORT=0\nMAXPERIP=60\nMAXDAEMONS=60\nTLS_CERTFILE=%s\n"
MECHANISMS = 'ESMTPAUTH="PLAIN LOGIN CRAM-MD5 CRAM-SHA1"\nESMTPAUTH_TLS="PLAIN LOGIN"\n'


def make_certificate(directory: Path) -> Path:
    """A fresh self-signed certificate with its key in one file."""
    key, both = directory / "key.pem", directory / "both.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=mx", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_bytes(key.read_bytes() + made.stdout)
    return both


def give_passwords(site: MailSite, password: str) -> None:
    """Every account of the userdb gets this password, for CRAM too."""
    context = HmacContext.from_password("md5", password).to_hex()
    added = f"|systempw={hash_password(password, 'ssha')}|hmac-md5pw={context}"
    lines = (site.config / "userdb").read_text().splitlines()
    site.write_config("userdb", "".join(f"{line}{added}\n" for line in lines))


@pytest.fixture(scope="module")
def site(shared_root: Path) -> Iterator[MailSite]:
    """A running system with userdb passwords, TLS, and passwords in clear allowed."""
    certificate = make_certificate(shared_root)
    made = MailSite.make(
        shared_root / "site",
        files={
            "esmtpd": ESMTPD % certificate + MECHANISMS,
            "locals": "localhost\nexample.test\nmx.example.test\ninside.test\n",
            "couriermail.toml": ("[queue]\nmin_free = 1048576\n[mta]\nauth_in_clear = true\n"),
        },
    )
    give_passwords(made, "sesame")
    with made.running():
        yield made


def swaks(site: MailSite, *options: str) -> subprocess.CompletedProcess[str]:
    """Send a message to `INSIDE` with Debian's test client."""
    argv = ["swaks", "--server", f"127.0.0.1:{site.port}", "--from", "s@client.test", *options]
    argv += ["--to", INSIDE, "--helo", "client.test"]
    return subprocess.run(argv, capture_output=True, check=False, text=True, timeout=60)


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks_may_relay_when_it_has_logged_in(site: MailSite, mechanism: str) -> None:
    words = f"by {mechanism}"
    login = ("--auth", mechanism, "--auth-user", "alice", "--auth-password", "sesame")
    done = swaks(site, *login, "--header", f"Subject: {words}")
    assert done.returncode == 0, done.stdout
    (message,) = site.wait(
        lambda: [text for text in site.messages("alice") if words.encode() in text], words
    )
    assert f"(AUTH: {mechanism} alice)\n".encode() in message
    assert b"  by mx.example.test with ESMTPA\n" in message


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks_is_turned_away_with_a_wrong_password(site: MailSite, mechanism: str) -> None:
    login = ("--auth", mechanism, "--auth-user", "alice", "--auth-password", "wrong")
    done = swaks(site, *login)
    assert done.returncode == 28, done.stdout  # swaks: authentication failed
    assert "535 5.7.8 Authentication failed" in done.stdout


@pytest.mark.peer("swaks")
def test_nobody_relays_without_a_login(site: MailSite) -> None:
    done = swaks(site)
    assert done.returncode == 24, done.stdout  # swaks: no recipient was accepted
    assert "513 " in done.stdout


def test_other_mechanisms_are_offered_under_tls(site: MailSite) -> None:
    context = ssl.create_default_context(cafile=str(site.root.parent / "both.pem"))
    with site.smtp() as client:
        # CRAM-SHA1 is listed and can be checked, though no account here has such a secret.
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "CRAM-MD5", "CRAM-SHA1"]
        client.starttls(context=context)
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        client.login("alice", "sesame")
        client.sendmail("a@client.test", [INSIDE], b"Subject: by TLS\r\n\r\nhi\r\n")
    (message,) = site.wait(
        lambda: [text for text in site.messages("alice") if b"by TLS" in text], "mail"
    )
    assert b"(AUTH: PLAIN alice, TLS: TLSv1.3," in message
    assert b" with ESMTPSA\n" in message


def test_without_the_setting_no_password_is_taken_in_clear(
    make_site: Callable[..., MailSite],
) -> None:
    site = make_site(esmtpd="ADDRESS=127.0.0.1\nPORT=0\nAUTH_REQUIRED=1\n" + MECHANISMS)
    give_passwords(site, "sesame")
    with site.running(), site.smtp() as client:
        assert client.esmtp_features["auth"].split() == ["CRAM-MD5", "CRAM-SHA1"]
        assert client.docmd("AUTH", "PLAIN AGFsaWNlAHNlc2FtZQ==")[0] == 538
        assert client.mail("a@client.test")[0] == 530  # AUTH_REQUIRED
        client.login("alice", "sesame")
        assert client.mail("a@client.test")[0] == 250
    site.assert_no_traceback()


def test_logins_go_to_an_authdaemond_that_is_configured(make_site: Callable[..., MailSite]) -> None:
    site = make_site(
        esmtpd="ADDRESS=127.0.0.1\nPORT=0\n" + MECHANISMS,
        authdaemonrc='authmodulelist="authuserdb"\ndaemons=1\n',
    )
    give_passwords(site, "sesame")
    with site.running(), site.smtp() as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login("alice", "sesame")
        assert refused.value.smtp_code == 454  # it does not run yet
        with authdaemond(site):
            client.login("alice", "sesame")
    site.assert_no_traceback()


@contextmanager
def authdaemond(site: MailSite) -> Iterator[None]:
    """The site's own daemon."""
    process = subprocess.Popen(
        site.argv("authdaemond", "--foreground"),
        stderr=subprocess.DEVNULL,
        env=site.environment(),
    )
    try:
        site.wait((site.config / "authdaemon/socket").exists, "authdaemond's socket")
        yield
    finally:
        process.terminate()
        process.wait(20)
