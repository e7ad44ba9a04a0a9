"""Renaming and removing folders together with the folders below them (spec maildir 4.3).

A hierarchy is in the names only: renaming `a` to `b` renames the directories `.a`, `.a.x` and
`.a.y.z`, one after the other.  Access lists of names that are no folders go along.
"""

from __future__ import annotations

import errno
import os
import shutil
import time

from couriermail.core.durable import sync_directory
from couriermail.maildir.errors import (
    InvalidNameError,
    MaildirExistsError,
    MaildirMissingError,
    maildir_error,
)
from couriermail.maildir.folders import folder_directory, iter_folders, short_name
from couriermail.maildir.names import escape_host, tmp_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["remove_folders", "rename_folders"]

_ACL_FILE = "courierimapacl"
_HIERARCHY_ACLS = "courierimaphieracl"


def rename_folders(
    maildir: str,
    old: str,
    new: str,
    *,
    folder: bool = True,
    subfolders: bool = True,
    on_rename: Callable[[str, str], object] | None = None,
) -> list[tuple[str, str]]:
    """Rename a folder and those below it; durable when it returns.

    A failure undoes what was done.  A folder that gets one of the old names within a second
    may also get its UIDVALIDITY; IMAP servers wait two seconds here.

    Args:
        maildir: the maildir.
        old: the folder's name.
        new: its new name.
        folder: rename the folder itself.
        subfolders: rename those below it.
        on_rename: called with both names after each rename.

    Returns:
        Old and new name of each folder renamed, in order.

    Raises:
        InvalidNameError: a bad name, or the new one is the old one or below it.
        MaildirMissingError: there is nothing to rename.
        MaildirExistsError: a folder of a new name exists; nothing was renamed.
        MaildirStorageError: the system refused; what was done is undone.
    """
    source, target = _checked(old), _checked(new)
    if f"{target}.".startswith(f"{source}."):
        raise InvalidNameError(f"cannot rename {source!r} to {target!r}")
    names = _concerned(list(iter_folders(maildir)), source, folder=folder, subfolders=subfolders)
    if not names:
        raise MaildirMissingError(f"no folder {source!r}", path=f"{maildir}/.{source}")
    pairs = [(name, target + name[len(source) :]) for name in names]
    for _, name in pairs:
        if os.path.lexists(f"{maildir}/.{name}"):
            raise MaildirExistsError(f"folder exists: {name!r}", path=f"{maildir}/.{name}")
    moves = [(f"{maildir}/.{a}", f"{maildir}/.{b}") for a, b in pairs]
    moves += _acl_moves(maildir, source, target, folder=folder, subfolders=subfolders)
    _rename_all(moves)
    _sync(maildir)
    if on_rename is not None:
        for pair in pairs:
            on_rename(*pair)
    return pairs


def remove_folders(maildir: str, name: str, *, subfolders: bool = False) -> list[str]:
    """Remove a folder, or a folder and those below it, with all their messages.

    Each disappears at once for other programs and is deleted after.  The access list of a
    folder that leaves others below it is kept for them.  See `rename_folders` for the two
    seconds.

    Args:
        maildir: the maildir.
        name: the folder's name.
        subfolders: remove those below it as well.

    Returns:
        The names of the folders removed.

    Raises:
        InvalidNameError: a bad name, or the maildir itself.
        MaildirMissingError: there is no such folder.
        MaildirStorageError: the system refused.
    """
    top = _checked(name)
    existing = list(iter_folders(maildir))
    names = _concerned(existing, top, folder=True, subfolders=subfolders)
    if not names:
        raise MaildirMissingError(f"no folder {top!r}", path=f"{maildir}/.{top}")
    if any(other.startswith(f"{top}.") for other in set(existing).difference(names)):
        _keep_acl(maildir, top)
    for number, folder in enumerate(names):
        _remove(maildir, folder_directory(maildir, f"INBOX.{folder}"), number)
    return names


def _checked(name: str) -> str:
    short = short_name(name)
    if not short:
        raise InvalidNameError("the maildir itself can be neither renamed nor removed")
    return short


def _concerned(names: list[str], top: str, *, folder: bool, subfolders: bool) -> list[str]:
    return sorted(
        name
        for name in names
        if (folder and name == top) or (subfolders and name.startswith(f"{top}."))
    )


def _acl_moves(
    maildir: str, source: str, target: str, *, folder: bool, subfolders: bool
) -> list[tuple[str, str]]:
    directory = f"{maildir}/{_HIERARCHY_ACLS}"
    try:
        names = os.listdir(directory)
    except OSError:
        return []  # no access lists of names without folders
    kept = _concerned(names, source, folder=folder, subfolders=subfolders)
    return [(f"{directory}/{name}", f"{directory}/{target}{name[len(source) :]}") for name in kept]


def _rename_all(moves: list[tuple[str, str]]) -> None:
    done: list[tuple[str, str]] = []
    for old, new in moves:
        try:
            os.rename(old, new)
        except OSError as error:
            for a, b in reversed(done):
                os.rename(b, a)
            if error.errno == errno.ENOTEMPTY:  # made by another program since we looked
                raise MaildirExistsError(f"folder exists: {new}", path=new) from error
            raise maildir_error(error, "cannot rename", old) from error
        done.append((old, new))


def _keep_acl(maildir: str, name: str) -> None:
    directory = f"{maildir}/{_HIERARCHY_ACLS}"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        os.rename(f"{maildir}/.{name}/{_ACL_FILE}", f"{directory}/{name}")
    except FileNotFoundError:
        pass  # it has no list of its own
    except OSError as error:
        raise maildir_error(error, "cannot keep the access list of", directory) from error


def _remove(maildir: str, directory: str, number: int) -> None:
    host = escape_host(os.uname().nodename)
    doomed = f"{maildir}/tmp/{tmp_name(time.time(), os.getpid(), f'removed{number}', host)}"
    try:
        os.rename(directory, doomed)
        sync_directory(maildir)
        shutil.rmtree(doomed)
    except OSError as error:
        raise maildir_error(error, "cannot remove", directory) from error


def _sync(maildir: str) -> None:
    try:
        sync_directory(maildir)
    except OSError as error:
        raise maildir_error(error, "cannot sync", maildir) from error
