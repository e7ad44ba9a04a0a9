"""Message-ID, In-Reply-To, References and Content-ID: making and reading identifiers.

Identifiers are handled without their angle brackets.  Source: RFC 5322 3.6.4, spec rfc822
3 and 4.7.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fold_references", "make_message_id", "parse_message_ids"]

_MOST_REFERENCES = 20


def make_message_id(host: str, *, epoch: int, token: int) -> str:
    """Makes the identifier of a new message, with angle brackets.

    Args:
        host: right-hand side, in ACE form.
        epoch: seconds since 1970.
        token: what tells messages of one second on one host apart: a random number, or the
            process id; only its low 64 bits count.
    """
    return f"<courier.{epoch:016X}.{token & 0xFFFFFFFFFFFFFFFF:08X}@{host}>"


def parse_message_ids(value: str | bytes) -> list[str]:
    """Identifiers in a field's value, without angle brackets, blanks and comments.

    They may be separated by blanks, commas or comments, and may lack their brackets.
    """
    from couriermail.rfc822.address import parse_addresses

    return [addr for element in parse_addresses(value) if (addr := element.addr)]


def fold_references(ids: Sequence[str], *, most: int = _MOST_REFERENCES) -> str:
    """The folded value of a References field: one identifier per line, the last `most`.

    Args:
        ids: identifiers without brackets, oldest first; the message replied to is the last.
        most: how many of the newest are kept.
    """
    return ("\n" + " " * 12).join(f"<{identifier}>" for identifier in ids[-most:])
