"""A whole folder as columns: keys, flags and sizes of all messages, from the names alone.

Made for folders of 100,000 messages, where an object for each would cost more than reading the
directory does.  A column is made when it is first asked for.  `scan` is the way to look
messages up by key; this is the way to show a folder, to sort it or to add it up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

from couriermail.maildir.entries import Entry
from couriermail.maildir.names import SEPARATOR, MaildirKey, flags_of, is_hidden, key_of, size_of
from couriermail.maildir.scanning import settled_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Listing", "list_messages"]

_FIRST_VISIBLE = "/"  # follows "." and is in no name, so most names are greater


class Listing:
    """The messages of a folder at one moment, by position: those of `new`, then those of `cur`.

    Iterating gives triples of key, flags and size; `listing[3]` is an `Entry`.

    Attributes:
        directory: the maildir or folder.
        names: the file names.
        new_count: how many of them are in `new`.
    """

    def __init__(self, directory: str, new: list[str], cur: list[str]) -> None:
        """Use `list_messages`.

        Args:
            directory: the maildir or folder.
            new: file names in `new`.
            cur: file names in `cur`.
        """
        self.directory = directory
        self.new_count = len(new)
        self.names: Sequence[str] = new + cur

    @cached_property
    def keys(self) -> Sequence[MaildirKey]:
        """The key of each message."""
        keys: list[MaildirKey]
        # Text is a `MaildirKey` by name only; a call for each would double the time.
        keys = [name.partition(SEPARATOR)[0] for name in self.names]  # type: ignore[misc]
        return keys

    @cached_property
    def flags(self) -> Sequence[str]:
        """The flag letters of each message, such as `RS`."""
        infos = [name.partition(SEPARATOR)[2] for name in self.names]
        known = {info: flags_of(SEPARATOR + info) for info in set(infos)}
        return list(map(known.__getitem__, infos))

    @cached_property
    def sizes(self) -> Sequence[int | None]:
        """The octets that each name states; None where it states none.

        `listing[number].size` asks the file then.
        """
        # Not from `keys`: 100,000 long texts that stay cost more than their making.
        try:
            ends = [name.partition(SEPARATOR)[0].rsplit(",S=", 1)[1] for name in self.names]
        except IndexError:
            return [size_of(name) for name in self.names]  # one states none
        together = "".join(ends)
        if "," in together:  # Dovecot's `W=` behind the size
            ends = [end.partition(",")[0] for end in ends]
            together = "".join(ends)
        if together.isdecimal() and together.isascii() and "" not in ends:
            return list(map(int, ends))
        return [size_of(name) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[MaildirKey, str, int | None]]:
        return zip(map(key_of, self.names), self.flags, self.sizes, strict=True)

    def __getitem__(self, number: int) -> Entry:
        """The message at a position.

        Raises:
            IndexError: there is none.
        """
        name = self.names[number]
        is_new = number % len(self.names) < self.new_count
        subdirectory = "new" if is_new else "cur"
        return Entry(directory=self.directory, subdirectory=subdirectory, name=name)

    def __repr__(self) -> str:
        return f"Listing({self.directory!r}, {len(self)} messages)"


def list_messages(directory: str | os.PathLike[str]) -> Listing:
    """List a maildir or folder, whatever others do to it meanwhile; see `scan`.

    In a folder at rest every file is listed: where two have the same key, as after two copies
    of a maildir were merged, neither hides the other.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read.
    """
    path = os.fspath(directory)
    new, cur = settled_names(path)
    return Listing(path, _visible(new), _visible(cur))


def _visible(names: Collection[str]) -> list[str]:
    return [name for name in names if name > _FIRST_VISIBLE or not is_hidden(name)]
