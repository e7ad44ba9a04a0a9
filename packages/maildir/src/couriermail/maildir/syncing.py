"""Forcing many files to the disk at once.

`fdatasync` asks the disk to empty its cache once for each file, and that is what a batch
waits for.  `syncfs` does one journal commit and one such flush for the whole file system.
Its price is that it also waits for what other programs have written there: beside a backup
that can be gigabytes.  So after one that took long, files are synced one by one for a while.

On Linux before 5.8 `syncfs` did not report failed writes, so it is not used there.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SHARED_FROM", "sync_directory_entry", "sync_file_system"]

SHARED_FROM = 4  # files or directories from which one syncfs is cheaper; measured on ext4
SLOW_SECONDS = 0.1  # a syncfs that took longer waited for others' data
REST_SECONDS = 10.0  # how long none is tried after that
_REPORTS_ERRORS = (5, 8)  # Linux release

_syncfs: Callable[[int], bool] | None = None
_resting_until = 0.0  # monotonic seconds


def sync_file_system(descriptor: int) -> bool:
    """Force everything on the file system of an open file to the disk.

    Args:
        descriptor: a file that was opened before what matters was written: errors are
            reported from that moment on.

    Returns:
        False when this cannot be promised: nothing is known then, sync each file.
    """
    global _syncfs, _resting_until  # noqa: PLW0603 - what is known of the system, per process
    if _syncfs is None:
        _syncfs = _find_syncfs()
    started = time.monotonic()
    if started < _resting_until:
        return False
    is_synced = _syncfs(descriptor)
    if time.monotonic() - started > SLOW_SECONDS:
        _resting_until = time.monotonic() + REST_SECONDS
    return is_synced


def sync_directory_entry(path: str) -> None:
    """Force a directory's entries to the disk.

    Raises:
        OSError: the system refused.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_syncfs() -> Callable[[int], bool]:
    facts = os.uname()
    numbers = facts.release.split(".")[:2]
    if facts.sysname != "Linux" or not all(number.isdecimal() for number in numbers):
        return lambda _: False
    if tuple(map(int, numbers)) < _REPORTS_ERRORS:
        return lambda _: False
    import ctypes  # 10 ms, and only batches come here

    try:
        function = ctypes.CDLL(None).syncfs
    except (OSError, AttributeError):
        return lambda _: False
    return lambda descriptor: function(ctypes.c_int(descriptor)) == 0
