"""The five lines that `logfile` gets for every delivery (spec filter 3.3)."""

from __future__ import annotations

import time

from couriermail.filter.message import complete_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.interfaces import FilterMessage

__all__ = ["log_entry"]

_COLUMNS = 72


def log_entry(
    message: FilterMessage, mailbox: bytes, *, kind: str, when: float, is_failed: bool
) -> bytes:
    """One entry.

    Args:
        message: the message as delivered.
        mailbox: the mailbox, command or addresses.
        kind: what it is; an mbox file holds more bytes, since lines are quoted there.
        when: seconds since the epoch; shown as local time.
        is_failed: True when it could not be delivered or the command did not end with 0.
    """
    size = b"(%d)" % (_quoted_size(message) if kind == "mbox" else _complete_size(message))
    room = _COLUMNS - 1 - len(size)
    label = b"!Err: " if is_failed else b"File: "
    return b"".join(
        (
            b"Date: %b\n" % time.ctime(when).encode(),
            b"From: %b\n" % _field(message, b"from")[:_COLUMNS],
            b"Subj: %b\n" % _field(message, b"subject")[:_COLUMNS],
            b"%b%b %b\n\n" % (label, bytes(mailbox[:room]).ljust(room), size),
        )
    )


def _field(message: FilterMessage, name: bytes) -> bytes:
    values: list[bytes] = []
    for line in message.header_block().split(b"\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            values.append(value.strip())
    return b"".join(values)


def _complete_size(message: FilterMessage) -> int:
    """The message's size with the final line end that it may lack."""
    return sum(len(chunk) for chunk in complete_chunks(message))


def _quoted_size(message: FilterMessage) -> int:
    from couriermail.maildir.mbox import FromQuoter

    quoter = FromQuoter()
    size = sum(len(quoter.feed(chunk)) for chunk in complete_chunks(message))
    return size + len(quoter.finish())
