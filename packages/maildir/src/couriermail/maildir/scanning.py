"""Listing a folder while other programs rename its messages.

A flag change renames a file, and reading a directory while its names change may show one of
the two names, both, or neither.  `scan` therefore looks at the times of `new` and `cur`: if
they did not change while it read, what it read is exact, which is the usual case and costs
four `stat` calls.  Otherwise it reads again, until two passes agree or `MAX_PASSES` were made;
a message is then left out only if two passes in a row did not show it.

Each message appears once, and one that moved from `new` to `cur` meanwhile counts in `cur`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from itertools import chain, combinations

from couriermail.maildir.entries import Entry
from couriermail.maildir.errors import MaildirMissingError, maildir_error
from couriermail.maildir.names import SEPARATOR, MaildirKey, is_hidden

__all__ = ["MAX_PASSES", "Snapshot", "find_entry", "open_current", "scan", "settled_names"]

MAX_PASSES = 8
_TICK = 20_000_000  # ns; a directory's time is that of the last timer interrupt, 1 to 10 ms ago
_STANDARD_FLAGS = "DFPRST"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


class Snapshot(Mapping[MaildirKey, Entry]):
    """The messages of a folder at one moment, by key.

    Only names are held; an `Entry` is made when it is asked for.

    Attributes:
        directory: the maildir or folder.
    """

    __slots__ = ("_cur", "_new", "directory")

    def __init__(self, directory: str, new: dict[str, str], cur: dict[str, str]) -> None:
        """Use `scan`.

        Args:
            directory: the maildir or folder.
            new: file names in `new` by key, without those of `cur`.
            cur: file names in `cur` by key.
        """
        self.directory = directory
        self._new = new
        self._cur = cur

    def __getitem__(self, key: str) -> Entry:
        name = self._cur.get(key)
        if name is not None:
            return Entry(directory=self.directory, subdirectory="cur", name=name)
        return Entry(directory=self.directory, subdirectory="new", name=self._new[key])

    def __iter__(self) -> Iterator[MaildirKey]:
        return map(MaildirKey, chain(self._new, self._cur))

    def __len__(self) -> int:
        return len(self._new) + len(self._cur)

    def __repr__(self) -> str:
        return f"Snapshot({self.directory!r}, {len(self)} messages)"


def scan(directory: str | os.PathLike[str]) -> Snapshot:
    """List a maildir or folder, whatever others do to it meanwhile.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read.
    """
    path = os.fspath(directory)
    try:
        new_names, cur_names, is_exact = _one_pass(path)
        new, cur = _by_key(new_names), _by_key(cur_names)
        if not is_exact:
            new, cur = _settled(path, new, cur)
    except OSError as error:
        raise maildir_error(error, "cannot list", path) from error
    return Snapshot(path, _without(new, cur), cur)


def settled_names(directory: str) -> tuple[list[str], list[str]]:
    """The file names in `new` and `cur`; a folder that changes meanwhile is read as by `scan`.

    Of a folder at rest these are all names, those of hidden files as well.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read.
    """
    try:
        new_names, cur_names, is_exact = _one_pass(directory)
        if is_exact:
            return new_names, cur_names
        new, cur = _settled(directory, _by_key(new_names), _by_key(cur_names))
    except OSError as error:
        raise maildir_error(error, "cannot list", directory) from error
    return [*_without(new, cur).values()], [*cur.values()]


def find_entry(directory: str, key: str) -> Entry:
    """The message with this key, wherever its flags have taken it.

    All names that the standard flags allow are tried first, the likely ones before the others,
    so that the size of the folder does not matter: 66 at most, a microsecond or two each.
    Only a message with other flags, or none, needs the folder to be read.

    Raises:
        MaildirMissingError: there is none.
        MaildirStorageError: the folder cannot be read.
    """
    if key and "/" not in key and "\0" not in key and SEPARATOR not in key and not is_hidden(key):
        if _exists(f"{directory}/new/{key}"):
            return Entry(directory=directory, subdirectory="new", name=key)
        for ending in _ENDINGS:
            if _exists(f"{directory}/cur/{key}{ending}"):
                return Entry(directory=directory, subdirectory="cur", name=key + ending)
        entry = scan(directory).get(MaildirKey(key))
        if entry is not None:
            return entry
    raise MaildirMissingError(f"no message {key!r} in {directory}", path=directory)


def open_current(directory: str, key: str) -> BinaryIO:
    """Open the message with this key for reading, also while its flags change.

    Raises:
        MaildirMissingError: there is none.
        MaildirStorageError: the system refused.
    """
    for _ in range(MAX_PASSES):
        try:
            return find_entry(directory, key).open()
        except MaildirMissingError:
            continue  # renamed between the look and the open; a scan finds it if it is there
    return find_entry(directory, key).open()


def _settled(
    directory: str, new: dict[str, str], cur: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    for _ in range(MAX_PASSES - 1):
        before = new.keys() | cur.keys()
        earlier_new, earlier_cur = new, cur
        new_names, cur_names, is_exact = _one_pass(directory)
        new, cur = _by_key(new_names), _by_key(cur_names)
        if is_exact or before == new.keys() | cur.keys():
            return new, cur
    return earlier_new | new, earlier_cur | cur


def _without(new: dict[str, str], cur: dict[str, str]) -> dict[str, str]:
    """Those of `new` that did not move to `cur` while we looked."""
    for key in new.keys() & cur.keys():
        del new[key]
    return new


def _one_pass(directory: str) -> tuple[list[str], list[str], bool]:
    started = time.time_ns()
    before = _times(directory)
    new = os.listdir(f"{directory}/new")  # first: mail moves from new to cur
    cur = os.listdir(f"{directory}/cur")
    # A change within one tick of the last one would leave no trace.
    is_exact = before == _times(directory) and max(before) < started - _TICK
    return new, cur, is_exact


def _by_key(names: list[str]) -> dict[str, str]:
    # One comprehension, because this runs for every message of a folder.
    return {name.partition(SEPARATOR)[0]: name for name in names if name[0] != "."}


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except OSError:
        return False
    return True


def _endings() -> list[str]:
    flags = ("".join(c) for n in range(7) for c in combinations(_STANDARD_FLAGS, n))
    return [*dict.fromkeys((":2,S", ":2,", ":2,RS", *(f":2,{text}" for text in flags), ""))]


_ENDINGS = _endings()  # of names in `cur`, the likely ones first


def _times(directory: str) -> tuple[int, int]:
    new, cur = (os.stat(f"{directory}/{name}").st_mtime_ns for name in ("new", "cur"))
    return new, cur
