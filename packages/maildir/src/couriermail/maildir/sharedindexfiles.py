"""Making index files of shared accounts, and putting new ones in place (spec maildir 2.6).

`split_index` sorts a list of all accounts into index files, by the account option
`sharedgroup` or by the first letters of the names.  `install_index` replaces the files in
use by new ones without a moment in which one is missing.
"""

from __future__ import annotations

import os

from couriermail.core.durable import sync_directory, write_all
from couriermail.maildir.errors import InvalidNameError, MaildirMissingError, maildir_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["install_index", "split_index", "write_index_files"]

_COPIED = 5  # name, uid, gid, home, maildir; never the options
_NEEDED = 4
_SHARED_GROUP = "sharedgroup="


def split_index(lines: Iterable[str], letters: int = 0) -> dict[str, str]:
    """Sort lines of `authenumerate -o` into index files.

    Args:
        lines: `name uid gid home maildir options`, separated by tabs; `#` starts a comment and
            lines of less than four fields mean nothing.
        letters: 0 to sort by the option `sharedgroup`, or how many characters of a name choose
            its file; a tree of groups leads to those files then.

    Returns:
        Texts by file name, such as `indexsales`; sorted, so that the same accounts always make
        the same files.

    Raises:
        InvalidNameError: an account's group or name would name a file in another directory.
    """
    members: dict[str, list[str]] = {}
    for line in lines:
        fields = line.partition("#")[0].rstrip("\r\n").split("\t")
        if len(fields) >= _NEEDED:
            key = _letters_key(fields[0], letters) if letters else _group_key(fields[5:])
            members.setdefault(key, []).append("\t".join(fields[:_COPIED]) + "\n")
    files = {f"index{key}": "".join(texts) for key, texts in members.items()}
    if letters:
        files |= _group_files(members, letters)
    return dict(sorted(files.items()))


def write_index_files(directory: str, files: dict[str, str]) -> None:
    """Append texts to files of a directory; durable when it returns.

    The directory should be empty: as with Courier's command, what is there stays.

    Raises:
        MaildirMissingError: there is no such directory.
        MaildirStorageError: the system refused.
    """
    try:
        for name, text in files.items():
            _append(f"{directory}/{name}", text.encode("utf-8", "surrogateescape"))
        sync_directory(directory)
    except OSError as error:
        raise maildir_error(error, "cannot write", directory) from error


def install_index(source: str, destination: str) -> None:
    """Move index files to where they are used; a reader finds the old or the new one.

    Files of the destination that the source does not have are removed first.

    Args:
        source: a directory of new files on the same file system; it is empty afterwards.
        destination: the directory in use.

    Raises:
        MaildirMissingError: the source is empty or missing, or the destination is missing;
            nothing was changed.
        MaildirStorageError: the system refused.
    """
    names = _list(source)
    if not names:
        raise MaildirMissingError(f"{source} is empty!", path=source)
    if not os.path.isdir(destination):
        raise MaildirMissingError(f"{destination} does not exist!", path=destination)
    try:
        for name in set(_list(destination)).difference(names):
            os.unlink(f"{destination}/{name}")
        for name in names:
            os.rename(f"{source}/{name}", f"{destination}/{name}")
        sync_directory(destination)
    except OSError as error:
        raise maildir_error(error, "cannot install index files in", destination) from error


def _group_key(options: list[str]) -> str:
    for option in "".join(options[:1]).split(","):
        group = option.removeprefix(_SHARED_GROUP)
        if group and group != option:
            if "/" in group or "\0" in group:
                raise InvalidNameError(f"not a shared group: {group!r}")
            return group
    return ""


def _letters_key(name: str, letters: int) -> str:
    key = name[:letters].ljust(letters, "_")
    # Courier: a slash in a name makes it stop; the letters only choose a file, so any will do.
    return "".join("_" if char == "/" or char < " " else char for char in key)


def _group_files(keys: Iterable[str], letters: int) -> dict[str, str]:
    files: dict[str, str] = {}
    level = set(keys)
    for length in range(letters - 1, -1, -1):
        for child in sorted(level):
            name = f"index{child[:length]}"
            files[name] = files.get(name, "") + f"{child}\t*\tindex{child}\n"
        level = {child[:length] for child in level}
    return files


def _list(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise maildir_error(error, "cannot list", directory) from error


def _append(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        write_all(descriptor, data)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
