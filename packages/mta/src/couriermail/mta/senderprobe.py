"""Asking a sender's mail server whether it would take mail for the sender (spec filter 4.23).

    probe = SenderProbe(me="mx.example.com", exchangers=mail_exchangers)
    finding = probe("ann@example.org")

`MAIL FROM:<>`, `RCPT TO:<sender>` and QUIT: nothing is ever sent.  A permanent answer to RCPT is
held against the address; everything else that goes wrong may pass (4.23 T) and is temporary.

It speaks with `smtplib`, without routes and logins of the site: a host that may not connect to
port 25 of others cannot verify.  `mail_exchangers` needs dnspython (extra `verify`).
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Sequence

import attrs

from couriermail.core import MissingExtraError
from couriermail.filter.courierfilter import Finding
from couriermail.rfc822 import domain_to_ascii

__all__ = ["SenderProbe", "mail_exchangers", "require_dns"]

TIMEOUT_SECONDS = 30.0
MAX_HOSTS = 3  # the sender's client waits meanwhile
SMTP_PORT = 25


def require_dns() -> None:
    """Find out early whether `mail_exchangers` works.

    Raises:
        MissingExtraError: dnspython is not installed.
    """
    from importlib.util import find_spec

    if find_spec("dns") is None:
        raise MissingExtraError("couriermail-mta", "verify")


def mail_exchangers(domain: str) -> list[str]:
    """The hosts that take mail for a domain, best first (RFC 5321 5.1).

    Raises:
        MissingExtraError: dnspython is not installed.
        OSError: DNS gives no answer.
    """
    require_dns()
    from dns import exception, resolver

    try:
        answer = resolver.resolve(domain, "MX", lifetime=TIMEOUT_SECONDS)
    except resolver.NoAnswer:
        return [domain]  # RFC 5321 5.1: the domain itself is the host
    except resolver.NXDOMAIN:
        return []
    except exception.DNSException as error:
        raise OSError(f"DNS: {error}") from error
    found = sorted((record.preference, record.exchange.to_text().rstrip(".")) for record in answer)
    return [host for _, host in found if host]  # RFC 7505: a null MX is no host


@attrs.frozen(kw_only=True)
class SenderProbe:
    """Asks one address's server after the other until one answers.

    Attributes:
        me: our name in EHLO.
        exchangers: the hosts of a domain, best first; raises `OSError` for trouble.
        port: where they listen.
        timeout: seconds for each step.
    """

    me: str
    exchangers: Callable[[str], Sequence[str]] = mail_exchangers
    port: int = SMTP_PORT
    timeout: float = TIMEOUT_SECONDS

    def __call__(self, address: str) -> Finding:
        """What the servers say; trouble is a soft finding.

        Raises:
            MissingExtraError: dnspython is not installed.
        """
        try:
            hosts = self.exchangers(domain_to_ascii(address.rpartition("@")[2]))
        except (OSError, ValueError) as error:  # or no domain that DNS can be asked about
            return _trouble(str(error))
        if not hosts:
            return Finding(is_good=False, is_hard=True, lines=("No such domain.",))
        finding = _trouble("No server answers.")
        for host in hosts[:MAX_HOSTS]:
            finding = self._ask_host(host, address)
            if finding.is_good or finding.is_hard:
                break
        return finding

    def _ask_host(self, host: str, address: str) -> Finding:
        try:
            return self._ask(host, address, with_tls=True)
        except (ssl.SSLError, smtplib.SMTPNotSupportedError):
            pass  # a broken STARTTLS: once more without (4.23)
        except _FAILURES as error:
            return _trouble(_text_of(error), server=host)
        try:
            return self._ask(host, address, with_tls=False)
        except _FAILURES as error:
            return _trouble(_text_of(error), server=host)

    def _ask(self, host: str, address: str, *, with_tls: bool) -> Finding:
        with smtplib.SMTP(host, self.port, self.me, timeout=self.timeout) as client:
            peer = client.sock.getpeername()[0] if client.sock is not None else ""
            server = f"{host} [{peer}]"
            client.ehlo_or_helo_if_needed()
            if with_tls and client.has_extn("starttls"):
                client.starttls(context=_encryption())
                client.ehlo()
            code, text = client.mail("")
            if code // 100 == 2:
                code, text = client.rcpt(address)
                return _finding(server, f"RCPT TO:<{address}>", code, text)
            # What it thinks of the null sender says nothing about the address.
            return attrs.evolve(_finding(server, "MAIL FROM:<>", code, text), is_hard=False)


# `ValueError`: an address that smtplib cannot say, such as one with a control character.
_FAILURES = (OSError, smtplib.SMTPException, ValueError)


def _finding(server: str, command: str, code: int, text: bytes) -> Finding:
    lines = tuple(text.decode("utf-8", "replace").split("\n"))
    if code // 100 == 2:
        return Finding(is_good=True, server=server, lines=lines)
    is_hard = code // 100 == 5
    return Finding(is_good=False, is_hard=is_hard, server=server, command=command, lines=lines)


def _trouble(text: str, server: str = "") -> Finding:
    return Finding(is_good=False, server=server, lines=tuple(text.splitlines()[:1]))


def _text_of(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return text if isinstance(text, str) else text.decode("utf-8", "replace")
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or "The connection failed."


def _encryption() -> ssl.SSLContext:
    """Encryption without names: nothing secret is said, and most hosts have no name to check."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
