"""The states of an SMTP session and the tables that say what may happen in each.

Two tables are the whole grammar of the dialogue (RFC 5321 4.1.4).  `COMMANDS` says in which
phases a verb may come, and `AFTER_SUCCESS` which phase follows a positive reply to an event.
A negative reply leaves the phase alone, but for the end of a message, which ends the
transaction either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Literal

import attrs

from couriermail.smtp import events

__all__ = ["AFTER_SUCCESS", "COMMANDS", "Command", "Phase"]


class Phase(Enum):
    """Where in the dialogue the session is."""

    CONNECT = auto()  # the banner was not sent yet
    START = auto()  # no HELO yet, or TLS has just begun
    READY = auto()  # HELO was accepted, no transaction
    MAIL = auto()  # MAIL was accepted
    RCPT = auto()  # at least one RCPT was accepted
    DATA = auto()  # the octets of a message are arriving
    BDAT = auto()  # between two BDAT commands of one message
    CHUNK = auto()  # the octets of a BDAT command are arriving
    AUTH = auto()  # a 334 was sent, the answer is a line of base64
    TLS = auto()  # STARTTLS was accepted: no octet may come before the handshake
    REFUSED = auto()  # the banner was 554: only QUIT is served (RFC 5321 3.1)
    CLOSED = auto()


_START = frozenset({Phase.START, Phase.READY})
_TRANSACTION = frozenset({Phase.MAIL, Phase.RCPT})
_HELLO = _START | _TRANSACTION | {Phase.BDAT}
_ALWAYS = _HELLO | {Phase.REFUSED}

Argument = Literal["none", "needed", "optional"]


@attrs.frozen(kw_only=True)
class Command:
    """What the table knows about a verb.

    Attributes:
        phases: where it may come; elsewhere the answer is 503.
        argument: whether it takes one; otherwise the answer is 501.
        is_open: it is served before TLS or AUTH where those are required ("spec smtp 5.5").
        is_idle: it does no work for mail and counts towards `Limits.idle_commands`.
    """

    phases: frozenset[Phase]
    argument: Argument = "none"
    is_open: bool = False
    is_idle: bool = False


COMMANDS: Mapping[bytes, Command] = {
    b"EHLO": Command(phases=_HELLO, argument="needed", is_open=True, is_idle=True),
    b"HELO": Command(phases=_HELLO, argument="needed", is_open=True, is_idle=True),
    b"LHLO": Command(phases=_HELLO, argument="needed", is_open=True, is_idle=True),
    b"STARTTLS": Command(phases=_START, is_open=True),
    b"AUTH": Command(phases=frozenset({Phase.READY}), argument="needed", is_open=True),
    b"MAIL": Command(phases=frozenset({Phase.READY}), argument="needed"),
    b"RCPT": Command(phases=_TRANSACTION, argument="needed"),
    b"DATA": Command(phases=frozenset({Phase.RCPT})),
    b"BDAT": Command(phases=frozenset({Phase.RCPT, Phase.BDAT}), argument="needed"),
    b"RSET": Command(phases=_HELLO, is_open=True, is_idle=True),
    b"NOOP": Command(phases=_HELLO, argument="optional", is_open=True, is_idle=True),
    b"HELP": Command(phases=_HELLO, argument="optional", is_open=True, is_idle=True),
    b"VRFY": Command(phases=_HELLO, argument="needed", is_idle=True),
    b"EXPN": Command(phases=_HELLO, argument="needed", is_idle=True),
    b"QUIT": Command(phases=_ALWAYS, is_open=True),
}

AFTER_SUCCESS: Mapping[type, Phase] = {
    events.Connected: Phase.START,
    events.Helo: Phase.READY,
    events.StartTls: Phase.TLS,
    events.Auth: Phase.READY,
    events.AuthResponse: Phase.READY,
    events.Mail: Phase.MAIL,
    events.Rcpt: Phase.RCPT,
    events.DataEnd: Phase.READY,
}
