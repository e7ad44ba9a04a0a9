"""Which mail counts against a quota (spec maildir 4.6, 7).

By Maildir++ everything counts but the folder `.Trash` itself and messages with the flag `T`.  The
file `maildirquotaexclude` of a maildir says otherwise for all programs of this library:

    # folders that do not count
    Spam
    Archive.2019
    Archive.2019.*
    +Trash

A line is a folder's name as its directory has it, without the leading dot; `INBOX.` may stand
before it.  `NAME.*` means the folders below NAME and not NAME itself.  `+Trash` makes the trash
and trashed messages count (Courier's build option of that kind).  Blank lines and what follows
`#` at the start of a line are comments.

Courier: knows no such file.  A program of another maker counts all folders when it counts a
maildir anew, and what it delivers into an excluded folder.  A count of ours therefore carries a
`signature` behind its totals, which every reader passes over; totals without it were counted by
others, or by other rules, and the next program of ours counts them again (`maildirsize`).
"""

from __future__ import annotations

import errno
import os

from couriermail.maildir.errors import InvalidNameError, maildir_error
from couriermail.maildir.folders import INBOX, TRASH, short_name
from couriermail.maildir.names import counts_for_quota
from couriermail.maildir.replacing import read_small_file, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "RULES_FILE",
    "QuotaRules",
    "parse_quota_rules",
    "read_quota_rules",
    "store_quota_rules",
]

RULES_FILE = "maildirquotaexclude"
_BELOW = ".*"
_TRASH_COUNTS = "+Trash"

# Not attrs: read on the way of every delivery into a maildir with a quota.


class QuotaRules:
    """Which folders and messages of a maildir count against its quota.

    Attributes:
        excluded: short names of folders that do not count; `NAME.*` stands for those below NAME.
        trash_counts: the trash counts, and so do messages with the flag `T`.
        signature: what a count by these rules carries; empty for those of Maildir++.
    """

    __slots__ = ("excluded", "signature", "trash_counts")

    def __init__(self, excluded: Iterable[str] = (), *, trash_counts: bool = False) -> None:
        """Make rules from names of folders, such as `Spam` or `INBOX.Archive.*`.

        Raises:
            InvalidNameError: a name is no folder's, or that of the maildir itself.
        """
        self.excluded = frozenset(map(_short, excluded))
        self.trash_counts = trash_counts
        self.signature = self._sign()

    def counts_directory(self, directory: str, owner: str) -> bool:
        """True when mail counts that lies in this directory, the maildir `owner` or a folder."""
        base = os.path.basename(directory.rstrip("/"))
        if base == TRASH:
            return self.trash_counts
        if directory == owner or not base.startswith("."):
            return True
        return self.counts_folder(base[1:])

    def counts_folder(self, name: str) -> bool:
        """True when mail in this folder counts; the name is the short one, empty for INBOX."""
        if f".{name}" == TRASH:
            return self.trash_counts
        if not self.excluded:
            return True
        parents = (name[:at] for at, char in enumerate(name) if char == ".")
        return name not in self.excluded and self.excluded.isdisjoint(
            f"{parent}{_BELOW}" for parent in parents
        )

    def counts_message(self, name: str) -> bool:
        """True when a message with this file name counts, wherever it is."""
        return self.trash_counts or counts_for_quota(name)

    def lines(self) -> list[str]:
        """The rules as the lines of the file, sorted."""
        return [*([_TRASH_COUNTS] if self.trash_counts else []), *sorted(self.excluded)]

    def _sign(self) -> str:
        lines = self.lines()
        if not lines:
            return ""
        from binascii import crc32

        return f"rules={crc32(os.fsencode(chr(10).join(lines))):08x}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuotaRules):
            return NotImplemented
        return self.lines() == other.lines()

    def __hash__(self) -> int:
        return hash((self.excluded, self.trash_counts))

    def __repr__(self) -> str:
        return f"QuotaRules({sorted(self.excluded)!r}, trash_counts={self.trash_counts})"


def parse_quota_rules(text: str, refuse: Callable[[str], object] | None = None) -> QuotaRules:
    """Read the text of the file; a line that names no folder is passed over.

    Args:
        text: the file.
        refuse: called with each such line.
    """
    names: list[str] = []
    trash_counts = False
    for line in map(str.strip, text.split("\n")):
        if line == _TRASH_COUNTS:
            trash_counts = True
        elif line and not line.startswith("#"):
            try:
                names.append(_short(line))
            except InvalidNameError:
                if refuse is not None:
                    refuse(line)
    return QuotaRules(names, trash_counts=trash_counts)


def read_quota_rules(owner: str, refuse: Callable[[str], object] | None = None) -> QuotaRules:
    """The rules of a maildir; those of Maildir++ where it has no file.

    Args:
        owner: the maildir, not a folder of it.
        refuse: called with each line that is no rule.

    Raises:
        MaildirStorageError: the file is there and cannot be read.
    """
    path = f"{owner}/{RULES_FILE}"
    try:
        data = read_small_file(path)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return _DEFAULT
        raise maildir_error(error, "cannot read", path) from error
    return parse_quota_rules(data.decode("utf-8", "surrogateescape"), refuse)


def store_quota_rules(owner: str, rules: QuotaRules) -> None:
    """Give a maildir these rules; durable when it returns.  What is recorded is not counted anew.

    Comments of an older file are lost.  The rules of Maildir++ are the absence of the file.

    Raises:
        MaildirError: the system refused; the old rules are still there.
    """
    path = f"{owner}/{RULES_FILE}"
    text = "".join(f"{line}\n" for line in rules.lines())
    try:
        replace_file(owner, path, os.fsencode(text), unique="quotaexclude")
        if not text:
            os.unlink(path)
    except OSError as error:
        raise maildir_error(error, "cannot write", path) from error


def _short(name: str) -> str:
    below = _BELOW if name.endswith(_BELOW) else ""
    short = short_name(name[: len(name) - len(below)])
    if not short:
        raise InvalidNameError(f"{INBOX} always counts: {name!r}")
    return short + below


_DEFAULT = QuotaRules()
