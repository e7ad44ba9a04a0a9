"""Changing, moving and removing messages that are there already.

A flag change renames the file, and several programs may do that at once: the one whose rename
succeeds has changed the message, the others find it under its new name and go on from there.
So is the quota told exactly once.  As with every program, these changes are not synced: after
a crash of the machine a message may have the flags that it had before.
"""

from __future__ import annotations

import os

from couriermail.maildir.entries import Entry
from couriermail.maildir.errors import (
    MaildirError,
    MaildirExistsError,
    MaildirMissingError,
    maildir_error,
)
from couriermail.maildir.maildirsize import QuotaAccount, append_line
from couriermail.maildir.names import counts_for_quota, current_name
from couriermail.maildir.quota import Usage
from couriermail.maildir.scanning import find_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.core.clock import Clock

__all__ = ["expunge", "move", "set_flags"]

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

    def rename(entry: Entry) -> Entry:
        changed = Entry(directory=directory, subdirectory="cur", name=name)
        if entry != changed:
            # Whether the trash counts is asked only where the answer matters.
            is_same = counts_for_quota(entry.name) == counts_for_quota(changed.name)
            account = None if is_same else QuotaAccount.open(directory, clock)
            change = _charge(account, changed) - _charge(account, entry)
            size = entry.size if change else 0
            _ask(account, size, change)
            os.rename(entry.path, changed.path)
            _tell(account, size, change)
        return changed

    return _retried(directory, key, rename)


def expunge(directory: str, key: str, *, clock: Clock | None = None) -> None:
    """Remove a message for good, and credit the quota.

    Of several programs that expunge a message at once, one does and the others miss it.

    Raises:
        MaildirMissingError: there is none.
        MaildirStorageError: the system refused.
    """

    def remove(entry: Entry) -> Entry:
        account = QuotaAccount.open(directory, clock)
        charge = _charge(account, entry)
        size = entry.size if charge else 0
        _ask(account, size, -charge)
        os.unlink(entry.path)
        _tell(account, size, -charge)
        return entry

    _retried(directory, key, remove)


def move(
    directory: str,
    key: str,
    target: str,
    *,
    flags: str | None = None,
    clock: Clock | None = None,
) -> Entry:
    """Move a message to another folder of the same file system, with its keywords.

    The quota learns of it as spec maildir 4.6 says: nothing between two folders that count, a
    credit for a move into one that does not, which is never refused, and a question for a move
    out of it.  Of two maildirs, each has its own quota told.

    Args:
        directory: the maildir or folder that has it.
        key: the message; it keeps its key.
        target: the maildir or folder that gets it.
        flags: letters that the message has from then on, in `cur`; the old ones when None.
        clock: for the quota.

    Returns:
        The message as it is now.

    Raises:
        MaildirMissingError: there is no such message, or no such target.
        MaildirExistsError: the target has a file of this name.
        InvalidNameError: flags that cannot be stored; nothing was changed.
        QuotaExceeded: the message did not count and would not fit; nothing was changed.
        MaildirStorageError: the system refused.
    """
    if not os.path.isdir(f"{target}/cur"):
        raise MaildirMissingError(f"not a maildir: {target}", path=target)
    new_name = None if flags is None else current_name(key, flags)

    def rename(entry: Entry) -> Entry:
        moved = Entry(
            directory=target,
            subdirectory=entry.subdirectory if new_name is None else "cur",
            name=entry.name if new_name is None else new_name,
        )
        if os.path.lexists(moved.path):
            raise MaildirExistsError(f"message exists: {moved.path}", path=moved.path)
        source, account = QuotaAccount.open(directory, clock), QuotaAccount.open(target, clock)
        before, after = _charge(source, entry), _charge(account, moved)
        if source is not None and account is not None and source.owner == account.owner:
            before, after = 0, after - before
        size = entry.size if before or after else 0
        _ask(account, size, after)
        _ask(source, size, -before)
        _copy_keywords(directory, key, target)
        os.rename(entry.path, moved.path)
        _tell(account, size, after)
        _tell(source, size, -before)
        return moved

    return _retried(directory, key, rename)


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


def _charge(account: QuotaAccount | None, entry: Entry) -> int:
    """How many messages of the quota this one is."""
    return int(account is not None and account.rules.counts_message(entry.name))


def _ask(account: QuotaAccount | None, size: int, sign: int) -> None:
    # Before the change, because a recount after it would count the change already.
    if account is None or not sign:
        return
    try:
        account.admit(sign * size, sign)
    except MaildirError:
        if sign > 0:
            raise
        # A credit is never refused (spec maildir 4.6).


def _copy_keywords(directory: str, key: str, target: str) -> None:
    from couriermail.maildir.keyword_store import KeywordStore
    from couriermail.maildir.keywords import KEYWORDS_DIRECTORY

    if not os.path.isdir(f"{directory}/{KEYWORDS_DIRECTORY}"):
        return
    if keywords := KeywordStore(directory).get(key):
        KeywordStore(target).set(key, keywords)


def _tell(account: QuotaAccount | None, size: int, sign: int) -> None:
    if account is None or not sign:
        return
    try:
        append_line(account.owner, Usage(sign * size, sign))
    except MaildirError as error:
        import logging

        log = logging.getLogger("couriermail.maildir")
        log.warning("quota not recorded, the next recount will: %s", error)
