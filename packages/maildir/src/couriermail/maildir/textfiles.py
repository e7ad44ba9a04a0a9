"""Text files of a maildir that several programs read, change and write back whole.

Programs of this library that change the same file take turns; programs of others are not
held up, as the formats have no lock for these files.  `replacing` does the writing; here its
errors become those of the room.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager

from couriermail.maildir.errors import maildir_error
from couriermail.maildir.replacing import read_small_file, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_text_file", "store_text_file", "taking_turns"]


def read_text_file(path: str) -> bytes | None:
    """What a file holds, or None when there is none.  A symbolic link counts as none.

    Raises:
        MaildirStorageError: the file cannot be read.
    """
    try:
        return read_small_file(path)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP}:
            return None
        raise maildir_error(error, "cannot read", path) from error


def store_text_file(maildir: str, path: str, data: bytes, *, unique: str) -> None:
    """Give a file a new text; durable when it returns.

    Args:
        maildir: a maildir or folder on the same file system, whose `tmp` takes the scratch file.
        path: the file; what is there is replaced, also when it is a symbolic link.
        data: the new text.
        unique: tells the scratch file apart from others of this process.

    Raises:
        MaildirError: the system refused.
    """
    try:
        replace_file(maildir, path, data, unique=unique)
    except OSError as error:
        raise maildir_error(error, "cannot write", path) from error


@contextmanager
def taking_turns(directory: str) -> Iterator[None]:
    """Keep other programs of this library from changing text files of this directory.

    Where the file system has no such lock nothing is promised, and nothing fails.

    Raises:
        MaildirError: the directory cannot be opened.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise maildir_error(error, "cannot open", directory) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # some network file systems; the rename stays atomic
        yield
    finally:
        os.close(descriptor)
