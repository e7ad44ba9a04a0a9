"""Delivery of messages: prepared in `tmp/`, then made durable and visible.

Theory of operation.  A delivery has two steps, and the slow part belongs to the second:

1. `prepare` writes the message to `tmp/`, without waiting for the disk;
2. `commit_all` makes any number of prepared messages durable and visible together: it forces
   their data to the disk, renames each into `new/` or `cur/`, and forces the directories.

A small group is synced file by file (`fdatasync`, after asking for the writing of all of them
to begin, so that they share journal commits).  From `SHARED_FROM` files on, one `syncfs`
serves them all: one journal commit and one flush of the disk's cache in place of one flush per
file.  Where `syncfs` is missing, or reports an error, every file is synced by itself after all,
which also finds the one that failed.  Directories are treated alike.

What is promised: when `commit` or `commit_all` reports a key, that message and its name
survive a crash of the machine.  A message is in `new/` or `cur/` completely or not at all;
a crash leaves nothing but a file in `tmp/`, which readers ignore.  Messages fail one by one.

Fault points: `maildir.tmp-written`, `maildir.before-rename`, `maildir.after-rename` (each
once per message) and `maildir.after-directory-sync` (once per directory).
"""

from __future__ import annotations

import itertools
import os
import time

from couriermail.core.faults import reach
from couriermail.maildir.errors import MaildirError, maildir_error
from couriermail.maildir.names import (
    TMP,
    MaildirKey,
    current_name,
    escape_host,
    key_of,
    new_name,
    sorted_flags,
    tmp_name,
)
from couriermail.maildir.replacing import unlink_quietly
from couriermail.maildir.syncing import SHARED_FROM, sync_directory_entry, sync_file_system
from couriermail.maildir.virtualsize import VirtualSize
from couriermail.maildir.writing import message_size, write_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from couriermail.core.clock import Clock
    from couriermail.maildir.maildirsize import QuotaAccount
    from couriermail.maildir.writing import Chunks

__all__ = ["DeliveryResult", "PreparedMessage", "QuotaLedger", "commit_all", "prepare"]

_counter = itertools.count(1)  # tells the messages of one process apart (spec maildir 3.2)


class DeliveryResult:
    """What became of one message of a batch: a key, or the error that kept it out.

    Attributes:
        key: the message's key; it is durable.  None when it failed.
        error: why it failed, or None.
    """

    __slots__ = ("error", "key")

    def __init__(self, key: MaildirKey | None, error: MaildirError | None = None) -> None:
        self.key = key
        self.error = error

    def unwrap(self) -> MaildirKey:
        """The key.

        Raises:
            MaildirError: the message failed.
        """
        if self.key is None:
            raise self.error or MaildirError("not delivered")
        return self.key

    def __repr__(self) -> str:
        return f"DeliveryResult(key={self.key!r}, error={self.error!r})"


class QuotaLedger:
    """The quota accounts of one batch, so that its messages cannot pass a limit together."""

    __slots__ = ("_accounts", "_clock")

    def __init__(self, clock: Clock | None = None) -> None:
        self._accounts: dict[str, QuotaAccount | None] = {}
        self._clock = clock

    def account(self, directory: str) -> QuotaAccount | None:
        """The account that mail in `directory` is charged to; None where there is no quota."""
        if directory not in self._accounts:
            self._accounts[directory] = _open_account(directory, self._clock, self._accounts)
        return self._accounts[directory]


