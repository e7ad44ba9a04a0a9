"""Listing a folder while other programs rename its messages.

A flag change renames a file, and reading a directory while its names change may show one of
the two names, both, or neither.  `scan` therefore looks at the times of `new` and `cur`: if
they did not change while it read, what it read is exact, which is the usual case and costs
two `stat` calls.  Otherwise it reads again, until two passes agree or `MAX_PASSES` were made;
a message is then left out only if two passes in a row did not show it.

Each message appears once, and one that moved from `new` to `cur` meanwhile counts in `cur`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping

from couriermail.maildir.entries import Entry
from couriermail.maildir.errors import MaildirMissingError, maildir_error
from couriermail.maildir.names import SEPARATOR, MaildirKey, is_hidden

__all__ = ["MAX_PASSES", "Snapshot", "find_entry", "open_current", "scan"]

MAX_PASSES = 8
_TICK = 20_000_000  # ns; a directory's time is that of the last timer interrupt, 1 to 10 ms ago
_COMMON_FLAGS = ("S", "", "RS")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, TypeAlias

    Places: TypeAlias = dict[str, tuple[str, str]]  # key -> subdirectory and file name


class Snapshot(Mapping[MaildirKey, Entry]):
    """The messages of a folder at one moment, by key.

    Only names are held; an `Entry` is made when it is asked for.

    Attributes:
        directory: the maildir or folder.
    """

    __slots__ = ("_places", "directory")

    def __init__(self, directory: str, places: Places) -> None:
        self.directory = directory
        self._places = places

    def __getitem__(self, key: str) -> Entry:
        subdirectory, name = self._places[key]
        return Entry(directory=self.directory, subdirectory=subdirectory, name=name)

    def __iter__(self) -> Iterator[MaildirKey]:
        return map(MaildirKey, self._places)

    def __len__(self) -> int:
        return len(self._places)

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
        return Snapshot(path, _settled(path))
    except OSError as error:
        raise maildir_error(error, "cannot list", path) from error


def find_entry(directory: str, key: str) -> Entry:
    """The message with this key, wherever its flags have taken it.

    The names that most messages have are tried first, so that the size of the folder does
    not matter for those.

    Raises:
        MaildirMissingError: there is none.
        MaildirStorageError: the folder cannot be read.
    """
    if key and "/" not in key and "\0" not in key and SEPARATOR not in key and not is_hidden(key):
        for subdirectory, name in (("new", key), *(("cur", f"{key}:2,{x}") for x in _COMMON_FLAGS)):
            if os.path.lexists(f"{directory}/{subdirectory}/{name}"):
                return Entry(directory=directory, subdirectory=subdirectory, name=name)
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


def _settled(directory: str) -> Places:
    earlier: Places = {}
    latest: Places = {}
    for _ in range(MAX_PASSES):
        earlier = latest
        latest, is_exact = _one_pass(directory)
        if is_exact or (earlier and earlier.keys() == latest.keys()):
            return latest
    return earlier | latest


def _one_pass(directory: str) -> tuple[Places, bool]:
    started = time.time_ns()
    before = _times(directory)
    places: Places = {}
    for subdirectory in ("new", "cur"):  # in this order: mail moves from new to cur
        for name in os.listdir(f"{directory}/{subdirectory}"):
            if not is_hidden(name):
                places[name.partition(SEPARATOR)[0]] = subdirectory, name
    # A change within one tick of the last one would leave no trace.
    is_exact = before == _times(directory) and max(before) < started - _TICK
    return places, is_exact


def _times(directory: str) -> tuple[int, int]:
    new, cur = (os.stat(f"{directory}/{name}").st_mtime_ns for name in ("new", "cur"))
    return new, cur
