"""AUTH EXTERNAL: a client certificate instead of a password (spec smtp 8, 9)."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from tests.support.mailsite import MailSite

pytestmark = pytest.mark.peer("openssl")

MakeSite = Callable[..., MailSite]
INSIDE = "alice@inside.test"  # strangers may not write there
BASE = "ADDRESS=127.0.0.1\nPORT=0\nMAXPERIP=60\nMAXDAEMONS=60\n"


@attrs.frozen
class Authority:
    """A certificate authority in a directory."""

    directory: Path
    name: str

    @property
    def certificate(self) -> Path:
        """Its own certificate."""
        return self.directory / f"{self.name}.pem"

    @classmethod
    def make(cls, directory: Path, name: str) -> Authority:
        made = cls(directory, name)
        made._openssl("req", "-x509", *KEY, "-subj", f"/CN={name}", "-keyout", made._key,
                      "-out", str(made.certificate), "-days", "2")  # fmt: skip
        return made

    def issue(self, name: str, subject: str) -> Path:
        """A certificate for a subject, with its key in one file."""
        key, request, both = (self.directory / f"{name}.{part}" for part in ("key", "csr", "pem"))
        self._openssl("req", *KEY, "-subj", subject, "-keyout", str(key), "-out", str(request))
        extensions = self.directory / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        signed = self._openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", self._key,
            "-days", "2", "-extfile", str(extensions), "-CAcreateserial",
        )  # fmt: skip
        both.write_bytes(key.read_bytes() + signed)
        return both

    @property
    def _key(self) -> str:
        return str(self.directory / f"{self.name}.key")

    def _openssl(self, *arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@pytest.fixture(scope="module")
def ca(shared_root: Path) -> Authority:
    return Authority.make(shared_root, "ca")


@pytest.fixture(scope="module")
def certificates(ca: Authority, shared_root: Path) -> dict[str, Path]:
    """Client certificates by what is special about them, and the server's."""
    stranger = Authority.make(shared_root, "stranger")
    return {
        "server": ca.issue("server", "/CN=mx"),
        "alice": ca.issue("alice", "/O=Test/CN=Alice/emailAddress=alice"),
        "bob": ca.issue("bob", "/CN=bob"),
        "unknown": ca.issue("unknown", "/CN=x/emailAddress=nobody-here"),
        "forged": stranger.issue("forged", "/CN=x/emailAddress=alice"),
    }


@pytest.fixture(scope="module")
def site(shared_root: Path, ca: Authority, certificates: dict[str, Path]) -> Iterator[MailSite]:
    """A running system that has no mechanism but EXTERNAL."""
    made = MailSite.make(
        shared_root / "site",
        files={
            "esmtpd": f"{BASE}TLS_CERTFILE={certificates['server']}\nTLS_VERIFYPEER=PEER\n"
            f"TLS_TRUSTCERTS={ca.certificate}\nTLS_EXTERNAL=emailaddress\n",
            "locals": "localhost\nexample.test\nmx.example.test\ninside.test\n",
        },
    )
    with made.running():
        yield made
    made.assert_no_traceback()


def connect(site: MailSite, ca: Authority, certificate: Path | None) -> smtplib.SMTP:
    """A client after STARTTLS, with that certificate."""
    context = ssl.create_default_context(cafile=str(ca.certificate))
    if certificate is not None:
        context.load_cert_chain(certificate)
    client = site.smtp()
    try:
        client.starttls(context=context)
        client.ehlo()
    except BaseException:
        client.close()
        raise
    return client


@pytest.mark.parametrize("initial", ["=", "YWxpY2U="], ids=["no identity", "her own"])
def test_a_certificate_of_our_ca_logs_its_account_in(
    site: MailSite, ca: Authority, certificates: dict[str, Path], initial: str
) -> None:
    words = f"by certificate {initial}"
    with connect(site, ca, certificates["alice"]) as client:
        assert client.esmtp_features["auth"].split() == ["EXTERNAL"]
        assert client.docmd("AUTH", f"EXTERNAL {initial}")[0] == 235
        client.sendmail("a@client.test", [INSIDE], f"Subject: {words}\r\n\r\nhi\r\n".encode())
    (message,) = site.wait(
        lambda: [text for text in site.messages("alice") if words.encode() in text], words
    )
    assert b"(AUTH: EXTERNAL alice, TLS: TLSv1.3," in message


def test_a_certificate_proves_nobody_else(
    site: MailSite, ca: Authority, certificates: dict[str, Path]
) -> None:
    with connect(site, ca, certificates["alice"]) as client:
        assert client.docmd("AUTH", "EXTERNAL Ym9i")[0] == 535  # bob
        assert client.mail("a@client.test")[0] == 250
        assert client.rcpt(INSIDE)[0] == 513


@pytest.mark.parametrize("which", ["none", "bob"])
def test_external_is_not_offered_without_the_field_of_a_certificate(
    site: MailSite, ca: Authority, certificates: dict[str, Path], which: str
) -> None:
    with connect(site, ca, certificates.get(which)) as client:
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", "EXTERNAL =")[0] == 504


def test_nothing_is_offered_before_tls(site: MailSite) -> None:
    with site.smtp() as client:
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", "EXTERNAL =")[0] == 530


def test_a_field_that_names_no_account_is_refused(
    site: MailSite, ca: Authority, certificates: dict[str, Path]
) -> None:
    with connect(site, ca, certificates["unknown"]) as client:
        assert client.docmd("AUTH", "EXTERNAL =")[0] == 535


def test_a_certificate_of_another_ca_ends_the_connection(
    site: MailSite, ca: Authority, certificates: dict[str, Path]
) -> None:
    # TLS 1.3: the client learns of it with its first read after the handshake.
    with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected, OSError)):
        connect(site, ca, certificates["forged"])


def test_required_certificates_and_another_field(
    make_site: MakeSite, ca: Authority, certificates: dict[str, Path]
) -> None:
    site = make_site(
        esmtpd=f"{BASE}TLS_CERTFILE={certificates['server']}\nTLS_VERIFYPEER=REQUIREPEER\n"
        f"TLS_TRUSTCERTS={ca.certificate}\nTLS_EXTERNAL=CN\nESMTPAUTH=CRAM-MD5\n"
    )
    with site.running():
        with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected, OSError)):
            connect(site, ca, None)
        with connect(site, ca, certificates["bob"]) as client:
            assert client.esmtp_features["auth"].split() == ["CRAM-MD5", "EXTERNAL"]
            assert client.docmd("AUTH", "EXTERNAL =")[0] == 235
    site.assert_no_traceback()
