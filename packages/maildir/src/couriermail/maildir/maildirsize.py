"""The file `maildirsize`: a quota and running totals, shared with every Maildir++ program.

    10000000S,1000C
           12345            7
             500            1

The first line is the quota; every other line is a signed change, and the sum is the usage
(spec maildir 3.6).  Programs append one line by one `write` on an `O_APPEND` descriptor, so
no lock is needed; totals that look wrong, or that would refuse a message while they are old,
are counted again (spec maildir 4.6).

A maildir without this file has no quota: every check succeeds and nothing is recorded.

What counts is said by `quotarules`.  Where a maildir has rules of its own, a count ends with their
signature (`18 1 rules=1a2b3c4d`), which other programs pass over; totals without it are stale.
"""

from __future__ import annotations

import os
import time

from couriermail.maildir.errors import QuotaExceeded, maildir_error
from couriermail.maildir.folders import owner_of
from couriermail.maildir.quota import Quota, Usage, bounded_number, parse_quota
from couriermail.maildir.quotacount import measure, newest_change
from couriermail.maildir.quotarules import QuotaRules, read_quota_rules
from couriermail.maildir.replacing import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock

__all__ = [
    "MAX_FILE_SIZE",
    "SIZE_FILE",
    "QuotaAccount",
    "SizeFile",
    "append_line",
    "measure",
    "parse_size_file",
    "read_size_file",
    "recalculate",
    "set_quota",
]

SIZE_FILE = "maildirsize"
MAX_FILE_SIZE = 5120  # octets; a longer file is counted again, which makes it short
_TRUSTED_SECONDS = 15 * 60  # a single total younger than this may refuse without a recount
_SIGNATURE_START = " rules="
_ATTEMPTS = 5  # recounts that other deliverers may disturb before the message goes in anyway


class SizeFile:
    """What one reading of `maildirsize` says.

    Attributes:
        quota: the limits in the first line.
        usage: the sum of all other lines.
        lines: how many other lines there are.
        modified: the file's modification time.
        signature: that of the rules by which the first of them was counted.
        is_stale: True when the totals cannot be trusted and must be counted again.
    """

    __slots__ = ("is_stale", "lines", "modified", "quota", "signature", "usage")

    def __init__(
        self,
        quota: Quota,
        usage: Usage,
        *,
        lines: int,
        modified: float,
        is_stale: bool,
        signature: str = "",
    ) -> None:
        self.quota = quota
        self.usage = usage
        self.lines = lines
        self.modified = modified
        self.is_stale = is_stale
        self.signature = signature


class QuotaAccount:
    """A maildir's quota while messages go in: ask with `admit`, then tell with `record`.

    What was admitted and not yet recorded counts as used, so that a batch of messages cannot
    pass the limit together.  Not for use by several threads at once.

    Attributes:
        owner: the maildir that has the quota.
        rules: which of its mail counts.
    """

    __slots__ = ("_admitted", "_clock", "_file", "_is_disturbed", "owner", "rules")

    def __init__(
        self, owner: str, file: SizeFile, rules: QuotaRules, clock: Clock | None = None
    ) -> None:
        self.owner = owner
        self.rules = rules
        self._file = file
        self._clock = clock
        self._admitted = Usage()
        self._is_disturbed = False

    @classmethod
    def open(cls, directory: str, clock: Clock | None = None) -> QuotaAccount | None:
        """The account that mail in this maildir or folder is charged to.

        Returns:
            None when there is no quota, or when the folder does not count.

        Raises:
            MaildirStorageError: the rules of what counts cannot be read.
        """
        owner = owner_of(directory)
        file = read_size_file(owner)
        if file is None:
            return None
        rules = read_quota_rules(owner)
        if not rules.counts_directory(directory, owner):
            return None
        file.is_stale = file.is_stale or file.signature != rules.signature
        return cls(owner, file, rules, clock)

    @property
    def quota(self) -> Quota:
        """The limits."""
        return self._file.quota

    @property
    def usage(self) -> Usage:
        """What the maildir holds, as far as this account knows."""
        return self._file.usage

    def admit(self, size: int, messages: int = 1) -> None:
        """Make sure that a message fits; call it before the message becomes visible.

        Raises:
            QuotaExceeded: it does not.
            MaildirStorageError: the maildir could not be counted.
        """
        addition = self._admitted + Usage(size, messages)
        if not self._file.is_stale and not self._fits(addition) and self._is_trusted():
            raise self._exceeded()
        for _ in range(_ATTEMPTS):
            if self._file.is_stale or not self._fits(addition):
                self._file = recalculate(self.owner, self._file.quota, self.rules)
                if self._file.is_stale:
                    continue
                if not self._fits(addition):
                    raise self._exceeded()
            break
        else:
            self._is_disturbed = True  # spec maildir 4.6: allowed, and not recorded
        self._admitted = addition

    def withdraw(self, size: int, messages: int = 1) -> None:
        """Take back an admission: the message was not stored after all."""
        self._admitted += Usage(-size, -messages)

    def record(self, size: int, messages: int = 1) -> None:
        """Append a line for mail that was admitted and is now visible.

        Raises:
            MaildirStorageError: the line could not be written; the next recount mends that.
        """
        self.withdraw(size, messages)
        if self._is_disturbed:
            return
        append_line(self.owner, Usage(size, messages))
        self._file.usage += Usage(size, messages)
        self._file.lines += 1

    def _fits(self, addition: Usage) -> bool:
        return self._file.quota.admits(self._file.usage + addition)

    def _is_trusted(self) -> bool:
        now = self._clock.now() if self._clock is not None else time.time()
        return self._file.lines == 1 and now < self._file.modified + _TRUSTED_SECONDS

    def _exceeded(self) -> QuotaExceeded:
        return QuotaExceeded(f"quota exceeded: {self.owner}", path=self.owner)


