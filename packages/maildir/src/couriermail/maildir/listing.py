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
    from collections.abc import Iterator

__all__ = ["Listing", "list_messages"]

CHUNK = 1000  # names looked at together: with what is made of them they fit a processor's cache
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
        self._flags: list[str] | None = None
        self._sizes: list[int | None] | None = None

    @cached_property
    def keys(self) -> Sequence[MaildirKey]:
        """The key of each message."""
        keys: list[MaildirKey]
        # Text is a `MaildirKey` by name only; a call for each would double the time.
        keys = [name.partition(SEPARATOR)[0] for name in self.names]  # type: ignore[misc]
        return keys

    @property
    def flags(self) -> Sequence[str]:
        """The flag letters of each message, such as `RS`."""
        if self._flags is None:
            known = _FlagsByInfo()
            self._flags = [known[name.partition(SEPARATOR)[2]] for name in self.names]
        return self._flags

    @property
    def sizes(self) -> Sequence[int | None]:
        """The octets that each name states; None where it states none.

        `listing[number].size` asks the file then.  The flags come along at little cost, so ask for
        the sizes first where both are wanted.
        """
        if self._sizes is None:
            self._flags, self._sizes = _flags_and_sizes(self.names)
        return self._sizes

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[MaildirKey, str, int | None]]:
        sizes = self.sizes
        return zip(map(key_of, self.names), self.flags, sizes, strict=True)

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


def _visible(names: list[str]) -> list[str]:
    # `min` sees sooner than a look at each that none is hidden, as it nearly always is.
    if names and min(names) > _FIRST_VISIBLE:
        return names
    return [name for name in names if not is_hidden(name)]


class _FlagsByInfo(dict[str, str]):
    """The flags that the text behind `:` stands for; there are few different ones."""

    def __missing__(self, info: str) -> str:
        self[info] = flags = flags_of(SEPARATOR + info)
        return flags


def _flags_and_sizes(names: Sequence[str]) -> tuple[list[str], list[int | None]]:
    """Both columns in one go over the names, some at a time."""
    flags: list[str] = []
    sizes: list[int | None] = []
    known = _FlagsByInfo()
    for start in range(0, len(names), CHUNK):
        parts = [name.partition(SEPARATOR) for name in names[start : start + CHUNK]]
        flags += [known[info] for _, _, info in parts]
        sizes += _stated_sizes([head for head, _, _ in parts])
    return flags, sizes


def _stated_sizes(heads: list[str]) -> Sequence[int | None]:
    """The sizes that names state; without their `:` and what follows."""
    try:
        ends = [head.rsplit(",S=", 1)[1] for head in heads]
        if not _are_digits(ends):  # Dovecot's `W=` behind the size?
            ends = [end.partition(",")[0] for end in ends]
        if _are_digits(ends):
            return list(map(int, ends))
    except IndexError:  # one that states none
        pass
    except ValueError:  # an empty one, one of thousands of digits, or octets that are no text
        pass
    return [size_of(head) for head in heads]


def _are_digits(texts: list[str]) -> bool:
    """True when there is nothing but ASCII digits in them: `int` takes more than that.

    Raises:
        ValueError: a text that cannot be encoded.
    """
    return "".join(texts).encode().isdigit()
