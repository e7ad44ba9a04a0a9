"""`Maildir`: a mailbox in a directory, or one folder of it."""

from __future__ import annotations

import os

from couriermail.maildir.delivery import DeliveryResult, QuotaLedger, commit_all, prepare
from couriermail.maildir.errors import MaildirError, MaildirMissingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from couriermail.core.clock import Clock
    from couriermail.maildir.acl import Acl
    from couriermail.maildir.delivery import PreparedMessage
    from couriermail.maildir.entries import Entry
    from couriermail.maildir.keyword_store import KeywordStore
    from couriermail.maildir.listing import Listing
    from couriermail.maildir.names import MaildirKey
    from couriermail.maildir.quota import Quota, Usage
    from couriermail.maildir.quotarules import QuotaRules
    from couriermail.maildir.scanning import Snapshot
    from couriermail.maildir.watching import Watcher
    from couriermail.maildir.writing import Chunks

__all__ = ["BATCH_SIZE", "Maildir", "deliver_all"]

BATCH_SIZE = 200  # messages committed together: each is an open file until then


class Maildir:
    """A maildir or a folder of one.  Making this object touches no file.

    Attributes:
        path: the directory; a relative one is taken from the process's directory at each use.
        file_mode: permission bits of messages delivered through this object, whatever the umask.
        with_virtual_size: names of messages delivered through this object state their size with
            CRLF line ends as well (`,W=`), which saves Dovecot from reading them for it.
    """

    __slots__ = ("_clock", "file_mode", "path", "with_virtual_size")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        file_mode: int = 0o600,
        with_virtual_size: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.file_mode = file_mode
        self.with_virtual_size = with_virtual_size
        self._clock = clock

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        quota: Quota | str | None = None,
        mode: int = 0o700,
        parents: bool = False,
    ) -> Maildir:
        """Create a maildir; durable when it returns.

        Args:
            path: the new directory.
            quota: a quota, or its text such as `10000000S,1000C`.
            mode: permission bits of the directory; `tmp`, `new` and `cur` are private.
            parents: create missing parent directories as well, with mode 0700.

        Raises:
            MaildirExistsError: the path exists.
            MaildirMissingError: the parent does not.
            QuotaTextError: the quota names no limit; nothing was created.
            MaildirStorageError: the system refused.
        """
        from couriermail.maildir.create import create_maildir, create_parents

        limits = _quota(quota) if quota is not None else None
        box = cls(path)
        if parents:
            create_parents(box.path)
        create_maildir(box.path, mode=mode)
        if limits is not None:
            box.set_quota(limits)
        return box

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        file_mode: int = 0o600,
        with_virtual_size: bool = False,
    ) -> Maildir:
        """A maildir that must exist.

        Raises:
            MaildirMissingError: the path is no maildir.
        """
        box = cls(path, file_mode=file_mode, with_virtual_size=with_virtual_size)
        if not box.exists():
            raise MaildirMissingError(f"not a maildir: {box.path}", path=box.path)
        return box

    def exists(self) -> bool:
        """True when the directory has `tmp`, `new` and `cur`."""
        return all(os.path.isdir(f"{self.path}/{name}") for name in ("tmp", "new", "cur"))

    def deliver(
        self,
        chunks: Chunks,
        *,
        flags: str = "",
        keywords: Iterable[str] = (),
        when: float | None = None,
    ) -> MaildirKey:
        """Store a message; it is durable and visible when this returns.

        The data is synced before the file gets its name in `new/`, or in `cur/` when it has
        flags, and that directory is synced after.

        Args:
            chunks: the message: bytes, a list or other iterable of bytes (written one after
                the other, not joined), or a binary file.
            flags: letters of `DFPRST`.
            keywords: stored before the message becomes visible.
            when: time of arrival in seconds since the epoch; now when None.

        Raises:
            QuotaExceeded: the message does not fit; temporary.
            MaildirMissingError: there is no maildir.
            InvalidNameError: flags or keywords that cannot be stored.
            MaildirStorageError: the system refused; `is_full` tells lack of space.
        """
        return self.prepare(chunks, flags=flags, keywords=keywords, when=when).commit()

    def deliver_batch(self, messages: Iterable[Chunks]) -> list[DeliveryResult]:
        """Store many messages with few syncs; see `couriermail.maildir.delivery`.

        Returns:
            One result per message, in order.  One that fails does not concern the others.
        """
        return deliver_all((self, chunks) for chunks in messages)

    def prepare(
        self,
        chunks: Chunks,
        *,
        flags: str = "",
        keywords: Iterable[str] = (),
        when: float | None = None,
        ledger: QuotaLedger | None = None,
        unique: str | None = None,
    ) -> PreparedMessage:
        """Write a message to `tmp/` and let the caller decide when to commit it.

        Args:
            chunks: see `deliver`.
            flags: see `deliver`.
            keywords: see `deliver`.
            when: see `deliver`.
            ledger: one object for all messages that are committed together, so that they
                cannot pass a quota together.
            unique: see `couriermail.maildir.delivery.prepare`.

        Raises:
            MaildirError: see `deliver`.
        """
        return prepare(
            self.path,
            chunks,
            ledger=ledger or QuotaLedger(self._clock),
            flags=flags,
            keywords=keywords,
            when=self._clock.now() if when is None and self._clock is not None else when,
            mode=self.file_mode,
            unique=unique,
            with_virtual_size=self.with_virtual_size,
        )

    def folder(self, name: str) -> Maildir:
        """A folder by its name: `Sent`, `INBOX.Sent`, or `INBOX` for the maildir itself.

        Raises:
            InvalidNameError: the name could reach another directory, or has an empty part.
        """
        from couriermail.maildir.folders import folder_directory

        return self._at(folder_directory(self.path, name))

    def folders(self) -> Iterator[str]:
        """The names of the folders, sorted, without the maildir itself.

        Raises:
            MaildirError: the maildir cannot be read.
        """
        from couriermail.maildir.folders import iter_folders

        return iter_folders(self.path)

    def create_folder(self, name: str) -> Maildir:
        """Create a folder; durable when it returns.

        Raises:
            InvalidNameError: the name cannot be a folder's.
            MaildirExistsError: the folder exists.
            MaildirMissingError: the maildir does not.
            MaildirStorageError: the system refused.
        """
        from couriermail.maildir.create import create_folder

        return self._at(create_folder(self.path, name))

    def rename_folder(self, old: str, new: str) -> list[tuple[str, str]]:
        """Rename a folder and those below it, and count the quota again.

        Returns:
            Old and new name of each folder renamed.

        Raises:
            InvalidNameError: a bad name, or the new one is the old one or below it.
            MaildirMissingError: there is no such folder.
            MaildirExistsError: a folder of a new name exists; nothing was renamed.
            MaildirStorageError: the system refused; what was done is undone.
        """
        from couriermail.maildir.hierarchy import rename_folders

        pairs = rename_folders(self.path, old, new)
        self._recount()
        return pairs

    def remove_folder(self, name: str, *, subfolders: bool = False) -> list[str]:
        """Remove a folder with its messages, and count the quota again.

        Args:
            name: the folder.
            subfolders: remove the folders below it as well.

        Returns:
            The names of the folders removed.

        Raises:
            InvalidNameError: a bad name, or the maildir itself.
            MaildirMissingError: there is no such folder.
            MaildirStorageError: the system refused.
        """
        from couriermail.maildir.hierarchy import remove_folders

        names = remove_folders(self.path, name, subfolders=subfolders)
        self._recount()
        return names

    def watch(self) -> Watcher:
        """Tell when this maildir or folder changes; see `couriermail.maildir.watching`.

        Raises:
            MaildirMissingError: it is no maildir.
            MaildirStorageError: it cannot be looked at.
        """
        from couriermail.maildir.watching import watch

        return watch(self.path)

    def __iter__(self) -> Iterator[Entry]:
        """The messages, from their names alone."""
        from couriermail.maildir.entries import iter_entries

        return iter_entries(self.path)

    def scan(self) -> Snapshot:
        """The messages at this moment by key, each once, whatever others rename meanwhile.

        Raises:
            MaildirError: the maildir cannot be read.
        """
        from couriermail.maildir.scanning import scan

        return scan(self.path)

    def listing(self) -> Listing:
        """All messages as columns of names, keys, flags and sizes: the fast way for large folders.

        Raises:
            MaildirError: the maildir cannot be read.
        """
        from couriermail.maildir.listing import list_messages

        return list_messages(self.path)

    def entry(self, key: str) -> Entry:
        """The message with this key.

        Raises:
            MaildirMissingError: there is none.
        """
        from couriermail.maildir.scanning import find_entry

        return find_entry(self.path, key)

    def open_message(self, key: str) -> BinaryIO:
        """Open the message with this key for reading.

        Raises:
            MaildirMissingError: there is none.
        """
        from couriermail.maildir.scanning import open_current

        return open_current(self.path, key)

    def set_flags(self, key: str, flags: str) -> Entry:
        """Give a message exactly these flags; see `couriermail.maildir.changes.set_flags`.

        Raises:
            MaildirError: see there.
        """
        from couriermail.maildir.changes import set_flags

        return set_flags(self.path, key, flags, clock=self._clock)

    def move(self, key: str, target: Maildir, *, flags: str | None = None) -> Entry:
        """Move a message to another folder; see `couriermail.maildir.changes.move`.

        Raises:
            MaildirError: see there.
        """
        from couriermail.maildir.changes import move

        return move(self.path, key, target.path, flags=flags, clock=self._clock)

    def expunge(self, key: str) -> None:
        """Remove a message for good; see `couriermail.maildir.changes.expunge`.

        Raises:
            MaildirError: see there.
        """
        from couriermail.maildir.changes import expunge

        expunge(self.path, key, clock=self._clock)

    @property
    def quota(self) -> Quota | None:
        """The quota that applies here, or None."""
        from couriermail.maildir.folders import owner_of
        from couriermail.maildir.maildirsize import read_size_file

        file = read_size_file(owner_of(self.path))
        return file.quota if file is not None and file.quota.is_limited else None

    @property
    def usage(self) -> Usage | None:
        """What the quota file says is used, or None where there is no quota."""
        from couriermail.maildir.folders import owner_of
        from couriermail.maildir.maildirsize import read_size_file

        file = read_size_file(owner_of(self.path))
        return None if file is None else file.usage

    def set_quota(self, quota: Quota | str) -> None:
        """Install or replace the quota and count what is there.

        Raises:
            QuotaTextError: it names no limit.
            MaildirError: the maildir cannot be read or written.
        """
        from couriermail.maildir.folders import owner_of
        from couriermail.maildir.maildirsize import set_quota

        set_quota(owner_of(self.path), _quota(quota))

    @property
    def quota_rules(self) -> QuotaRules:
        """Which folders count against the quota; see `couriermail.maildir.quotarules`.

        Raises:
            MaildirStorageError: they cannot be read.
        """
        from couriermail.maildir.folders import owner_of
        from couriermail.maildir.quotarules import read_quota_rules

        return read_quota_rules(owner_of(self.path))

    def set_quota_rules(self, rules: QuotaRules) -> None:
        """Say which folders count against the quota, and count what is there.

        Raises:
            MaildirError: the maildir cannot be read or written.
        """
        from couriermail.maildir.folders import owner_of
        from couriermail.maildir.quotarules import store_quota_rules

        store_quota_rules(owner_of(self.path), rules)
        self._recount()

    def warn_if_full(self, template: bytes, *, percent: int) -> MaildirKey | None:
        """Deliver a warning to the maildir when its quota is that full, at most once a day.

        Args:
            template: a message; the headers Date and Message-Id are put before it.
            percent: warn from this share of the quota on.

        Returns:
            The key of the warning; None when there was no need.

        Raises:
            MaildirError: it could not be delivered.
        """
        from couriermail.maildir.quota_warning import warn_if_full

        return warn_if_full(
            self.path, template, percent=percent, mode=self.file_mode, clock=self._clock
        )

    @property
    def keywords(self) -> KeywordStore:
        """The keywords of the messages here: `box.keywords.set(key, ["todo"])`."""
        from couriermail.maildir.keyword_store import KeywordStore

        return KeywordStore(self.path, clock=self._clock)

    def acl(self, folder: str = "INBOX") -> Acl:
        """The access control list that counts for a folder of this maildir.

        Raises:
            MaildirError: see `couriermail.maildir.AclStore.read`.
        """
        from couriermail.maildir.acl_store import AclStore

        return AclStore(self.path, clock=self._clock).read(folder)

    def set_acl(self, folder: str, acl: Acl, *, owner: str | None = None) -> None:
        """Store a folder's access control list; durable when it returns.

        Raises:
            AclMinimumError: somebody would be locked out; nothing was changed.
            MaildirError: see `couriermail.maildir.AclStore.write`.
        """
        from couriermail.maildir.acl_store import AclStore

        AclStore(self.path, clock=self._clock).write(folder, acl, owner=owner)

    def _at(self, path: str) -> Maildir:
        """Another directory, with the settings of this one."""
        return Maildir(
            path,
            file_mode=self.file_mode,
            with_virtual_size=self.with_virtual_size,
            clock=self._clock,
        )

    def _recount(self) -> None:
        if (quota := self.quota) is not None:
            self.set_quota(quota)

    def __repr__(self) -> str:
        return f"Maildir({self.path!r})"


