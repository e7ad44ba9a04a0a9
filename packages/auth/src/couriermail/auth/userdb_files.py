"""The files that a userdb consists of: itself, or what lies below it.

A directory is walked recursively.  Names that begin with `.` or end with `~` are skipped, and
what a package manager left there (`*.rpmsave`, `*.rpmnew`, `*.dpkg-*`, a newer `*.dist`)
makes the userdb unusable until somebody has looked at it, as the makeuserdb manual has it.
Neither file nor directory may have permission bits for group or world: they hold passwords.

Standard: spec auth 3.1; spec maildir 4.16 (directory checks).
"""

from __future__ import annotations

import os
import stat

import attrs

from couriermail.auth.errors import UserdbError
from couriermail.table.errors import TableSourceError
from couriermail.table.source import source_files

__all__ = ["UserdbFile", "read_file", "userdb_files"]

_GROUP_AND_WORLD = 0o077


@attrs.frozen(kw_only=True)
class UserdbFile:
    """One file, with the marks by which a change of it is seen.

    Attributes:
        path: the file.
        location: its path below the userdb with a `/` at the end; empty for a single file.
        device: number of its file system.
        inode: its number there.
        size: in bytes.
        modified_ns: when it was last written, in nanoseconds.
    """

    path: str
    location: str
    device: int
    inode: int
    size: int
    modified_ns: int


def userdb_files(path: str) -> tuple[UserdbFile, ...]:
    """The files of the userdb at `path`, in the order in which they are read.

    Raises:
        UserdbError: missing, unreadable, wrong permissions, or leftovers.
    """
    try:
        return tuple(_walk(path, ""))
    except TableSourceError as error:
        raise UserdbError(str(error), path=path) from error
    except FileNotFoundError as error:
        raise UserdbError("not found.", path=path) from error
    except (OSError, ValueError) as error:
        raise UserdbError(str(error), path=path) from error


def read_file(path: str) -> bytes:
    """The bytes of one file.

    Raises:
        UserdbError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise UserdbError(error.strerror or str(error), path=path) from error


def _walk(path: str, location: str) -> list[UserdbFile]:
    status = os.stat(path)
    if status.st_mode & _GROUP_AND_WORLD:
        raise UserdbError("MAY NOT HAVE GROUP OR WORLD PERMISSIONS!!", path=path)
    if not stat.S_ISDIR(status.st_mode):
        return [_identified(path, location, status)]
    found: list[UserdbFile] = []
    for file in source_files(path):
        name = os.path.basename(file)
        if not name.startswith("."):
            found += _walk(file, f"{location}{name}/")
    for name in sorted(os.listdir(path)):
        below = f"{path}/{name}"
        if not name.startswith(".") and not name.endswith("~") and _is_real_directory(below):
            found += _walk(below, f"{location}{name}/")
    return found


def _identified(path: str, location: str, status: os.stat_result) -> UserdbFile:
    return UserdbFile(
        path=path,
        location=location,
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
    )


def _is_real_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # links could lead in circles
