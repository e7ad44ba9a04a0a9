"""Changing and removing messages that are there already: flags, and expunging.

A flag change renames the file, and several programs may do that at once: the one whose rename
succeeds has changed the message, the others find it under its new name and go on from there.
So is the quota told exactly once.  As with every program, these changes are not synced: after
a crash of the machine a message may have the flags that it had before.
"""

from __future__ import annotations

import os

from couriermail.maildir.entries import Entry
from couriermail.maildir.errors import MaildirError, MaildirMissingError, maildir_error
from couriermail.maildir.maildirsize import QuotaAccount, append_line
from couriermail.maildir.names import counts_for_quota, current_name
from couriermail.maildir.quota import Usage
from couriermail.maildir.scanning import find_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.core.clock import Clock

__all__ = ["expunge", "set_flags"]

_ATTEMPTS = 100  # each failure means that another program changed the message meanwhile


def set_flags(directory: str, key: str, flags: str, *, clock: Clock | None = None) -> Entry:
    """Give a message exactly these flags, and move it to `cur`.

    Trashing a message (`T`) credits the quota; taking that back asks it.

    Args:
        directory: the maildir or folder.
        key: the message.
        flags: letters of `DFPRST`, and others that readers may have made up.
        clock: for the quota.

    Returns:
        The message as it is now.

    Raises:
        MaildirMissingError: there is none.
        InvalidNameError: flags that cannot be stored; nothing was changed.
        QuotaExceeded: the message is trashed and would not fit any more; nothing was changed.
        MaildirStorageError: the system refused.
    """
    name = current_name(key, flags)

    def change(entry: Entry) -> Entry:
        changed = Entry(directory=directory, subdirectory="cur", name=name)
        if entry != changed:
            before, after = _charge(entry), _charge(changed)
            size = entry.size if before != after else 0
            account = _asked(directory, size, after - before, clock)
            os.rename(entry.path, changed.path)
            _tell(account, size, after - before)
        return changed

    return _retried(directory, key, change)


def expunge(directory: str, key: str, *, clock: Clock | None = None) -> None:
    """Remove a message for good, and credit the quota.

    Of several programs that expunge a message at once, one does and the others miss it.

    Raises:
        MaildirMissingError: there is none.
        MaildirStorageError: the system refused.
    """

    def remove(entry: Entry) -> Entry:
        charge = _charge(entry)
        size = entry.size if charge else 0
        account = _asked(directory, size, -charge, clock)
        os.unlink(entry.path)
        _tell(account, size, -charge)
        return entry

    _retried(directory, key, remove)


def _retried(directory: str, key: str, step: Callable[[Entry], Entry]) -> Entry:
    for _ in range(_ATTEMPTS):
        entry = find_entry(directory, key)
        try:
            return step(entry)
        except (FileNotFoundError, MaildirMissingError):
            continue  # renamed between the look and the step
        except OSError as error:
            raise maildir_error(error, "cannot change", entry.path) from error
    raise MaildirMissingError(f"message {key!r} in {directory} does not stay", path=directory)


def _charge(entry: Entry) -> int:
    """How many messages of the quota this one is."""
    return int(counts_for_quota(entry.name))


def _asked(directory: str, size: int, sign: int, clock: Clock | None) -> QuotaAccount | None:
    # Before the change, because a recount after it would count the change already.
    account = QuotaAccount.open(directory, clock) if sign else None
    if account is None:
        return None
    try:
        account.admit(sign * size, sign)
    except MaildirError:
        if sign > 0:
            raise
        # A credit is never refused (spec maildir 4.6).
    return account


def _tell(account: QuotaAccount | None, size: int, sign: int) -> None:
    if account is None:
        return
    try:
        append_line(account.owner, Usage(sign * size, sign))
    except MaildirError as error:
        import logging

        log = logging.getLogger("couriermail.maildir")
        log.warning("quota not recorded, the next recount will: %s", error)
