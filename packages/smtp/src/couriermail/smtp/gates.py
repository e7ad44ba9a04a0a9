"""Whether a command may come now: pure questions about settings, session and phase."""

from __future__ import annotations

from couriermail.core import Reply
from couriermail.smtp import replies
from couriermail.smtp.authenticator import CLEAR_TEXT_MECHANISMS, EXTERNAL
from couriermail.smtp.config import ServerConfig
from couriermail.smtp.session import Session, TlsInfo
from couriermail.smtp.states import COMMANDS, Command, Phase

__all__ = ["auth_refusal", "capabilities", "find_command", "mechanisms_offered", "refusal_of"]

_NOT_SMTP = frozenset({b"LHLO"})
_NOT_LMTP = frozenset({b"EHLO", b"HELO"})  # RFC 2033 4.1


def find_command(verb: bytes, config: ServerConfig) -> Command | None:
    """The table's entry for a verb in upper case, or None where the server does not know it."""
    if verb in (_NOT_LMTP if config.mode == "lmtp" else _NOT_SMTP):
        return None
    if verb == b"BDAT" and not config.chunking:
        return None
    return COMMANDS.get(verb)


def refusal_of(
    command: Command, argument: bytes, *, phase: Phase, config: ServerConfig, session: Session
) -> Reply | None:
    """Why a command may not come now, or with such an argument; None when it may."""
    if not command.is_open:
        if config.require_tls and session.tls is None:
            return replies.TLS_REQUIRED
        if config.require_auth and session.auth is None:
            return replies.AUTH_REQUIRED
    if phase not in command.phases:
        if phase is Phase.START:
            return replies.NO_HELO
        is_early = phase is Phase.MAIL and Phase.RCPT in command.phases
        return replies.NO_RECIPIENTS if is_early else replies.BAD_SEQUENCE
    if command.argument != "optional" and (command.argument == "needed") != bool(argument):
        return replies.BAD_ARGUMENT
    return None


def auth_refusal(config: ServerConfig, session: Session) -> Reply | None:
    """Why AUTH is not served now, or None."""
    if not config.has_auth:
        return replies.AUTH_DISABLED
    if session.auth is not None:
        return replies.BAD_SEQUENCE  # RFC 4954 4: after a success, no more AUTH in the session
    if session.tls is None and not mechanisms_offered(config, None):
        return replies.TLS_REQUIRED
    return None


def mechanisms_offered(config: ServerConfig, tls: TlsInfo | None) -> tuple[str, ...]:
    """The SASL mechanisms that a client may use now, in the order of the EHLO reply."""
    if tls is not None:
        listed = config.auth_mechanisms_tls or config.auth_mechanisms
        return tuple(name for name in listed if name != EXTERNAL or tls.identity)
    hidden = (EXTERNAL,) if config.auth_in_clear else (EXTERNAL, *CLEAR_TEXT_MECHANISMS)
    return tuple(name for name in config.auth_mechanisms if name not in hidden)


def capabilities(config: ServerConfig, tls: TlsInfo | None) -> list[str]:
    """The extensions that EHLO and LHLO list, in the order of the reply."""
    limits = config.limits
    mechanisms = " ".join(mechanisms_offered(config, tls))
    offers = {
        "PIPELINING": True,  # RFC 2920
        f"SIZE {limits.message_size}": True,  # RFC 1870
        "8BITMIME": True,  # RFC 6152
        "SMTPUTF8": config.smtputf8,  # RFC 6531
        "ENHANCEDSTATUSCODES": True,  # RFC 2034
        "DSN": config.dsn,  # RFC 3461
        "CHUNKING": config.chunking,  # RFC 3030
        "STARTTLS": config.starttls and tls is None,  # RFC 3207 4.2
        f"AUTH {mechanisms}": bool(mechanisms),  # RFC 4954 3
        f"LIMITS RCPTMAX={limits.recipients} MAILMAX={limits.transactions}": True,  # RFC 9422
        "XVERP=Courier": config.courier,
        "XEXDATA": config.has_exdata,
        "XSECURITY=NONE,STARTTLS": config.courier,
    }
    return [offer for offer, is_offered in offers.items() if is_offered]
