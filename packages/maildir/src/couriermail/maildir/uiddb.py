"""The numbers by which IMAP knows messages: `courierimapuiddb` (spec maildir 3.7, 4.8).

    1 UIDVALIDITY NEXTUID
    UID BASENAME
    ...

A message keeps its number as long as its base name is in the folder.  Numbers only grow; when
the file is lost, a new UIDVALIDITY tells clients that all numbers are void.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress

import attrs

from couriermail.maildir.changes import expunge
from couriermail.maildir.delivery import commit_all
from couriermail.maildir.entries import Entry
from couriermail.maildir.errors import MaildirError, MaildirMissingError
from couriermail.maildir.maintenance import accept_new, purge_tmp
from couriermail.maildir.names import MaildirKey, arrival_order
from couriermail.maildir.replacing import unlink_quietly
from couriermail.maildir.scanning import scan
from couriermail.maildir.textfiles import read_text_file, store_text_file, taking_turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from couriermail.maildir.delivery import PreparedMessage

__all__ = [
    "UID_FILE",
    "NumberedFolder",
    "NumberedMessage",
    "UidDatabase",
    "number_messages",
    "read_uid_database",
]

UID_FILE = "courierimapuiddb"
UID_EPOCH = 1_000_000_000  # seconds; keeps UIDVALIDITY below 2**31 until 2069
MAX_UID = 2**32 - 1  # RFC 3501 2.3.1.1

_log = logging.getLogger("couriermail.maildir")


@attrs.frozen(kw_only=True)
class UidDatabase:
    """What the file says.

    Attributes:
        uidvalidity: changes when all numbers become void.
        next_uid: the number that the next new message gets.
        uids: the numbers by message.
    """

    uidvalidity: int
    next_uid: int = 1
    uids: Mapping[MaildirKey, int] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> UidDatabase | None:
        """Read the file; None when its first line is not one of this version.

        Lines that are not understood are passed over; so is a number that came before, or
        that `next_uid` says was never given.
        """
        header, *lines = data.decode("utf-8", "surrogateescape").split("\n")
        words = header.split()
        if words[:1] != ["1"] or len(words) != 3 or not all(map(_is_number, words)):
            return None
        uidvalidity, next_uid = map(int, words[1:])
        uids: dict[MaildirKey, int] = {}
        last = 0
        for line in lines:
            digits, _, name = line.partition(" ")
            if name and _is_number(digits) and last < int(digits) < next_uid:
                last = int(digits)
                uids[MaildirKey(name)] = last
        return cls(uidvalidity=uidvalidity, next_uid=next_uid, uids=uids)

    def to_bytes(self) -> bytes:
        """The file's text, numbers ascending."""
        lines = [f"1 {self.uidvalidity} {self.next_uid}\n"]
        lines += (f"{uid} {key}\n" for key, uid in sorted(self.uids.items(), key=_by_uid))
        return "".join(lines).encode("utf-8", "surrogateescape")

    def updated(
        self, keys: Iterable[MaildirKey], *, appended: Sequence[MaildirKey] = ()
    ) -> UidDatabase:
        """The database of a folder that holds exactly these messages.

        Messages that are known keep their numbers; new ones get the next, in the order of
        their names; those that are gone go.

        Args:
            keys: all messages of the folder.
            appended: those that get their numbers last, in this order.
        """
        present = set(keys)
        uids = {key: uid for key, uid in self.uids.items() if key in present}
        next_uid = self.next_uid
        last = [key for key in appended if key in present and key not in uids]
        others = present.difference(uids, last)
        for key in [*sorted(others, key=arrival_order), *last]:
            uids[key] = next_uid
            next_uid += 1
        return UidDatabase(uidvalidity=self.uidvalidity, next_uid=next_uid, uids=uids)


@attrs.frozen(kw_only=True)
class NumberedMessage:
    """A message and its number.

    Attributes:
        uid: the number.
        entry: the message.
    """

    uid: int
    entry: Entry


