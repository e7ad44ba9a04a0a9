"""Small files of a maildir that are replaced whole: written to `tmp/`, then renamed.

Readers and crashes see the old file or the new one.  Scratch files lie in `tmp/`, where every
Maildir++ program removes what a crash left there.

Fault points: `maildir.replace-before-rename` and `maildir.replace-after-rename`.
"""

from __future__ import annotations

import os
import time

from couriermail.core.durable import sync_directory, write_all
from couriermail.core.faults import reach
from couriermail.maildir.names import TMP, escape_host, tmp_name

__all__ = ["read_small_file", "replace_file", "scratch_name", "unlink_quietly", "write_scratch"]

_READ_SIZE = 1 << 16


def replace_file(
    directory: str, target: str, data: bytes, *, unique: str, is_durable: bool = True
) -> None:
    """Replace `target` through `directory/tmp`; its mode is 0644 less the umask.

    Args:
        directory: a maildir or folder on the same file system.
        target: path of the file.
        data: the new contents.
        unique: tells such files apart from others that this process makes in `tmp/`.
        is_durable: sync the file before the rename and the directory after it.

    Raises:
        OSError: nothing was replaced, and the scratch file is gone; or only the last sync
            failed.
    """
    scratch = f"{directory}/{TMP}/{scratch_name(unique)}"
    write_scratch(scratch, data, is_durable=is_durable)
    try:
        reach("maildir.replace-before-rename")
        os.rename(scratch, target)
    except OSError:
        unlink_quietly(scratch)
        raise
    reach("maildir.replace-after-rename")
    if is_durable:
        sync_directory(os.path.dirname(target))


def scratch_name(unique: str) -> str:
    """A file name that no other process and no other moment has (spec maildir 3.2)."""
    return tmp_name(time.time(), os.getpid(), unique, escape_host(os.uname().nodename))


def write_scratch(path: str, data: bytes, *, is_durable: bool = True) -> None:
    """Write a new file of mode 0644 less the umask.

    Raises:
        OSError: the system refused; the file is gone again.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        write_all(descriptor, data)
        if is_durable:
            os.fdatasync(descriptor)
    except OSError:
        unlink_quietly(path)
        raise
    finally:
        os.close(descriptor)


def read_small_file(path: str) -> bytes:
    """All of a file that is no symbolic link.

    Raises:
        OSError: there is none, or the system refused.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        pieces = []
        while piece := os.read(descriptor, _READ_SIZE):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def unlink_quietly(path: str) -> None:
    """Remove a file if it is there and can be removed."""
    try:
        os.unlink(path)
    except OSError:
        pass
