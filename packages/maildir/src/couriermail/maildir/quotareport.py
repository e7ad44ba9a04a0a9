"""Looking at the quota of a maildir, and counting it anew, for administrators.

Deliveries count a maildir anew by themselves when its totals look wrong (`maildirsize`).  Totals
that are wrong and look right stay so until then; `recalculate_quota` is for them, and for after
messages were moved by hand.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import attrs

from couriermail.maildir.errors import maildir_error
from couriermail.maildir.folders import INBOX, owner_of
from couriermail.maildir.maildirsize import read_size_file, recalculate
from couriermail.maildir.quota import Quota, Usage
from couriermail.maildir.quotacount import folders_of, measure_folder, newest_change
from couriermail.maildir.quotarules import read_quota_rules

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FolderUsage",
    "QuotaRecount",
    "QuotaReport",
    "recalculate_quota",
    "report_quota",
]

QUIET_SECONDS = 2.0  # longer than a program takes from showing a message to recording it
_ATTEMPTS = 5


@attrs.frozen(kw_only=True)
class FolderUsage:
    """What one folder holds.

    Attributes:
        name: its full name, such as `INBOX` or `INBOX.Sent`.
        usage: octets and messages, without trashed ones as far as these do not count.
        is_counted: False where the folder does not count against the quota.
    """

    name: str
    usage: Usage
    is_counted: bool


@attrs.frozen(kw_only=True)
class QuotaReport:
    """A maildir's quota and what is used of it.

    Attributes:
        maildir: the maildir.
        quota: its limits; None where it has no `maildirsize`.
        recorded: what `maildirsize` says, by which deliveries decide; None where there is none.
        folders: what was found in the maildir itself, then in its folders by name.
    """

    maildir: str
    quota: Quota | None
    recorded: Usage | None
    folders: tuple[FolderUsage, ...]

    @property
    def counted(self) -> Usage:
        """What was found and counts."""
        return sum((each.usage for each in self.folders if each.is_counted), Usage())

    @property
    def percent(self) -> int:
        """How full the quota is by what was found, 0 to 100; 0 without a quota."""
        return 0 if self.quota is None else self.quota.percent(self.counted)


@attrs.frozen(kw_only=True)
class QuotaRecount:
    """What a recount did.

    Attributes:
        quota: the limits.
        before: what `maildirsize` said.
        after: what it says now.
        is_exact: False when mail moved all the time, so that a message on its way may be counted
            twice or not at all.  The next recount mends that.
    """

    quota: Quota
    before: Usage
    after: Usage
    is_exact: bool


def report_quota(
    maildir: str | os.PathLike[str], *, progress: Callable[[int, int], object] | None = None
) -> QuotaReport:
    """Count a maildir folder by folder, and read what is recorded.  Nothing is changed.

    Args:
        maildir: the maildir; for a folder the one that it belongs to is looked at.
        progress: called with the number of folders counted so far and that of all.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read.
    """
    owner = _owner(maildir)
    rules = read_quota_rules(owner)
    found: list[FolderUsage] = []
    try:
        folders = sorted(folders_of(owner))
        for name, directory in folders:
            if not name or os.path.isdir(f"{directory}/cur"):
                usage = measure_folder(directory, rules)
                full = f"{INBOX}.{name}" if name else INBOX
                is_counted = rules.counts_folder(name)
                found.append(FolderUsage(name=full, usage=usage, is_counted=is_counted))
            if progress is not None:
                progress(len(found), len(folders))
    except OSError as error:
        raise maildir_error(error, "cannot count", owner) from error
    file = read_size_file(owner)
    return QuotaReport(
        maildir=owner,
        quota=None if file is None else file.quota,
        recorded=None if file is None else file.usage,
        folders=tuple(found),
    )


def recalculate_quota(
    maildir: str | os.PathLike[str],
    *,
    pause: Callable[[float], object] = time.sleep,
    now: Callable[[], float] = time.time,
) -> QuotaRecount | None:
    """Count a maildir anew and replace its totals by one, while others deliver into it.

    The file is replaced at once, so that every program sees the old totals or the new ones.  The
    format has no lock: a program that shows a message before the count and records it after would
    be counted twice.  So the count is repeated, a few times at most, until no mail moved from two
    seconds before it to its end.

    Args:
        maildir: the maildir; for a folder the one that it belongs to is counted.
        pause: waits that many seconds between two counts.
        now: seconds since the epoch.

    Returns:
        None where there is no quota: nothing is recorded then.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read or written.
    """
    owner = _owner(maildir)
    file = read_size_file(owner)
    if file is None:
        return None
    rules = read_quota_rules(owner)
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(QUIET_SECONDS)
        try:
            is_quiet = newest_change(owner, rules) / 1e9 + QUIET_SECONDS <= now()
        except OSError as error:
            raise maildir_error(error, "cannot count", owner) from error
        fresh = recalculate(owner, file.quota, rules)
        if is_exact := is_quiet and not fresh.is_stale:
            break
    return QuotaRecount(quota=file.quota, before=file.usage, after=fresh.usage, is_exact=is_exact)


def _owner(maildir: str | os.PathLike[str]) -> str:
    path = os.fspath(maildir)
    try:
        os.stat(f"{path}/cur")
    except OSError as error:
        raise maildir_error(error, "cannot count", path) from error
    return owner_of(path)
