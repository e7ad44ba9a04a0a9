"""The replies that the engine gives by itself, by name (RFC 5321 4.2, RFC 3463).

Nobody writes a bare number elsewhere; a caller's own replies are `Reply` values too.
"""

from __future__ import annotations

from couriermail.core import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AUTH_DISABLED",
    "AUTH_FAILED",
    "AUTH_HELD_UP",
    "AUTH_OK",
    "AUTH_REQUIRED",
    "BAD_ARGUMENT",
    "BAD_CONTENT",
    "BAD_LINE",
    "BAD_SEQUENCE",
    "BYE",
    "CANNOT_VERIFY",
    "DATA_BEFORE_REPLY",
    "HELP",
    "LOCAL_ERROR",
    "MAIL_OK",
    "MESSAGE_OK",
    "MESSAGE_TOO_BIG",
    "NOT_IMPLEMENTED",
    "NO_HELO",
    "NO_RECIPIENTS",
    "OK",
    "RCPT_OK",
    "SHUTDOWN",
    "START_DATA",
    "START_TLS",
    "TIMEOUT",
    "TLS_INJECTION",
    "TLS_REQUIRED",
    "TLS_UNAVAILABLE",
    "TOO_MANY_CONNECTIONS",
    "TOO_MANY_ERRORS",
    "TOO_MANY_IDLE",
    "TOO_MANY_RECIPIENTS",
    "TOO_MANY_TRANSACTIONS",
    "UNKNOWN_COMMAND",
    "joined",
]

OK = Reply(250, "Ok", enhanced="2.0.0")
MAIL_OK = Reply(250, "Ok", enhanced="2.1.0")
RCPT_OK = Reply(250, "Ok", enhanced="2.1.5")
MESSAGE_OK = Reply(250, "Ok", enhanced="2.6.0")
START_DATA = Reply(354, "End data with <CR><LF>.<CR><LF>")
START_TLS = Reply(220, "Ready to start TLS", enhanced="2.0.0")
AUTH_OK = Reply(235, "Authentication successful", enhanced="2.7.0")
CANNOT_VERIFY = Reply(252, "Cannot VRFY user, but will take the message", enhanced="2.5.0")
HELP = Reply(
    214, "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\nSee RFC 5321", enhanced="2.0.0"
)
BYE = Reply(221, "Bye", enhanced="2.0.0")

TIMEOUT = Reply(421, "Timeout, closing connection", enhanced="4.4.2")
SHUTDOWN = Reply(421, "Service shutting down, try again later", enhanced="4.3.2")
TOO_MANY_ERRORS = Reply(421, "Too many errors, closing connection", enhanced="4.7.0")
TOO_MANY_IDLE = Reply(421, "Too many commands without mail, closing connection", enhanced="4.7.0")
TOO_MANY_TRANSACTIONS = Reply(421, "Too many messages, connect again", enhanced="4.7.0")
TOO_MANY_CONNECTIONS = Reply(421, "Too many connections, try again later", enhanced="4.7.0")
LOCAL_ERROR = Reply(451, "Local error, try again later", enhanced="4.3.0")
TOO_MANY_RECIPIENTS = Reply(452, "Too many recipients", enhanced="4.5.3")  # RFC 5321 4.5.3.1.10

UNKNOWN_COMMAND = Reply(500, "Unknown command", enhanced="5.5.1")
BAD_LINE = Reply(500, "CR, LF or NUL inside a command", enhanced="5.5.2")
BAD_ARGUMENT = Reply(501, "Syntax error in argument", enhanced="5.5.4")
NOT_IMPLEMENTED = Reply(502, "Command not implemented", enhanced="5.5.1")
TLS_UNAVAILABLE = Reply(502, "TLS not available", enhanced="5.5.1")
AUTH_DISABLED = Reply(502, "Authentication not available", enhanced="5.5.1")
BAD_SEQUENCE = Reply(503, "Bad sequence of commands", enhanced="5.5.1")
NO_HELO = Reply(503, "Polite people say HELO first", enhanced="5.5.1")
NO_RECIPIENTS = Reply(503, "No valid recipients", enhanced="5.5.1")
TLS_REQUIRED = Reply(530, "Must issue a STARTTLS command first", enhanced="5.7.0")  # RFC 3207 4
AUTH_HELD_UP = Reply(454, "Too many failed logins, try again later", enhanced="4.7.0")
AUTH_FAILED = Reply(535, "Authentication failed", enhanced="5.7.8")  # RFC 4954 6
AUTH_REQUIRED = Reply(530, "Authentication required", enhanced="5.7.0")  # RFC 4954 6
BAD_CONTENT = Reply(550, "Message holds bare CR, bare LF or NUL", enhanced="5.6.0")
MESSAGE_TOO_BIG = Reply(552, "Message is too big", enhanced="5.3.4")  # RFC 1870 6.3
DATA_BEFORE_REPLY = Reply(421, "Data sent before it was asked for", enhanced="4.7.0")
TLS_INJECTION = Reply(421, "Data sent between STARTTLS and the handshake", enhanced="4.7.0")


def joined(answers: Sequence[Reply]) -> Reply:
    """One reply to the end of a message for all its recipients ("spec smtp 13.3", EXDATA).

    A 558 whose lines are those of the answers, in the order of the accepted RCPT commands.
    When all recipients got the message there is nothing to tell apart: the first answer stands
    for them.  A 558 has no enhanced code: the code of an answer stands in its place.
    """
    if all(answer.is_success for answer in answers):
        return answers[0]
    return Reply(558, "\n".join(str(answer) for answer in answers), enhanced="")
