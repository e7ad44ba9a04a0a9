"""How one server behaves: what it offers, what it demands, how it treats odd bytes."""

from __future__ import annotations

from typing import Literal

import attrs

from couriermail.smtp.limits import Limits

__all__ = ["BarePolicy", "LineEnds", "Mode", "ServerConfig"]

Mode = Literal["smtp", "lmtp"]
LineEnds = Literal["crlf", "lf"]
BarePolicy = Literal["reject", "normalize", "keep"]


@attrs.frozen(kw_only=True)
class ServerConfig:
    """The settings of a `ServerEngine`.

    Attributes:
        hostname: our name in the banner and the EHLO reply.
        banner: text of the banner; `<hostname> ESMTP` when empty.
        mode: `smtp` or `lmtp` (RFC 2033).
        limits: what one client may ask for.
        line_ends: how the lines of a message end when they reach the caller.
        bare: what becomes of CR, LF and NUL octets that may not stand in a message (RFC 5321
            2.3.8, 4.1.1.4).  `reject` answers 550 5.6.0 at the end of the message, `normalize`
            makes line ends of bare CR and LF and drops NUL, `keep` passes all three.
        starttls: offer STARTTLS (RFC 3207).
        require_tls: answer 530 to everything but a few verbs until TLS is on.
        auth_mechanisms: SASL mechanisms to announce (RFC 4954), EXTERNAL only to clients that
            TLS identified; none: no AUTH.
        auth_mechanisms_tls: those to announce instead once TLS is on; none: the same.
        auth_in_clear: announce and take PLAIN and LOGIN without TLS too.
        tls_identity: the field of a verified client certificate's subject that names an account
            for EXTERNAL, such as `emailAddress`, in any case.
        require_auth: answer 530 to mail of clients that did not authenticate.
        chunking: offer CHUNKING and take BDAT (RFC 3030).
        smtputf8: offer SMTPUTF8 (RFC 6531).
        dsn: offer DSN and take its parameters.  A server that cannot send delivery reports must
            not: who offers it takes over the duty to send them (RFC 3461 5.2).
        courier: offer XVERP and XSECURITY and take their parameters ("spec smtp 13").
        exdata: offer XEXDATA in SMTP: clients that said EXDATA get one answer per recipient at
            the end of a message, joined into one reply ("spec smtp 13.3").
    """

    hostname: str = "localhost"
    banner: str = ""
    mode: Mode = "smtp"
    limits: Limits = attrs.Factory(Limits)
    line_ends: LineEnds = "crlf"
    bare: BarePolicy = "reject"
    starttls: bool = False
    require_tls: bool = False
    auth_mechanisms: tuple[str, ...] = ()
    auth_mechanisms_tls: tuple[str, ...] = ()
    auth_in_clear: bool = False
    tls_identity: str = ""
    require_auth: bool = False
    chunking: bool = False
    smtputf8: bool = True
    dsn: bool = True
    courier: bool = False
    exdata: bool = False

    @property
    def has_exdata(self) -> bool:
        """EXDATA is served: LMTP has answers per recipient by itself."""
        return self.exdata and self.mode == "smtp"

    @property
    def has_auth(self) -> bool:
        """AUTH is served, at least under TLS."""
        return bool(self.auth_mechanisms or self.auth_mechanisms_tls)