class PreparedMessage:
    """A complete message in `tmp/` that nobody sees until it is committed.

    As a context manager it is aborted on exit unless it was committed.

    Attributes:
        key: the key that it will have.
        size: octets.
        name: the file name that it will have.
        descriptor: the open file; -1 after a commit or an abort.
        device: number of the file system that it is on.
    """

    __slots__ = (
        "_account",
        "_directory",
        "_keywords",
        "_tmp",
        "descriptor",
        "device",
        "key",
        "name",
        "size",
    )

    def __init__(
        self,
        directory: str,
        tmp: str,
        name: str,
        *,
        descriptor: int,
        device: int,
        size: int,
        account: QuotaAccount | None,
    ) -> None:
        self.key = key_of(name)
        self.name = name
        self.size = size
        self._directory = directory
        self._tmp = tmp
        self.descriptor = descriptor
        self.device = device
        self._account = account
        self._keywords = ""

    @property
    def path(self) -> str:
        """Where the message will be: in `cur/` when it has flags, else in `new/`."""
        return f"{self.destination}/{self.name}"

    @property
    def destination(self) -> str:
        """The directory that the message goes to."""
        return f"{self._directory}/{'cur' if ':' in self.name else 'new'}"

    @property
    def is_open(self) -> bool:
        """True until it is committed or aborted."""
        return self.descriptor >= 0

    def commit(self) -> MaildirKey:
        """Make the message durable and visible.

        Raises:
            MaildirError: it is neither; the file in `tmp/` is gone.
        """
        return commit_all([self])[0].unwrap()

    def abort(self) -> None:
        """Remove the file; does nothing after a commit or another abort."""
        if self.descriptor < 0:
            return
        self._close()
        unlink_quietly(self._tmp)
        self._forget_keywords()
        if self._account is not None:
            self._account.withdraw(self.size)

    def __enter__(self) -> PreparedMessage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def store_keywords(self, keywords: Iterable[str]) -> None:
        """Give the message keywords; they are stored before it becomes visible."""
        from couriermail.maildir.keywords import store_new_keywords

        self._keywords = store_new_keywords(self._directory, self.key, keywords)

    def start_writing(self) -> None:
        """Ask the system to begin writing the data out, without waiting for it."""
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Force the data to the disk."""
        os.fdatasync(self.descriptor)

    def publish(self) -> None:
        """Give the file its name in `new/` or `cur/`."""
        # A rename, where Courier links and unlinks: one step instead of two that a crash can
        # part.  It cannot replace another message, for the name holds this file's inode.
        os.rename(self._tmp, self.path)

    def finish(self) -> None:
        """Close the file of a message that is durable now, and charge it to the quota."""
        self._close()
        if self._account is None:
            return
        try:
            self._account.record(self.size)
        except MaildirError as error:
            import logging  # 13 ms that a command which delivers one message need not pay

            log = logging.getLogger("couriermail.maildir")
            log.warning("quota not recorded, the next recount will: %s", error)

    def retract(self) -> None:
        """Take back a message whose name was not made durable, so that it is not sent twice."""
        unlink_quietly(self.path)
        self.abort()

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)

    def _forget_keywords(self) -> None:
        if self._keywords:
            unlink_quietly(self._keywords)


def prepare(
    directory: str,
    chunks: Chunks,
    *,
    ledger: QuotaLedger | None,
    flags: str = "",
    keywords: Iterable[str] = (),
    when: float | None = None,
    mode: int = 0o600,
    unique: str | None = None,
    with_virtual_size: bool = False,
) -> PreparedMessage:
    """Write a message to `tmp/`, ready to be committed.

    Args:
        directory: the maildir or folder.
        chunks: the message; its parts are written one after the other and not joined.
        ledger: quota accounts; one ledger for all messages that are committed together.
            None delivers whatever the quota says, and records nothing.
        flags: letters; a message with flags goes to `cur/`.
        keywords: stored for the message before it becomes visible.
        when: time of arrival, for the name and the file's times; now when None.
        mode: permission bits of the file, whatever the umask.
        unique: tells the message apart from others that this process delivers at the same
            moment; a running number when None.
        with_virtual_size: state the size with CRLF line ends in the name as well, for Dovecot
            (`,W=`); it is counted while the message is written.

    Raises:
        QuotaExceeded: the message does not fit.
        MaildirMissingError: there is no maildir.
        InvalidNameError: flags or keywords that cannot be stored.
        MaildirStorageError: the system refused.
    """
    flags = sorted_flags(flags)
    account = None if ledger is None else ledger.account(directory)
    if account is not None and not account.rules.counts_message(f":2,{flags}"):
        account = None
    known = message_size(chunks)
    if account is not None and known is not None:
        account.admit(known)
    unique = str(next(_counter)) if unique is None else unique
    try:
        prepared = _write(
            directory,
            chunks,
            flags=flags,
            when=when,
            mode=mode,
            account=account,
            unique=unique,
            virtual=VirtualSize() if with_virtual_size else None,
        )
    except BaseException:
        if account is not None and known is not None:
            account.withdraw(known)
        raise
    return _finish_preparing(prepared, account if known is None else None, keywords)


def commit_all(prepared: Sequence[PreparedMessage]) -> list[DeliveryResult]:
    """Make prepared messages durable and visible, sharing the syncs; see the module's text.

    Args:
        prepared: messages for any maildirs, at most as many as the process may have open files.

    Returns:
        One result per message, in order.  Where one failed, nothing of it is left.
    """
    errors: dict[int, MaildirError] = {}
    try:
        _sync_data(prepared, errors)
        _publish(prepared, errors)
        _sync_directories(prepared, errors)
    except BaseException:
        for message in prepared:
            message.abort()
        raise
    for number, message in enumerate(prepared):
        if number not in errors:
            message.finish()
    return [
        DeliveryResult(None if number in errors else message.key, errors.get(number))
        for number, message in enumerate(prepared)
    ]


def _sync_data(prepared: Sequence[PreparedMessage], errors: dict[int, MaildirError]) -> None:
    if _are_synced_together(prepared):
        return
    if len(prepared) > 1:
        for message in prepared:
            message.start_writing()
    for number, message in enumerate(prepared):
        try:
            message.sync()
        except OSError as error:
            errors[number] = maildir_error(error, "cannot sync", message.path)
            message.abort()


def _are_synced_together(prepared: Sequence[PreparedMessage]) -> bool:
    if len(prepared) < SHARED_FROM:
        return False
    first_on: dict[int, PreparedMessage] = {}
    for message in prepared:
        first_on.setdefault(message.device, message)
    # The first file of each file system: it was opened before the others were written.
    return all(sync_file_system(message.descriptor) for message in first_on.values())


def _publish(prepared: Sequence[PreparedMessage], errors: dict[int, MaildirError]) -> None:
    for number, message in enumerate(prepared):
        if number not in errors:
            try:
                reach("maildir.before-rename")
                message.publish()
            except OSError as error:
                errors[number] = maildir_error(error, "cannot deliver", message.path)
                message.abort()


def _sync_directories(prepared: Sequence[PreparedMessage], errors: dict[int, MaildirError]) -> None:
    waiting: dict[str, list[int]] = {}
    for number, message in enumerate(prepared):
        if number not in errors:
            waiting.setdefault(message.destination, []).append(number)
    published = [prepared[number] for numbers in waiting.values() for number in numbers]
    is_synced = len(waiting) >= SHARED_FROM and _are_synced_together(published)
    for directory, numbers in waiting.items():
        try:
            for _ in numbers:
                reach("maildir.after-rename")
            if not is_synced:
                sync_directory_entry(directory)
            reach("maildir.after-directory-sync")
        except OSError as error:
            for number in numbers:
                errors[number] = maildir_error(error, "cannot sync", directory)
                prepared[number].retract()


def _write(
    directory: str,
    chunks: Chunks,
    *,
    flags: str,
    when: float | None,
    mode: int,
    account: QuotaAccount | None,
    unique: str,
    virtual: VirtualSize | None,
) -> PreparedMessage:
    now = time.time() if when is None else when
    pid, host = os.getpid(), escape_host(os.uname().nodename)
    tmp = f"{directory}/{TMP}/{tmp_name(now, pid, unique, host)}"
    try:
        descriptor = os.open(
            tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode
        )
    except OSError as error:
        raise maildir_error(error, "cannot create", tmp) from error
    try:
        if mode & 0o077:  # umasks hardly ever touch the owner's bits
            os.fchmod(descriptor, mode)
        size = write_message(descriptor, chunks, virtual)
        if when is not None:
            os.utime(descriptor, (when, when))
        reach("maildir.tmp-written")
        facts = os.fstat(descriptor)
    except BaseException as error:
        os.close(descriptor)
        unlink_quietly(tmp)
        if isinstance(error, OSError):
            raise maildir_error(error, "cannot write", tmp) from error
        raise
    name = new_name(
        now,
        pid,
        unique,
        host,
        device=facts.st_dev,
        inode=facts.st_ino,
        size=size,
        virtual_size=None if virtual is None else virtual.octets,
    )
    if flags:
        name = current_name(name, flags)
    return PreparedMessage(
        directory, tmp, name, descriptor=descriptor, device=facts.st_dev, size=size, account=account
    )


def _finish_preparing(
    prepared: PreparedMessage, uncharged: QuotaAccount | None, keywords: Iterable[str]
) -> PreparedMessage:
    try:
        if uncharged is not None:
            uncharged.admit(prepared.size)
        if keywords:
            prepared.store_keywords(keywords)
    except BaseException:
        prepared.abort()
        raise
    return prepared


def _open_account(
    directory: str, clock: Clock | None, accounts: dict[str, QuotaAccount | None]
) -> QuotaAccount | None:
    from couriermail.maildir.maildirsize import QuotaAccount

    account = QuotaAccount.open(directory, clock)
    if account is None:
        return None
    for other in accounts.values():
        if other is not None and other.owner == account.owner:
            return other
    return account
