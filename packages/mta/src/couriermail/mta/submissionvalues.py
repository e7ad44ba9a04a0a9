"""What submission is told and asks: origin, settings, and who decides about addresses.

Public through `couriermail.mta.submission`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from couriermail.queue import Outcome, Recipient

if TYPE_CHECKING:
    from couriermail.core import Reply
    from couriermail.mta.accounts import LocalTarget

__all__ = ["Accepted", "Admission", "Origin", "SubmissionSettings"]


@attrs.frozen(kw_only=True)
class Origin:
    """How a message came in.

    Attributes:
        module: the input module, `esmtp`, `local`, `dsn`; decides rewriting and admission.
        source: `dns; HELO (HOST [IP])`.
        ident: second line of Received, such as `uid 2001`.
        protocol: the word behind `with` in Received, such as `ESMTPSA` (RFC 3848).
        label: message source label, `smtp`, `authsmtp`, `local`, `smtp/dsn`.
        auth: authenticated identity, or None.
        may_relay: True when any domain is accepted from this client.
        user: login name of a local submitter.
        uid: its number, or -1.
        add_message_id: add a Message-ID where there is none.
        add_date: add a Date where there is none.
        server_ip: our own address in the client's connection; `user@[IP]` is a local user.
        client_ip: the client's address, or "".
    """

    module: str
    source: str
    ident: str = ""
    protocol: str = ""
    label: str = "local"
    auth: str | None = None
    may_relay: bool = False
    user: str = ""
    uid: int = -1
    add_message_id: bool = True
    add_date: bool = True
    server_ip: str | None = None
    client_ip: str = ""


@attrs.frozen(kw_only=True)
class SubmissionSettings:
    """What submission needs of the configuration (spec mta.md 3.2).

    Attributes:
        me: this host's name, ACE.
        default_domain: completes addresses without a domain, ACE.
        message_id_host: right side of generated Message-IDs, ACE.
        size_limit: octets of a message, 0 for no limit.
        batch_size: recipients per queued message; larger lists are split.
        max_recipients: recipients per message.
        queue_time: seconds until an undelivered message is given up.
        warn_time: seconds until a delay is reported; 0 for never.
        utc_offset: seconds east of UTC for dates, or None for the system's zone.
    """

    me: str
    default_domain: str
    message_id_host: str
    size_limit: int = 10_485_760
    batch_size: int = 100
    max_recipients: int = 100
    queue_time: float = 7 * 86400.0
    warn_time: float = 4 * 3600.0
    utc_offset: int | None = None


@attrs.frozen
class Accepted:
    """What one accepted address adds to a message.

    Attributes:
        recipients: who gets the message.
        delivered: recipients that are done at once, with the outcome to record: an alias with
            several members (spec mta.md 5.4).  The outcome's index is set later.
        mailboxes: what tells the mailboxes of `recipients` apart, such as their `Route.key`;
            empty for their addresses.
        is_remote: True when none of `recipients` has a mailbox here: filters that leave mail
            alone which its recipients let pass are not asked (spec filter 4.18, 4.19).
        targets: the accounts of `recipients`, None for those that have none here; empty when
            nobody knows.
        alias: full name of the alias that they are the members of, or "".
    """

    recipients: tuple[Recipient, ...]
    delivered: tuple[tuple[Recipient, Outcome], ...] = ()
    mailboxes: tuple[str, ...] = ()
    is_remote: bool = False
    targets: tuple[LocalTarget | None, ...] = ()
    alias: str = ""


class Admission(Protocol):
    """Who decides about addresses: the router, seen from submission."""

    def sender(self, address: str, origin: Origin) -> str | Reply:
        """The canonical reverse-path, or why it is refused."""
        ...

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        """Who gets the mail for one address (aliases), or why it is refused."""
        ...
