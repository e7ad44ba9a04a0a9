"""Put a new file in the place of a table: one builder at a time, old or new, never half.

The temporary file has one fixed name beside the target and carries an advisory lock: builders
of the same table wait for each other, and what a killed builder left behind is reused, never
collected.

Standard: spec maildir 4.16 (storage requirement 1).
"""

from __future__ import annotations

import fcntl
import os
import stat

from couriermail.core.durable import FULL_ERRORS, sync_directory
from couriermail.core.faults import reach
from couriermail.table.errors import TableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import lmdb

__all__ = ["Replacement", "claim", "replace_all", "table_error"]


class Replacement:
    """A temporary file that is ours alone, and the table it is to become.

    Attributes:
        target: the table's path.
        building: the temporary file's path.
        descriptor: the temporary file, open and locked.
    """

    __slots__ = ("building", "descriptor", "target")

    def __init__(self, target: str, building: str, descriptor: int) -> None:
        self.target = target
        self.building = building
        self.descriptor = descriptor

    def give_up(self) -> None:
        """Remove the temporary file and let the next builder in."""
        os.unlink(self.building)
        self.let_go()

    def let_go(self) -> None:
        """Close the file, and with it the lock."""
        os.close(self.descriptor)


def claim(
    target: str, building: str, *, mode: int | None, new_mode: int = 0o644, wait: bool = True
) -> Replacement:
    """Open and lock an empty temporary file that nobody else is working on.

    Args:
        target: the table it is to become.
        building: the temporary file, on the same file system.
        mode: exact permission bits from the moment of creation; None is `new_mode` less the
            umask.
        new_mode: see `mode`.
        wait: False to raise at once when somebody else is building.

    Raises:
        BlockingIOError: somebody else is building, and `wait` is False.
        OSError: the file system refused.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        descriptor = os.open(building, flags, new_mode if mode is None else mode)
        try:
            if not _is_our_own(os.fstat(descriptor)):
                os.unlink(building)  # somebody put it there to get at the table, or at a file
            elif _lock(descriptor, building, wait=wait):
                if mode is not None:
                    os.fchmod(descriptor, mode)
                os.ftruncate(descriptor, 0)
                return Replacement(target, building, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def replace_all(replacements: Sequence[Replacement]) -> None:
    """Sync the built files, then rename all of them, then sync the directories.

    Consumes the replacements: on an error those that were not renamed are given up.

    Raises:
        OSError: the file system refused.
    """
    waiting = list(replacements)
    try:
        for replacement in replacements:
            reach("table.before-sync")
            os.fsync(replacement.descriptor)
        for replacement in replacements:
            reach("table.before-rename")
            os.rename(replacement.building, replacement.target)
            waiting.remove(replacement)
            replacement.let_go()
    except BaseException:
        for replacement in waiting:
            replacement.give_up()
        raise
    reach("table.after-rename")
    for directory in {os.path.dirname(replacement.target) or "." for replacement in replacements}:
        sync_directory(directory)


def table_error(error: OSError | lmdb.Error, path: str) -> TableError:
    """Turn what the system or LMDB said into our own error."""
    if isinstance(error, OSError):
        reason, is_full = error.strerror or str(error), error.errno in FULL_ERRORS
    else:
        import lmdb

        reason, is_full = str(error), isinstance(error, lmdb.DiskError)
    return TableError(f"cannot write {path}: {reason}", path=path, is_full=is_full)


def _is_our_own(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1 and status.st_uid == os.geteuid()


def _lock(descriptor: int, building: str, *, wait: bool) -> bool:
    """Take the lock; False when its last holder renamed the file: it is a table now."""
    fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(building))
    except FileNotFoundError:
        return False
