"""What the engine tells its caller: one frozen class per event.

Events of the first group wait for `ServerEngine.reply`; the engine shows nothing further
until they are answered.  Those of the second group only inform.
"""

from __future__ import annotations

import attrs

from couriermail.core import Reply

__all__ = [
    "AWAITS_REPLY",
    "Auth",
    "AuthResponse",
    "Closed",
    "Connected",
    "DataChunk",
    "DataDiscarded",
    "DataEnd",
    "DataStart",
    "Event",
    "Expn",
    "Helo",
    "Mail",
    "Rcpt",
    "Reset",
    "StartTls",
    "Unknown",
    "Vrfy",
]


@attrs.frozen
class Connected:
    """The session begins; the reply is the banner (RFC 5321 4.3.1): 220, 421 or 554."""


@attrs.frozen
class Helo:
    """The client said who it is.

    Attributes:
        verb: `EHLO`, `HELO` or, in LMTP, `LHLO`.
        name: what follows, controls and blanks replaced by `_`; not verified in any way.
    """

    verb: str
    name: str


@attrs.frozen
class StartTls:
    """The client wants TLS; after a 220 the caller does the handshake and says `tls_started`."""


@attrs.frozen(kw_only=True)
class Auth:
    """The client begins to authenticate (RFC 4954): answer 334 to ask on, 235 or a refusal.

    Attributes:
        mechanism: an announced mechanism, in upper case.
        initial: the decoded initial response, or None when there is none.
    """

    mechanism: str
    initial: bytes | None = attrs.field(repr=False)


@attrs.frozen
class AuthResponse:
    """The client's answer to a 334 challenge, decoded from base64."""

    response: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Mail:
    """A syntactically valid MAIL command (RFC 5321 4.1.1.2) with all its parameters.

    Attributes:
        reverse_path: the sender; empty for `<>`.  Source routes are gone, the domain is in lower
            case, a needlessly quoted local part has lost its quotes.
        size: what SIZE promised (RFC 1870), or None.  Never above the limit.
        body: `7BIT` or `8BITMIME` (RFC 6152), or None when the client did not say.
        smtputf8: the client said SMTPUTF8 (RFC 6531).
        ret: `FULL`, `HDRS` or empty (RFC 3461 4.3).
        envid: the envelope identifier, still in xtext as it must travel on (RFC 3461 4.4).
        auth: the AUTH parameter decoded (RFC 4954 5); empty for `<>`, None without one.
        verp: the client asked for VERP (XVERP; "spec smtp 13.2").
        security: `STARTTLS` when the client demands it on the whole way ("spec smtp 13.1").
        exdata: the client understands one answer per recipient at the end ("spec smtp 13.3").
    """

    reverse_path: str
    size: int | None = None
    body: str | None = None
    smtputf8: bool = False
    ret: str = ""
    envid: str | None = None
    auth: str | None = None
    verp: bool = False
    security: str = ""
    exdata: bool = False


@attrs.frozen(kw_only=True)
class Rcpt:
    """A syntactically valid RCPT command (RFC 5321 4.1.1.3) with all its parameters.

    Attributes:
        forward_path: the recipient, cleaned as `Mail.reverse_path`; `postmaster` may stand alone.
        notify: `N` for NEVER, letters of `SFD` for SUCCESS, FAILURE, DELAY, or empty when the
            client did not say (RFC 3461 4.1).
        orcpt: the original recipient decoded (RFC 3461 4.2, RFC 6533), or None.
        orcpt_type: its address type, such as `rfc822` or `utf-8`; empty without one.
    """

    forward_path: str
    notify: str = ""
    orcpt: str | None = None
    orcpt_type: str = ""


@attrs.frozen
class DataStart:
    """The client wants to send the message; 354 lets it.  `verb` is `DATA` or `BDAT` (RFC 3030)."""

    verb: str = "DATA"


@attrs.frozen
class DataEnd:
    """The whole message has arrived; the reply says whether it is safe now (RFC 5321 4.2.5).

    In LMTP (RFC 2033 4.2), and to a client that said EXDATA ("spec smtp 13.3"), the caller may
    give one reply per recipient.
    """


@attrs.frozen
class Vrfy:
    """The client asks whether an address exists; the default answer is 252 (RFC 5321 7.3)."""

    argument: str


@attrs.frozen
class Expn:
    """The client asks for the members of a list; the default answer is 502."""

    argument: str


@attrs.frozen
class Unknown:
    """A verb that the engine does not know; the default answer is 500."""

    verb: str
    argument: str


@attrs.frozen
class DataChunk:
    """Some bytes of the message: dots removed, line ends as configured.  Never empty."""

    data: bytes = attrs.field(repr=False)


@attrs.frozen
class DataDiscarded:
    """The message that was arriving will not be accepted; what was stored of it can go.

    Attributes:
        reply: what the client was or will be told, or None when it is gone.
    """

    reply: Reply | None


@attrs.frozen
class Reset:
    """The transaction that was open was given up; `cause` is RSET, EHLO or another verb."""

    cause: str


@attrs.frozen
class Closed:
    """The session is over; flush `bytes_to_send` and close.  The last event.

    Attributes:
        cause: `quit`, `eof`, `errors`, `idle`, `timeout`, `shutdown`, `protocol`, `reply`.
    """

    cause: str


Event = (
    Connected | Helo | StartTls | Auth | AuthResponse | Mail | Rcpt | DataStart | DataEnd
    | Vrfy | Expn | Unknown | DataChunk | DataDiscarded | Reset | Closed
)  # fmt: skip

AWAITS_REPLY: frozenset[type] = frozenset(
    {
        Connected, Helo, StartTls, Auth, AuthResponse, Mail, Rcpt, DataStart, DataEnd,
        Vrfy, Expn, Unknown,
    }
)  # fmt: skip
