"""Folder names and directories (spec maildir 3.3): `INBOX.a.b` lives in `maildir/.a.b`.

A folder is named in its short form, `a.b`; `""` and `INBOX` are the maildir itself, and the
prefix `INBOX.` may stand before any name.  The hierarchy is in the name only: directories
are flat and a parent need not exist.

`folder_directory` is the one place where a name becomes a path.  It never lets a name reach
another directory: `/`, NUL, line ends, empty components and therefore `..` are refused.
"""

from __future__ import annotations

import os

from couriermail.maildir.errors import InvalidNameError, maildir_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FOLDER_MARKER",
    "INBOX",
    "NAME_MAX",
    "TRASH",
    "folder_directory",
    "iter_folders",
    "owner_of",
    "short_name",
]

INBOX = "INBOX"
TRASH = ".Trash"
FOLDER_MARKER = "maildirfolder"
NAME_MAX = 255  # octets of one directory entry on every file system in use


def short_name(name: str) -> str:
    """The short form of a folder name: without `INBOX`, empty for the maildir itself.

    Raises:
        InvalidNameError: the name has an empty component, `/`, or a control character.
    """
    prefix, dot, rest = name.partition(".")
    if prefix.upper() == INBOX:  # spec maildir 3.3: in any case
        if not dot:
            return ""
        name = rest
    elif not name:
        return ""
    _check(name)
    return name


def folder_directory(maildir: str, name: str) -> str:
    """The directory of a folder of `maildir`.

    Raises:
        InvalidNameError: see `short_name`.
    """
    short = short_name(name)
    return f"{maildir}/.{short}" if short else maildir


def iter_folders(maildir: str) -> Iterator[str]:
    """Short names of the folders of a maildir, sorted, without the maildir itself.

    An entry counts when its `cur` can be searched.  A symbolic link is passed over: it would
    lead out of the maildir.

    Raises:
        MaildirError: the maildir cannot be read.
    """
    try:
        with os.scandir(maildir) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except OSError as error:
        raise maildir_error(error, "cannot list", maildir) from error
    for name in names:
        if os.access(f"{maildir}/{name}/cur/.", os.X_OK):
            yield name[1:]


def owner_of(directory: str) -> str:
    """The maildir that holds quota and subscriptions for this maildir or folder.

    A directory with the file `maildirfolder` is a folder and belongs to its parent.
    """
    if not os.path.exists(f"{directory}/{FOLDER_MARKER}"):
        return directory
    parent, _, name = directory.rstrip("/").rpartition("/")
    # One text for one maildir, so that accounts of its folders are seen to be the same.
    return parent if parent and name not in ("", ".", "..") else f"{directory}/.."


def _check(name: str) -> None:
    if not all(name.split(".")):
        raise InvalidNameError(f"folder name with an empty part: {name!r}")
    if "/" in name or any(char < " " or char == "\x7f" for char in name):
        raise InvalidNameError(f"folder name with a forbidden character: {name!r}")
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        raise InvalidNameError(f"folder name is not valid Unicode: {name!r}") from None
    if size >= NAME_MAX:
        raise InvalidNameError(f"folder name is too long: {name[:40]!r}...")
