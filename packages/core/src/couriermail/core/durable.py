"""Durable file writes: what is said to be stored has been synced.

The order is always the same: write to a name nobody looks at, sync the file, give it its
name, sync the directory.  `reach` marks the places between, so that tests can kill the
process there and show that a reader sees the old file or the new one, never half of one.

An `OSError` becomes a `StorageError` that says whether space was the cause.
"""

from __future__ import annotations

import os

from couriermail.core.errors import StorageError
from couriermail.core.faults import reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FULL_ERRORS",
    "create_exclusive",
    "storage_error",
    "sync_directory",
    "sync_file",
    "write_all",
    "write_atomically",
]

FULL_ERRORS = frozenset({28, 122})  # ENOSPC, EDQUOT: space, not a broken disk


def storage_error(error: OSError, what: str, path: str | os.PathLike[str]) -> StorageError:
    """Turn an `OSError` met while doing `what` to `path` into our own error."""
    name = os.fspath(path)
    return StorageError(
        f"{what} {name}: {error.strerror or error}", path=name, is_full=error.errno in FULL_ERRORS
    )


def create_exclusive(path: str | os.PathLike[str], mode: int = 0o600) -> int:
    """Open a new file for writing and return its descriptor; an existing name is an error.

    The mode is exact, whatever the umask: bits that the umask took are put back.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    if mode & 0o077:  # umasks hardly ever touch the owner's bits
        os.fchmod(descriptor, mode)
    return descriptor


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; `os.write` may stop early on a nearly full disk or a signal."""
    written = os.write(descriptor, data)
    if written == len(data):
        return
    rest = memoryview(data)
    while written < len(rest):
        rest = rest[written:]
        written = os.write(descriptor, rest)


def sync_file(descriptor: int) -> None:
    """Force a file's contents and size to the disk (fdatasync)."""
    os.fdatasync(descriptor)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Force a directory's entries to the disk, so that a new name survives power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(
    path: str | os.PathLike[str], chunks: Iterable[bytes], *, mode: int = 0o600
) -> None:
    """Replace a file's contents so that readers and crashes see all of it or none.

    Durable when it returns: the file is synced before the rename and the directory after.

    Args:
        path: the file; what is there is replaced.
        chunks: the new contents.
        mode: permission bits of the new file.

    Raises:
        StorageError: nothing was replaced; the temporary file is gone.
    """
    target = os.fspath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        _write_temporary(temporary, chunks, mode)
        reach("durable.before-rename")
        os.rename(temporary, target)
        reach("durable.after-rename")
        sync_directory(os.path.dirname(target) or ".")
    except OSError as error:
        _unlink_quietly(temporary)
        raise storage_error(error, "cannot write", target) from error


def _write_temporary(path: str, chunks: Iterable[bytes], mode: int) -> None:
    _unlink_quietly(path)  # left by a killed process with our number
    descriptor = create_exclusive(path, mode)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
        reach("durable.before-sync")
        sync_file(descriptor)
    finally:
        os.close(descriptor)


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
