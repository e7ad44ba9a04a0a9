"""Putting messages into mailboxes: which kind a name is, and many maildirs with few syncs.

A name is a maildir when it is written with a trailing `/`, when it is a directory, or when
its last component is `Maildir`; anything else is an mbox file, created where it is missing
(spec mta.md 11.4).  Courier: makes an mbox file of a missing `./Maildir`, which loses mail for
whoever looks for a maildir later; here that is a temporary failure.

Failures of mailboxes are temporary: the mailbox can be mended while the message waits.
"""

from __future__ import annotations

import os
import select
import time

import attrs

from couriermail.maildir import (
    Maildir,
    MaildirError,
    MaildirExistsError,
    MaildirLockedError,
    QuotaExceeded,
    QuotaLedger,
    commit_all,
)
from couriermail.maildir.locks import LockPolicy
from couriermail.maildir.mbox import deliver_mbox
from couriermail.maildir.quota import parse_quota

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from couriermail.maildir import PreparedMessage

__all__ = [
    "MailboxDelivery",
    "StoreFailure",
    "is_maildir_name",
    "store_in_maildirs",
    "store_in_mbox",
]

_OVER_QUOTA = "Maildir over quota."
_MAX_OPEN = 200  # prepared messages are open files; the usual limit is 1024


@attrs.frozen(kw_only=True)
class MailboxDelivery:
    """One copy for one mailbox.

    Attributes:
        name: as the instruction wrote it, for messages.
        path: where it is.
        header: the lines put before the message.
        message: the message.
        quota: Maildir++ quota text, or empty for the one that the maildir has.
        may_create: create the maildir when it is missing.
    """

    name: str
    path: str
    header: bytes
    message: bytes | memoryview
    quota: str = ""
    may_create: bool = False


@attrs.frozen
class StoreFailure:
    """Why a mailbox did not take a message; always temporary.

    Attributes:
        text: one line for the log and the report.
        enhanced: enhanced status code (RFC 3463).
    """

    text: str
    enhanced: str = "4.2.0"


def is_maildir_name(path: str, *, must_be_maildir: bool) -> bool:
    """True when a delivery to `path` must go to a maildir, whether it exists or not."""
    return must_be_maildir or os.path.basename(path) == "Maildir" or os.path.isdir(path)


def store_in_maildirs(deliveries: Sequence[MailboxDelivery]) -> list[StoreFailure | None]:
    """Deliver all, sharing the syncs; each that gives None is durable.

    One that fails does not concern the others.
    """
    results: list[StoreFailure | None] = []
    for start in range(0, len(deliveries), _MAX_OPEN):
        results += _store_group(deliveries[start : start + _MAX_OPEN])
    return results


def store_in_mbox(
    delivery: MailboxDelivery, sender: str, *, seconds: float, lifeline: int | None = None
) -> StoreFailure | None:
    """Append to an mbox file; durable when it gives None.

    Args:
        delivery: the copy.
        sender: envelope sender, for the `From ` line.
        seconds: how long to wait for the mailbox's locks.
        lifeline: a descriptor that becomes readable when waiting has no sense any more.
    """
    try:
        deliver_mbox(
            delivery.path,
            delivery.message,
            sender=sender,
            prefix=delivery.header,
            locking=LockPolicy(patience=seconds, pause=_pause_on(lifeline)),
        )
    except MaildirError as error:
        return _failure("open", delivery, error)
    return None


def _pause_on(lifeline: int | None) -> Callable[[float], None]:
    if lifeline is None:
        return time.sleep
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)

    def pause(seconds: float) -> None:
        if poll.poll(seconds * 1000):
            raise MaildirLockedError("no longer waited for")

    return pause


def _store_group(deliveries: Sequence[MailboxDelivery]) -> list[StoreFailure | None]:
    ledger = QuotaLedger()
    results: list[StoreFailure | None] = [None] * len(deliveries)
    prepared: list[tuple[int, PreparedMessage]] = []
    try:
        for number, delivery in enumerate(deliveries):
            try:
                prepared.append((number, _prepare(delivery, ledger)))
            except MaildirError as error:
                results[number] = _failure("open", delivery, error)
        committed = commit_all([message for _, message in prepared])
    except BaseException:
        for _, message in prepared:
            message.abort()
        raise
    for (number, _), outcome in zip(prepared, committed, strict=True):
        if outcome.error is not None:
            results[number] = _failure("close", deliveries[number], outcome.error)
    return results


def _prepare(delivery: MailboxDelivery, ledger: QuotaLedger) -> PreparedMessage:
    box = Maildir(delivery.path)
    if delivery.may_create and not os.path.lexists(delivery.path):
        try:
            box = Maildir.create(delivery.path)
        except MaildirExistsError:
            pass  # another agent was faster
    if delivery.quota:
        _install_quota(box, delivery.quota)
    return box.prepare([delivery.header, delivery.message], ledger=ledger)


def _install_quota(box: Maildir, text: str) -> None:
    """Make the account's quota the maildir's (spec maildir.md 4.6, AddStart)."""
    wanted = parse_quota(text)
    if wanted.is_limited and box.quota != wanted:
        box.set_quota(wanted)


def _failure(step: str, delivery: MailboxDelivery, error: MaildirError) -> StoreFailure:
    if isinstance(error, QuotaExceeded):
        return StoreFailure(_OVER_QUOTA, "4.2.2")  # RFC 3463 3.3: mailbox full
    return StoreFailure(f"maildir.{step}: {delivery.name}: {error.reason}: {error.reason}")
