"""All the locks that programs put on an mbox file, taken together (spec maildir 4.15).

1. the lock file of the c-client library (pine, UW imapd): `/tmp/.DEVICE.INODE`, hexadecimal;
2. the dot-lock `MAILBOX.lock`;
3. the lock on the file itself.

They are taken in this order and given back in the opposite one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from couriermail.core.durable import write_all
from couriermail.maildir.errors import maildir_error
from couriermail.maildir.locks import (
    AwaitedLock,
    DotLock,
    LockPolicy,
    claim_path,
    names_dead_process,
    unclaim_path,
)

__all__ = ["ClientLock", "MailboxLock"]

_EMPTY_LIFETIME = 300  # seconds; whoever made an empty lock file has died before it wrote
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})


class ClientLock:
    """The c-client library's lock file for one mailbox.

    Attributes:
        path: the lock file; it depends on the mailbox's device and inode.
    """

    __slots__ = ("_descriptor", "path")

    def __init__(self, mailbox: str, *, directory: str = "/tmp") -> None:
        """Name the lock; nothing is taken yet.

        Raises:
            MaildirError: there is no such mailbox.
        """
        try:
            facts = os.stat(mailbox)
        except OSError as error:
            raise maildir_error(error, "cannot lock", mailbox) from error
        self.path = f"{directory}/.{facts.st_dev:x}.{facts.st_ino:x}"
        self._descriptor = -1

    def try_acquire(self) -> bool:
        """Take the lock if it is free, and remove it if its holder is dead.

        Returns:
            False when somebody holds it, or held it until this call removed what was left.

        Raises:
            MaildirError: the system refused.
        """
        if not claim_path(self.path):
            return False
        try:
            self._descriptor = self._create()
        finally:
            if self._descriptor < 0:
                unclaim_path(self.path)
        return self._descriptor >= 0

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._descriptor < 0:
            return
        try:
            os.ftruncate(self._descriptor, 0)  # a waiting program must not read a stale holder
            if _is_same_file(self._descriptor, self.path):
                os.unlink(self.path)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            unclaim_path(self.path)

    def _create(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o644)
        except FileExistsError:
            self._remove_stale()
            return -1
        except OSError as error:
            raise maildir_error(error, "cannot lock", self.path) from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_all(descriptor, f"{os.getpid()}:{os.uname().nodename}".encode())
        except OSError as error:
            os.close(descriptor)
            os.unlink(self.path)
            if error.errno in _BUSY:
                return -1
            raise maildir_error(error, "cannot lock", self.path) from error
        return descriptor

    def _remove_stale(self) -> None:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags)
        except OSError:
            return  # gone, a link, or another user's: not ours to judge
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            holder = os.read(descriptor, 512).decode("utf-8", "replace")
            is_old = os.fstat(descriptor).st_mtime + _EMPTY_LIFETIME < time.time()
            if names_dead_process(holder) or (not holder and is_old):
                os.unlink(self.path)
        except OSError:
            pass  # locked: its holder lives
        finally:
            os.close(descriptor)


class MailboxLock(AwaitedLock):
    """The three locks of an mbox file; a context manager.

    Attributes:
        mailbox: the file; it is created, empty and private, when missing.
        is_shared: True when only a lock for reading could be had on the file itself.
    """

    __slots__ = ("_client", "_descriptor", "_dot", "_may_share", "_policy", "is_shared", "mailbox")

    def __init__(
        self,
        mailbox: str | os.PathLike[str],
        policy: LockPolicy | None = None,
        *,
        may_share: bool = False,
        client_directory: str = "/tmp",
    ) -> None:
        """Describe the locks and create the mailbox if it is missing.

        Args:
            mailbox: the file.
            policy: how long to try.
            may_share: be content with a lock for reading where none for writing can be had.
            client_directory: where the c-client library puts its lock files.

        Raises:
            MaildirError: the mailbox cannot be created or looked at.
        """
        self.mailbox = os.fspath(mailbox)
        self.is_shared = False
        self._policy = policy or LockPolicy()
        self._may_share = may_share
        self._descriptor = -1
        _create_missing(self.mailbox)
        self._client = ClientLock(self.mailbox, directory=client_directory)
        self._dot = DotLock(self.mailbox, self._policy)

    def try_acquire(self) -> bool:
        """Take all three, or none of them.

        Returns:
            False when somebody holds one of them.

        Raises:
            MaildirError: the system refused.
        """
        is_held = False
        try:
            is_held = self._client.try_acquire() and self._dot.try_acquire() and self._lock_file()
        finally:
            if not is_held:
                self.release()
        return is_held

    def release(self) -> None:
        """Give back what is held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._dot.release()
        self._client.release()

    def __str__(self) -> str:
        return self.mailbox

    def _lock_file(self) -> bool:
        if self._lock_for(os.O_RDWR, fcntl.LOCK_EX, is_last=not self._may_share):
            return True
        self.is_shared = self._may_share and self._lock_for(
            os.O_RDONLY, fcntl.LOCK_SH, is_last=True
        )
        return self.is_shared

    def _lock_for(self, flags: int, kind: int, *, is_last: bool) -> bool:
        descriptor = -1
        try:
            descriptor = os.open(self.mailbox, flags | os.O_CLOEXEC)
            fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            is_busy = descriptor >= 0 and error.errno in _BUSY
            if descriptor >= 0:
                os.close(descriptor)
            if is_busy or not is_last:
                return False
            raise maildir_error(error, "cannot lock", self.mailbox) from error
        self._descriptor = descriptor
        return True


def _create_missing(path: str) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise maildir_error(error, "cannot create", path) from error


def _is_same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False
