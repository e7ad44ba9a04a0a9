"""Every limit of an SMTP session, with its default, its reason and its source.

`Limits` bound memory and work and live in the engine; `Timeouts` bound time and live in
the shell, because an engine has no clock.
"""

from __future__ import annotations

import attrs

__all__ = ["Limits", "Timeouts"]


@attrs.frozen(kw_only=True)
class Limits:
    """What one client may ask of one session.

    Attributes:
        command_line: octets of a command line with its CRLF.  RFC 5321 4.5.3.1.4 asks for 512 and
            for room for each extension (SIZE +26, DSN RCPT +500 and more); a line with everything
            stays below 2048.  A longer line is answered 500 and thrown away as it arrives.
        auth_line: octets of an AUTH command or of a line of its exchange (RFC 4954 4 asks for
            12288).
        local_part: octets of a local part.  RFC 5321 4.5.3.1.1 says 64, but VERP senders in
            the wild are longer, so the default lets them pass.
        domain: octets of a domain (RFC 5321 4.5.3.1.2).
        recipients: accepted recipients of one message; RFC 5321 4.5.3.1.8 demands at least 100.
            Later ones get 452 4.5.3 and the client sends them in another transaction (4.5.3.1.10).
        errors: refused commands before 421, counted anew after each accepted message: a client
            that guesses addresses or passwords pays with a new connection (RFC 5321 4.2.5, 7.8).
        idle_commands: NOOP, RSET, VRFY, EXPN, HELP, HELO and EHLO before 421, counted anew
            after each accepted message: they are free for the client and cost us (RFC 5321 7.8).
        transactions: accepted MAIL commands of one session before 421 (RFC 5321 7.8).
        message_size: octets of a message with CRLF line ends and without dot-stuffing, as
            RFC 1870 3 counts them; announced by SIZE.  0 means no limit.
        connections: open at one time in one process; above it the server stops accepting, so that
            newcomers wait in the kernel or reach another process ("spec smtp 15.5").
        connections_per_ip: open at one time from one IPv4 address or IPv6 /64; the next one gets
            421.  0 means no limit.  Unix sockets are not counted.
    """

    command_line: int = 2048
    auth_line: int = 12288
    local_part: int = 255
    domain: int = 255
    recipients: int = 100
    errors: int = 20
    idle_commands: int = 100
    transactions: int = 1000
    message_size: int = 10 * 1024 * 1024
    connections: int = 1000
    connections_per_ip: int = 5


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long the server waits, in seconds, before it says 421 and closes.

    Attributes:
        greeting: for a TLS handshake, both on connection and after STARTTLS.
        command: for the next command (RFC 5321 4.5.3.2.7: at least 5 minutes).
        data_idle: for the next bytes of a message (RFC 5321 4.5.3.2.5 gives the client 3 minutes
            between two blocks; a server must be more patient than its clients).
        data_total: for one whole message, so that a byte a minute cannot hold a slot for ever.
        session: for the whole session.
        close: for the client to take our last reply before the connection is cut.
    """

    greeting: float = 60.0
    command: float = 300.0
    data_idle: float = 300.0
    data_total: float = 3600.0
    session: float = 14400.0
    close: float = 10.0
