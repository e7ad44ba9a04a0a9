"""The list of sharable maildirs that a maildir links to (spec maildir 3.5).

    # anything behind a number sign is a comment
    notices  /var/mail/notices

Each line names a maildir and its absolute path.
"""

from __future__ import annotations

import os

from couriermail.core.durable import write_atomically
from couriermail.core.errors import StorageError
from couriermail.maildir.errors import (
    InvalidNameError,
    MaildirExistsError,
    MaildirMissingError,
    MaildirStorageError,
    maildir_error,
)

__all__ = ["SHARED_FILE", "add_shared", "parse_shared", "read_shared", "remove_shared"]

SHARED_FILE = "shared-maildirs"


def parse_shared(text: str) -> dict[str, str]:
    """Names and paths in a `shared-maildirs` text; lines without both are passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) >= 2:
            found.setdefault(words[0], words[1])
    return found


def read_shared(path: str) -> dict[str, str]:
    """The sharable maildirs that a file lists; none when there is no such file.

    Raises:
        MaildirStorageError: the file cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return parse_shared(file.read())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise maildir_error(error, "cannot read", path) from error


def add_shared(maildir: str, name: str, target: str) -> None:
    """Append one sharable maildir to a maildir's list.

    Raises:
        InvalidNameError: the name holds `.`, `/`, white space or `#`, or the path is not
            absolute or holds white space.
        MaildirExistsError: the name is listed already.
        MaildirStorageError: the file cannot be written.
    """
    if not name or any(char in "./#" or char <= " " for char in name):
        raise InvalidNameError(f"{name}: invalid name")
    if not target.startswith("/") or any(char <= " " or char == "#" for char in target):
        raise InvalidNameError(f"{target}: not an absolute path")
    path = f"{maildir}/{SHARED_FILE}"
    if name in read_shared(path):
        raise MaildirExistsError(f"{name}: already defined as a sharable maildir.", path=path)
    try:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{name}\t{target}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise maildir_error(error, "cannot write", path) from error


def remove_shared(maildir: str, name: str) -> None:
    """Rewrite a maildir's list without one name; comments and other lines stay.

    Raises:
        MaildirMissingError: the name is not listed.
        MaildirStorageError: the file cannot be written.
    """
    path = f"{maildir}/{SHARED_FILE}"
    if name not in read_shared(path):
        raise MaildirMissingError(f"{name}: not found.", path=path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            kept = [line for line in file if name not in parse_shared(line)]
            mode = os.fstat(file.fileno()).st_mode & 0o777
        data = "".join(kept).encode("utf-8", "surrogateescape")
        write_atomically(path, [data], mode=mode)
    except OSError as error:
        raise maildir_error(error, "cannot write", path) from error
    except StorageError as error:
        raise MaildirStorageError(str(error), path=path) from error
