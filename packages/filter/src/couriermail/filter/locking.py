"""Locks of a recipe: around mbox files, and those that `dotlock` and `flock` ask for (4.13)."""

from __future__ import annotations

import os

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.values import leading_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from couriermail.maildir import LockPolicy

__all__ = ["LockRefresher", "hold_dot_lock", "hold_file_lock", "lock_policy"]

_LOCK_PATIENCE_SECONDS = 300.0  # spec filter 4.16: the watchdog's own limit
_LEAST_REFRESH_SECONDS = 10


class LockRefresher:
    """Touches a dot-lock again and again, so that others see that its holder is alive.

    Args:
        path: the lock file.
        interval: seconds between two touches.
    """

    def __init__(self, path: str, interval: float) -> None:
        import threading

        self.interval = interval
        self._path = path
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End; no touch follows."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Touch the lock, if it is still there."""
        try:
            os.utime(self._path, follow_symlinks=False)
        except OSError:
            self._stopped.set()  # it was taken over

    def _run(self) -> None:
        while not self._stopped.wait(self.interval):
            self.refresh()


def lock_policy(variables: Mapping[bytes, bytes], extension: str) -> LockPolicy:
    """How to lock, from the variables LOCKSLEEP and LOCKTIMEOUT."""
    from couriermail.maildir import LockPolicy

    return LockPolicy(
        extension=extension,
        retry_after=float(_seconds(variables, b"LOCKSLEEP", 5) or 1),
        stale_after=float(_seconds(variables, b"LOCKTIMEOUT", 60)),
        patience=_LOCK_PATIENCE_SECONDS,
    )


def _seconds(variables: Mapping[bytes, bytes], name: bytes, otherwise: int) -> int:
    number = leading_integer(variables.get(name, b""))
    return otherwise if number is None or number < 0 else min(number, 1 << 31)


def hold_dot_lock(path: str, variables: Mapping[bytes, bytes]) -> Iterator[None]:
    """Hold a dot-lock; the body of a context manager.

    Raises:
        RecipeRuntimeError: it cannot be made.
    """
    from couriermail.maildir import MaildirError
    from couriermail.maildir.locks import DotLock

    lock = DotLock(path, lock_policy(variables, ""))
    try:
        lock.__enter__()
    except MaildirError as error:
        raise RecipeRuntimeError(f"Unable to create a dot-lock at {path}. {error}") from error
    refresher = _refresher(lock.path, variables)
    try:
        yield
    finally:
        if refresher is not None:
            refresher.stop()
        lock.release()


def _refresher(path: str, variables: Mapping[bytes, bytes]) -> LockRefresher | None:
    interval = _seconds(variables, b"LOCKREFRESH", 15)
    if interval < _LEAST_REFRESH_SECONDS:
        return None
    refresher = LockRefresher(path, interval)
    refresher.start()
    return refresher


def hold_file_lock(path: str, variables: Mapping[bytes, bytes]) -> Iterator[None]:
    """Hold the lock on a file, which is made where it does not exist; as `hold_dot_lock`.

    Raises:
        RecipeRuntimeError: the file cannot be opened.
    """
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RecipeRuntimeError(f"Unable to open {path}. {error.strerror}") from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
