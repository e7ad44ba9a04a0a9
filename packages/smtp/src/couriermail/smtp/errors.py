"""The errors of this room, all below `SmtpError`.

Each carries the reply that a server gives the peer for it.  What a peer sends raises
nothing else: the engine turns these into replies, so an embedder sees them only when it
uses the parsers directly or uses the engine wrongly (`EngineUseError`).
"""

from __future__ import annotations

from couriermail.core import CouriermailError, LocalProtocolError, ParseError

__all__ = ["CommandSyntaxError", "EngineUseError", "SmtpError", "XtextError"]


class SmtpError(CouriermailError):
    """Base of every error that this room raises."""


class CommandSyntaxError(SmtpError, ParseError):
    """An argument of a command that does not follow RFC 5321 or its extension.

    Attributes:
        reply_code: 501, 504, 552, 553 or 555, whichever says best what is wrong.
        enhanced_code: the RFC 3463 code that goes with it.
        reply_text: what is wrong, in words that hold nothing the peer sent.
    """

    def __init__(self, code: int, enhanced: str, text: str, *, offset: int | None = None) -> None:
        super().__init__(text, offset=offset)
        self.reply_code = code
        self.enhanced_code = enhanced
        self.reply_text = text


class XtextError(SmtpError, ParseError):
    """Text that is not xtext (RFC 3461 4) or not a utf-8 address (RFC 6533 3)."""

    enhanced_code = "5.5.4"


class EngineUseError(SmtpError, LocalProtocolError):
    """The caller asked for what makes no sense now, such as a reply when nothing was asked."""
