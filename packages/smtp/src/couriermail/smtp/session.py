"""One client's session as a value, and the objects that an embedder supplies.

The engine fills a `Session` as the dialogue goes on; handlers read it and may hang their own
state on `data`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import attrs

from couriermail.core import Reply
from couriermail.smtp.events import Mail, Rcpt

__all__ = [
    "AuthInfo",
    "Authenticate",
    "Credentials",
    "DataSink",
    "Endpoint",
    "Handler",
    "Session",
    "TlsInfo",
]


@attrs.frozen
class Endpoint:
    """One end of a connection; `host` is empty and `port` 0 for a unix socket."""

    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if not self.host:
            return "unix"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen(kw_only=True)
class TlsInfo:
    """What TLS the session runs under.

    Attributes:
        version: such as `TLSv1.3`.
        cipher: such as `TLS_AES_256_GCM_SHA384`.
        bits: secret bits of the cipher.
        implicit: True when the connection began with TLS (RFC 8314), False after STARTTLS.
        identity: whom the client's verified certificate names; empty without one.
    """

    version: str
    cipher: str
    bits: int
    implicit: bool = False
    identity: str = ""


@attrs.frozen
class AuthInfo:
    """Who the client proved to be, and by which SASL mechanism."""

    mechanism: str
    identity: str


@attrs.frozen(kw_only=True)
class Credentials:
    """What a client sent to prove who it is.

    Attributes:
        mechanism: `PLAIN` or `LOGIN`.
        username: the account whose password is given.
        password: the password.
        authorization: the account to act as (RFC 4616); empty for the same.
    """

    mechanism: str
    username: str
    password: str = attrs.field(repr=False)
    authorization: str = ""


@attrs.define(kw_only=True)
class Session:
    """What is known about one client; kept up to date by the engine.

    Attributes:
        peer: the client's end of the connection.
        local: our end.
        helo: the name of the last HELO, EHLO or LHLO; empty before it and after STARTTLS.
        esmtp: True after EHLO or LHLO.
        lmtp: True when the session speaks LMTP.
        tls: the TLS parameters, or None in clear text.
        auth: who authenticated, or None.
        mail: the open transaction's MAIL, or None.
        recipients: its accepted recipients, in order.
        messages: how many messages were accepted so far.
        data: the embedder's own state.
    """

    peer: Endpoint = attrs.Factory(Endpoint)
    local: Endpoint = attrs.Factory(Endpoint)
    helo: str = ""
    esmtp: bool = False
    lmtp: bool = False
    tls: TlsInfo | None = None
    auth: AuthInfo | None = None
    mail: Mail | None = None
    recipients: list[Rcpt] = attrs.Factory(list)
    messages: int = 0
    data: object = None

    @property
    def protocol(self) -> str:
        """The word for the `with` clause of Received: (RFC 3848, RFC 6531 4.3)."""
        word = "LMTP" if self.lmtp else "ESMTP"
        if not self.esmtp:
            word = "SMTP"
        else:
            word += ("S" if self.tls else "") + ("A" if self.auth else "")
        if self.mail is not None and self.mail.smtputf8:
            return "UTF8" + word.removeprefix("E")
        return word


class DataSink(Protocol):
    """Where one message goes."""

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        """Take some bytes of the message.

        An awaitable result is waited for before more is read from the client.  An error refuses
        the message when its end has come: a `CouriermailError` with its reply, any other with 451.
        """

    def finish(self) -> Awaitable[Reply | Sequence[Reply]] | Reply | Sequence[Reply]:
        """Make the message safe and say so.

        In LMTP, and when `session.mail.exdata` is set, a sequence holds one reply per recipient.
        """

    def discard(self) -> None:
        """Forget the message: the client is gone, broke a rule, or `write` or `finish` failed."""


class Handler(Protocol):
    """What a server asks about each command; methods may be plain or async.

    Only `rcpt` and `data` are demanded, so that no server relays by accident.  Optional, with
    the same shape: `connect(session)`, `helo(session, name)`, `mail(session, mail)`,
    `vrfy(session, argument)`, `expn(session, argument)`, `reset(session)` and
    `disconnect(session)`.  None as an answer is the usual positive reply; raising a
    `CouriermailError` answers with its `reply`; a 221 or 421 closes after it was sent.
    """

    def rcpt(self, session: Session, rcpt: Rcpt) -> Awaitable[Reply | None] | Reply | None:
        """Accept or refuse one recipient."""

    def data(self, session: Session) -> DataSink:
        """Make the sink for the message whose recipients were accepted."""


# Says who the credentials belong to, None when they are wrong; raises `AuthError` with a
# temporary reply when that cannot be found out now.
Authenticate = Callable[[Session, Credentials], Awaitable[str | None] | str | None]