@attrs.frozen(kw_only=True)
class NumberedFolder:
    """The messages of a folder with their numbers.

    Attributes:
        uidvalidity: see `UidDatabase`.
        next_uid: the number that the next message will get, messages left in `new` counted.
        messages: those in `cur`, numbers ascending.
        waiting: how many messages were left in `new`.
    """

    uidvalidity: int
    next_uid: int
    messages: tuple[NumberedMessage, ...]
    waiting: int = 0


def read_uid_database(directory: str) -> UidDatabase | None:
    """The numbers that a folder's file gives, or None without a file that can be used.

    Raises:
        MaildirStorageError: the file cannot be read.
    """
    data = read_text_file(f"{directory}/{UID_FILE}")
    return None if data is None else UidDatabase.parse(data)


def number_messages(
    directory: str | os.PathLike[str],
    *,
    read_only: bool = False,
    leave_new: bool = False,
    append: Sequence[PreparedMessage] = (),
    now: float | None = None,
) -> NumberedFolder:
    """Scan a folder and give every message its number.

    Old files in `tmp` go and new mail moves to `cur` first.  The file is written only when
    something changed; if that fails the numbers hold for this scan, the old file is removed,
    because it would give them to other messages later, and the failure is logged.

    Args:
        directory: a maildir or folder.
        read_only: write nothing; a folder without a file gets a UIDVALIDITY of this moment.
        leave_new: leave new mail where it is and only count it.
        append: prepared messages of this folder to commit now, all or none of them; they get
            the numbers after all others, in this order (APPEND and COPY of IMAP servers).
        now: seconds since the epoch; the system's clock when None.

    Raises:
        ValueError: `append` together with `read_only` or `leave_new`.
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read.
        MaildirError: a message of `append` could not be stored; none of them was.
    """
    path = os.fspath(directory)
    moment = time.time() if now is None else now
    if append and (read_only or leave_new):
        raise ValueError("messages are appended to a folder that may be changed")
    if read_only:
        return _numbered(path, moment, read_only=True)
    with taking_turns(path):
        purge_tmp(path, now=now)
        if not leave_new:
            accept_new(path)
        if append:
            _commit_all_or_none(path, append)
            accept_new(path)
        appended = [message.key for message in append]
        return _numbered(path, moment, appended=appended)


def _numbered(
    path: str, now: float, *, read_only: bool = False, appended: Sequence[MaildirKey] = ()
) -> NumberedFolder:
    snapshot = scan(path)
    known = read_uid_database(path)
    base = known or UidDatabase(uidvalidity=max(1, int(now) - UID_EPOCH))
    entries = {key: snapshot[key] for key in snapshot if _is_storable(key)}
    waiting = sum(entry.is_new for entry in entries.values())
    current = [key for key, entry in entries.items() if not entry.is_new]
    numbered = base.updated(current, appended=appended)
    if numbered != known and not read_only:
        _save(path, numbered)
    return NumberedFolder(
        uidvalidity=numbered.uidvalidity,
        next_uid=numbered.next_uid + waiting,
        messages=tuple(
            NumberedMessage(uid=uid, entry=entries[key])
            for key, uid in sorted(numbered.uids.items(), key=_by_uid)
        ),
        waiting=waiting,
    )


def _commit_all_or_none(directory: str, messages: Sequence[PreparedMessage]) -> None:
    results = commit_all(messages)
    errors = [result.error for result in results if result.error is not None]
    if errors:
        for result in results:
            if result.key is not None:
                with suppress(MaildirMissingError):  # somebody else removed it
                    expunge(directory, result.key)  # and its charge to the quota
        raise errors[0]


def _save(directory: str, database: UidDatabase) -> None:
    path = f"{directory}/{UID_FILE}"
    try:
        store_text_file(directory, path, database.to_bytes(), unique="sync")
    except MaildirError as error:
        _log.error("ERR: Failed to create cache file: %s: %s", path, error.reason)
        unlink_quietly(path)  # what cannot be removed could not be replaced either


def _is_storable(key: str) -> bool:
    return "\n" not in key  # a line of the file holds one name


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) <= MAX_UID


def _by_uid(item: tuple[MaildirKey, int]) -> int:
    return item[1]
