"""Variable envelope return paths: a bounce's address tells which recipient it is about.

list@example.com that writes to bob-env@example.com becomes
list-bob+2Denv=example.com@example.com (spec mta 12.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from couriermail.queue import Envelope

__all__ = ["sender_for", "verp_sender"]

_ENCODED = str.maketrans({letter: f"+{ord(letter):02X}" for letter in "@:%!+-[]"})


def sender_for(envelope: Envelope, recipient: str) -> str:
    """The envelope sender that one recipient gets: encoded where VERP was asked for.

    Args:
        envelope: the message's.
        recipient: the canonical address.
    """
    return verp_sender(envelope.sender, recipient) if envelope.verp else envelope.sender


def verp_sender(sender: str, recipient: str) -> str:
    """`LOCAL-ENCODED@DOMAIN` of a sender; the null sender and names without `@` stay."""
    local, at, domain = sender.rpartition("@")
    return f"{local}-{_encode(recipient)}@{domain}" if at else sender


def _encode(recipient: str) -> str:
    local, at, domain = recipient.rpartition("@")
    # The last "=" stands for the "@": behind it, or where there is none, "=" is encoded.
    rest = domain.translate(_ENCODED).replace("=", "+3D")
    return f"{local.translate(_ENCODED)}={rest}" if at else rest
