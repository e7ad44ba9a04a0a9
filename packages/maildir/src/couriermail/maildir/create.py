"""Making maildirs and folders (spec maildir 2.1, 3.1).

Modes are exact, whatever the umask: directories are made with no more than the mode asked
for and then given it.  Nothing is created in a missing parent unless asked for, and what a
failed creation made is removed again.
"""

from __future__ import annotations

import os

from couriermail.core.durable import sync_directory
from couriermail.maildir.errors import maildir_error
from couriermail.maildir.folders import FOLDER_MARKER, folder_directory, short_name

__all__ = [
    "SUBDIRECTORIES",
    "create_folder",
    "create_maildir",
    "create_parents",
    "ensure_maildir",
]

SUBDIRECTORIES = ("cur", "new", "tmp")  # `tmp` last: deliveries start there, so all is ready


def create_maildir(path: str, *, mode: int = 0o700, inner_mode: int = 0o700) -> None:
    """Create a maildir; durable when it returns.

    Args:
        path: the new directory; its parent must exist.
        mode: permission bits of the maildir itself.
        inner_mode: permission bits of `tmp`, `new` and `cur`.

    Raises:
        MaildirExistsError: the path exists.
        MaildirMissingError: the parent does not.
        MaildirStorageError: the system refused for another reason.
    """
    _create(path, mode=mode, inner_mode=inner_mode, marker=False)


def create_folder(maildir: str, name: str, *, mode: int = 0o700, inner_mode: int = 0o700) -> str:
    """Create the folder `name` of a maildir and return its directory; durable.

    Raises:
        InvalidNameError: the name could not be a folder's, or is the maildir itself.
        MaildirExistsError: the folder exists.
        MaildirMissingError: the maildir does not.
        MaildirStorageError: the system refused for another reason.
    """
    directory = folder_directory(maildir, name)
    if not short_name(name):
        raise maildir_error(FileExistsError(17, os.strerror(17)), "cannot create", directory)
    _create(directory, mode=mode, inner_mode=inner_mode, marker=True)
    return directory


def create_parents(path: str, *, mode: int = 0o700) -> None:
    """Create the missing directories above `path`.

    Raises:
        MaildirError: the system refused.
    """
    parent = os.path.dirname(path.rstrip("/"))
    if not parent or os.path.isdir(parent):
        return
    create_parents(parent, mode=mode)
    try:
        _make_directory(parent, mode)
        sync_directory(os.path.dirname(parent) or ".")
    except FileExistsError:
        pass  # another process was faster
    except OSError as error:
        raise maildir_error(error, "cannot create", parent) from error


def ensure_maildir(path: str) -> None:
    """Create what a maildir lacks, with its parents, all with mode 0700; durable.

    Raises:
        MaildirError: the system refused.
    """
    create_parents(f"{path}/{SUBDIRECTORIES[0]}")
    for name in SUBDIRECTORIES:
        try:
            _make_directory(f"{path}/{name}", 0o700)
            sync_directory(path)
        except FileExistsError:
            pass
        except OSError as error:
            raise maildir_error(error, "cannot create", path) from error


def _create(path: str, *, mode: int, inner_mode: int, marker: bool) -> None:
    made: list[str] = []
    try:
        _make_directory(path, 0o700)
        made.append(path)
        for name in SUBDIRECTORIES:
            _make_directory(f"{path}/{name}", inner_mode)
            made.append(f"{path}/{name}")
        if marker:
            _make_marker(f"{path}/{FOLDER_MARKER}")
        if mode != 0o700:
            os.chmod(path, mode)  # last: nobody else comes in before it is whole
        sync_directory(path)
        sync_directory(os.path.dirname(path.rstrip("/")) or ".")
    except OSError as error:
        _remove(made, path)
        raise maildir_error(error, "cannot create", path) from error


def _make_directory(path: str, mode: int) -> None:
    os.mkdir(path, mode & 0o700)
    os.chmod(path, mode)


def _make_marker(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _remove(made: list[str], path: str) -> None:
    try:
        if made:
            os.unlink(f"{path}/{FOLDER_MARKER}")
    except OSError:
        pass
    for directory in reversed(made):
        try:
            os.rmdir(directory)
        except OSError:
            return