def deliver_all(deliveries: Iterable[tuple[Maildir, Chunks]]) -> list[DeliveryResult]:
    """Store messages in any maildirs with few syncs; those reported with a key are durable.

    Returns:
        One result per message, in order.  One that fails does not concern the others.
    """
    results: list[DeliveryResult] = []
    batch: list[tuple[Maildir, Chunks]] = []
    for delivery in deliveries:
        batch.append(delivery)
        if len(batch) == BATCH_SIZE:
            results += _deliver_batch(batch)
            batch = []
    return results + _deliver_batch(batch)


def _deliver_batch(batch: list[tuple[Maildir, Chunks]]) -> list[DeliveryResult]:
    ledger = QuotaLedger(batch[0][0]._clock if batch else None)
    prepared: list[PreparedMessage] = []
    failed: dict[int, DeliveryResult] = {}
    try:
        for number, (box, chunks) in enumerate(batch):
            try:
                prepared.append(box.prepare(chunks, ledger=ledger))
            except MaildirError as error:
                failed[number] = DeliveryResult(None, error)
        committed = iter(commit_all(prepared))
    except BaseException:
        for message in prepared:
            message.abort()
        raise
    return [failed.get(number) or next(committed) for number in range(len(batch))]


def _quota(quota: Quota | str) -> Quota:
    from couriermail.maildir.quota import Quota as Limits

    return Limits.parse(quota) if isinstance(quota, str) else quota
