"""Locks on mbox files: the dot-lock beside the file and the lock on the file itself.

Other programs take one or the other or both, so a delivery takes both (spec maildir 4.15).
Threads of one process count as different holders, which the system's own file locks do not
promise; a table of the paths that this process holds makes up for that.
"""

from __future__ import annotations

import _thread
import errno
import os
import time

from couriermail.core.durable import create_exclusive, write_all
from couriermail.maildir.errors import MaildirLockedError, maildir_error
from couriermail.maildir.names import escape_host
from couriermail.maildir.replacing import unlink_quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = [
    "AwaitedLock",
    "DotLock",
    "LockPolicy",
    "claim_path",
    "folder_lock",
    "names_dead_process",
    "try_lock_file",
    "unclaim_path",
]

FOLDER_LOCK_SECONDS = 120.0  # age at which a folder's lock counts as left behind

_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

# Real paths of the dot-locks that threads of a process hold; the number keeps what a forked
# child inherits apart from what it holds.
_held: set[tuple[int, str]] = set()
_held_guard = _thread.allocate_lock()


class LockPolicy:
    """How long to try for a lock, and how.

    Attributes:
        extension: what follows the mailbox's name in that of its dot-lock.
        retry_after: seconds between attempts.
        patience: seconds after which to give up; the first attempt is always made.
        stale_after: age in seconds from which a dot-lock whose holder cannot be asked counts
            as left behind; 0 for never.
        pause: waits that many seconds between attempts.
    """

    __slots__ = ("extension", "patience", "pause", "retry_after", "stale_after")

    def __init__(
        self,
        *,
        extension: str = ".lock",
        retry_after: float = 5.0,
        patience: float = 300.0,
        stale_after: float = 300.0,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.extension = extension
        self.retry_after = retry_after
        self.patience = patience
        self.stale_after = stale_after
        self.pause = pause

    def wait_until(self, attempt: Callable[[], bool], path: str) -> None:
        """Call `attempt` until it succeeds.

        Raises:
            MaildirLockedError: patience ran out.
        """
        left = self.patience
        while not attempt():
            if left <= 0:
                raise MaildirLockedError(f"locked by another program: {path}", path=path)
            self.pause(min(left, self.retry_after))
            left -= self.retry_after


class AwaitedLock:
    """A lock that is tried for as long as a policy says; a context manager."""

    __slots__ = ()

    _policy: LockPolicy

    def try_acquire(self) -> bool:
        """Take the lock if it is free; False when it is not."""
        raise NotImplementedError

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Wait for the lock.

        Raises:
            MaildirLockedError: patience ran out.
            MaildirError: the system refused.
        """
        self._policy.wait_until(self.try_acquire, str(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class DotLock(AwaitedLock):
    """The lock file beside a mailbox; a context manager.

    The file holds `PID:HOST`.  Where the directory may not be written there can be no
    dot-lock, and everybody has to rely on the lock on the file itself.

    Attributes:
        path: the lock file.
        is_held: True while this object holds it.
    """

    __slots__ = ("_identity", "_is_file", "_policy", "is_held", "path")

    def __init__(self, mailbox: str, policy: LockPolicy | None = None) -> None:
        self._policy = policy or LockPolicy()
        self.path = os.path.realpath(mailbox) + self._policy.extension
        self.is_held = False
        self._is_file = False
        self._identity = f"{os.getpid()}:{os.uname().nodename}"

    def try_acquire(self) -> bool:
        """Take the lock if it is free, and remove it if its holder is dead.

        Returns:
            False when somebody holds it, or held it until this call removed what was left.

        Raises:
            MaildirError: the system refused for another reason.
        """
        if not claim_path(self.path):
            return False
        try:
            self.is_held = self._link()
        finally:
            if not self.is_held:
                unclaim_path(self.path)
        return self.is_held

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if not self.is_held:
            return
        self.is_held = False
        if self._is_file and _read(self.path) == self._identity:  # not if it was taken from us
            os.unlink(self.path)
        unclaim_path(self.path)

    def __str__(self) -> str:
        return self.path

    def _link(self) -> bool:
        host = escape_host(os.uname().nodename)
        scratch = f"{self.path}.{time.time_ns() // 1_000_000_000}.{os.getpid()}.{host}"
        try:
            self._write_scratch(scratch)
        except OSError as error:
            if error.errno in _REFUSED:
                self._is_file = False
                return True
            raise maildir_error(error, "cannot lock", self.path) from error
        try:
            os.link(scratch, self.path)  # atomic, also on network file systems
            self._is_file = True
        except FileExistsError:
            self._remove_stale()
            return False
        except OSError as error:
            raise maildir_error(error, "cannot lock", self.path) from error
        finally:
            unlink_quietly(scratch)
        return True

    def _write_scratch(self, scratch: str) -> None:
        unlink_quietly(scratch)  # of an earlier process with our number
        descriptor = create_exclusive(scratch, 0o644)
        try:
            write_all(descriptor, self._identity.encode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)

    def _remove_stale(self) -> None:
        if names_dead_process(_read(self.path)) or self._is_old():
            unlink_quietly(self.path)

    def _is_old(self) -> bool:
        if not self._policy.stale_after:
            return False
        try:
            return os.lstat(self.path).st_mtime + self._policy.stale_after < time.time()
        except OSError:
            return False


def folder_lock(directory: str, policy: LockPolicy | None = None) -> DotLock:
    """The lock `tmp/courier.lock` of a maildir or folder (spec maildir 4.4).

    IMAP servers hold it while they scan a folder or change keywords.  Nothing is lost without
    it; it only keeps programs from each other's half-done changes.
    """
    default = LockPolicy(retry_after=1.0, stale_after=FOLDER_LOCK_SECONDS)
    return DotLock(f"{directory}/tmp/courier", policy or default)


def names_dead_process(holder: str) -> bool:
    """True when `PID:HOST` names this process or one of this host that has ended.

    A path that this process holds never gets here (`claim_path`), so a lock file with its
    number was left by an earlier process.
    """
    pid, _, host = holder.partition(":")
    if host != os.uname().nodename or not (pid.isascii() and pid.isdecimal()):
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def claim_path(path: str) -> bool:
    """Note that a thread of this process holds the lock file `path`; False when one does."""
    with _held_guard:
        if (os.getpid(), path) in _held:
            return False
        _held.add((os.getpid(), path))
        return True


def unclaim_path(path: str) -> None:
    """Forget what `claim_path` noted."""
    with _held_guard:
        _held.discard((os.getpid(), path))


def try_lock_file(descriptor: int) -> bool:
    """Take the write lock on a whole open file; False when another process has it.

    Raises:
        OSError: the file system has no locks.
    """
    import fcntl

    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:  # POSIX allows either
            return False
        raise
    return True


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 512).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