def read_size_file(owner: str) -> SizeFile | None:
    """Read a maildir's `maildirsize`; None when there is none or it cannot be opened."""
    try:
        descriptor = os.open(
            f"{owner}/{SIZE_FILE}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        )
    except OSError:
        return None
    try:
        data = os.read(descriptor, MAX_FILE_SIZE)
        return parse_size_file(data, os.fstat(descriptor).st_mtime)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def parse_size_file(data: bytes, modified: float = 0.0) -> SizeFile:
    """Read the contents of `maildirsize`, at most `MAX_FILE_SIZE` octets of them.

    A line that is no pair of numbers counts as a line and adds nothing; what stands behind a
    pair is passed over.  A file that fills the buffer, or whose totals are negative, is stale.
    """
    text = data.decode("latin-1")
    first, _, rest = text.partition("\n")
    size = messages = lines = 0
    signature = ""
    for line in rest.splitlines():
        change, behind = _parse_line(line)
        if not lines and behind.startswith(_SIGNATURE_START):
            signature = behind.strip()
        size += change.size
        messages += change.messages
        lines += 1
    is_stale = len(data) >= MAX_FILE_SIZE or size < 0 or messages < 0
    return SizeFile(
        parse_quota(first),
        Usage(size, messages),
        lines=lines,
        modified=modified,
        is_stale=is_stale,
        signature=signature,
    )


def set_quota(owner: str, quota: Quota) -> SizeFile:
    """Give a maildir this quota and count what it holds.

    Raises:
        MaildirError: the maildir cannot be read, or the file not be written.
    """
    return recalculate(owner, quota, read_quota_rules(owner))


def append_line(owner: str, change: Usage) -> None:
    """Append one line to `maildirsize` by one write.

    Raises:
        MaildirStorageError: the line could not be written.
    """
    path = f"{owner}/{SIZE_FILE}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.write(descriptor, _format_line(change))
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        pass  # the quota was lifted meanwhile
    except OSError as error:
        raise maildir_error(error, "cannot write", path) from error


def recalculate(owner: str, quota: Quota, rules: QuotaRules) -> SizeFile:
    """Count a maildir and replace its `maildirsize`.

    Args:
        owner: the maildir.
        quota: its limits.
        rules: which of its mail counts.

    Returns:
        The new contents; stale when mail moved while it was counted.

    Raises:
        MaildirError: the maildir cannot be read, or the file not be written.
    """
    try:
        before = newest_change(owner, rules)
        usage = measure(owner, rules)
        # Not synced: the totals are rebuilt from the messages whenever they look wrong.
        replace_file(
            owner,
            f"{owner}/{SIZE_FILE}",
            f"{quota}\n".encode("ascii") + _format_line(usage, rules.signature),
            unique="NeWmAiLdIrSiZe",
            is_durable=False,
        )
        modified = os.stat(f"{owner}/{SIZE_FILE}").st_mtime
        is_stale = newest_change(owner, rules) != before
    except OSError as error:
        raise maildir_error(error, "cannot count", owner) from error
    return SizeFile(
        quota,
        usage,
        lines=1,
        modified=modified,
        is_stale=is_stale,
        signature=rules.signature,
    )


def _format_line(usage: Usage, signature: str = "") -> bytes:
    behind = f" {signature}" if signature else ""
    return f"{usage.size:>12} {usage.messages:>12}{behind}\n".encode("ascii")


def _parse_line(line: str) -> tuple[Usage, str]:
    """The change, and what stands behind it."""
    size, rest = _leading_number(line)
    messages, behind = _leading_number(rest)
    if size is None or messages is None:
        return Usage(), ""
    return Usage(size, messages), behind


def _leading_number(text: str) -> tuple[int | None, str]:
    text = text.lstrip(" \t")
    start = end = 1 if text.startswith("-") else 0
    while end < len(text) and "0" <= text[end] <= "9":
        end += 1
    if end == start:
        return None, text[end:]
    number = bounded_number(text[start:end])
    return (-number if start else number), text[end:]
