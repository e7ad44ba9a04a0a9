"""Who got an automatic answer and when, so that nobody gets one again too soon.

Theory of operation.  An LMDB file holds one key per mailbox and the time of its last answer.  A
program *claims* the recipients of an answer before it sends it: under the lock of a file beside
the store it looks all of them up and, when none was answered in the period, notes the time for
all.  Of several programs that want to answer the same person only one gets the claim.  When
the answer cannot be sent, the claim is withdrawn and the next message gets one; a program
that is killed in between has answered, as far as the store knows: silence is the safe side.

Unlike the tables of `couriermail.table`, which are replaced as a whole, one or two keys change
here per message, so they change in place, in one durable transaction.

Source: spec filter 3.6, 4.17.3, 7.7.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from couriermail.filter.errors import FilterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final, TypeVar

    import lmdb

    from couriermail.maildir.locks import LockPolicy

    T = TypeVar("T")

__all__ = ["AutoreplyClaim", "AutoreplyHistory", "AutoreplyHistoryError"]

DAY_SECONDS = 86_400
LEAST_DAYS_KEPT = 30
LOCK_MODE = 0o666  # less the umask: several users may share a store
STORE_MODE = 0o660
STORE_BYTES = 1 << 28  # of address space; the file grows as it is needed

_LONGEST_KEY = 500  # LMDB takes 511
_LAST_PURGE = b"\0purged"  # no address begins with NUL
_LOCK_PATIENCE = 60.0
_LOCK_PAUSE = 0.05

# Locks of files do not keep the threads of one process apart.
_in_process = allocate_lock()


class AutoreplyHistoryError(FilterError):
    """The store cannot be used; nobody is answered before it can."""


class AutoreplyClaim:
    """The right to answer somebody.  Never changed.

    Attributes:
        time: seconds since 1970 that were noted.
        previous: keys and what was noted for them before, or None.
    """

    __slots__ = ("previous", "time")

    def __init__(self, time: int, previous: tuple[tuple[bytes, bytes | None], ...]) -> None:
        self.time: Final = time
        self.previous: Final = previous


class AutoreplyHistory:
    """The answers that were given, in files `NAME.lmdb` and `NAME.lock`.

    Safe for any number of processes and threads.
    """

    def __init__(
        self, name: str | os.PathLike[str], *, days: int = 1, policy: LockPolicy | None = None
    ) -> None:
        """Nothing is opened before it is needed.

        Args:
            name: path of the files without their endings.
            days: how long nobody gets a second answer; 0 to remember but never refuse.
            policy: how long to wait for others.
        """
        self._name = os.fspath(name)
        self._days = days
        self._policy = policy

    def claim(self, senders: Iterable[str], now: float) -> AutoreplyClaim | None:
        """Notes an answer to somebody, durably, unless one of them got one in the period.

        Args:
            senders: keys of the mailboxes.
            now: seconds since 1970.

        Returns:
            The right to answer them, or None.

        Raises:
            AutoreplyHistoryError: the store cannot be used.
        """
        keys = tuple(dict.fromkeys(map(_store_key, senders)))
        return self._locked(lambda transaction: self._claim(transaction, keys, int(now)))

    def withdraw(self, claim: AutoreplyClaim) -> None:
        """Takes a claim back: the answer was not sent.

        What somebody else noted in the meantime stays.

        Raises:
            AutoreplyHistoryError: the store cannot be used.
        """
        noted = b"%d" % claim.time

        def restore(transaction: lmdb.Transaction) -> None:
            for key, previous in claim.previous:
                if _get(transaction, key) != noted:
                    continue
                if previous is None:
                    transaction.delete(key)
                else:
                    transaction.put(key, previous)

        self._locked(restore)

    def _claim(
        self, transaction: lmdb.Transaction, keys: tuple[bytes, ...], now: int
    ) -> AutoreplyClaim | None:
        previous = tuple((key, _get(transaction, key)) for key in keys)
        newest = max((_time(value) for _, value in previous), default=0)
        if newest > now - self._days * DAY_SECONDS:
            return None
        self._purge(transaction, now)
        for key in keys:
            transaction.put(key, b"%d" % now)
        return AutoreplyClaim(now, previous)

    def _purge(self, transaction: lmdb.Transaction, now: int) -> None:
        """Forgets what no period needs any more, once a day (spec filter 3.6)."""
        if _time(_get(transaction, _LAST_PURGE)) > now - DAY_SECONDS:
            return
        oldest = now - max(LEAST_DAYS_KEPT, 2 * self._days) * DAY_SECONDS
        old = [key for key, value in transaction.cursor() if _time(bytes(value)) < oldest]
        for key in old:
            transaction.delete(key)
        transaction.put(_LAST_PURGE, b"%d" % now)

    def _locked(self, work: Callable[[lmdb.Transaction], T]) -> T:
        import lmdb

        from couriermail.maildir.errors import MaildirError

        try:
            with _in_process, _Locked(f"{self._name}.lock", self._policy or _policy()):
                return _change(f"{self._name}.lmdb", work)
        except MaildirError as error:
            raise AutoreplyHistoryError(str(error)) from error
        except (OSError, ValueError, lmdb.Error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise AutoreplyHistoryError(f"{self._name}: {reason}") from error


class _Locked:
    """The lock file, held while the block runs."""

    def __init__(self, path: str, policy: LockPolicy) -> None:
        self._path = path
        self._policy = policy
        self._descriptor = -1

    def __enter__(self) -> None:
        from couriermail.maildir.locks import try_lock_file

        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, LOCK_MODE)
        try:
            self._policy.wait_until(lambda: try_lock_file(self._descriptor), self._path)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _policy() -> LockPolicy:
    from couriermail.maildir.locks import LockPolicy

    return LockPolicy(retry_after=_LOCK_PAUSE, patience=_LOCK_PATIENCE)


def _change(path: str, work: Callable[[lmdb.Transaction], T]) -> T:
    """Runs one transaction; what it wrote is on the disk when this returns."""
    import lmdb

    from couriermail.core.durable import sync_directory

    is_new = not os.path.exists(path)
    environment = lmdb.open(path, subdir=False, lock=False, mode=STORE_MODE, map_size=STORE_BYTES)
    try:
        _refuse_truncated(path, environment)
        with environment.begin(write=True) as transaction:
            result = work(transaction)
    finally:
        environment.close()
    if is_new:
        sync_directory(os.path.dirname(path) or ".")
    return result


def _refuse_truncated(path: str, environment: lmdb.Environment) -> None:
    """Reading a page that the file does not have would kill the process (SIGBUS)."""
    pages = environment.info()["last_pgno"] + 1
    if os.stat(path).st_size < pages * environment.stat()["psize"]:
        raise AutoreplyHistoryError(f"{path}: the file was cut off; remove it to begin anew")


def _get(transaction: lmdb.Transaction, key: bytes) -> bytes | None:
    value = transaction.get(key)
    return None if value is None else bytes(value)


def _store_key(sender: str) -> bytes:
    key = sender.encode("utf-8", "surrogateescape").lstrip(b"\0") or b"?"
    if len(key) <= _LONGEST_KEY:
        return key
    import hashlib

    return b"sha256:" + hashlib.sha256(key).hexdigest().encode()


def _time(value: bytes | None) -> int:
    """A noted time; 0 for none, and for what is no time."""
    return int(value) if value and value.isdigit() and len(value) <= 15 else 0
