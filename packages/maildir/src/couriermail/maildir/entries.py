"""Messages of a maildir, as their file names tell (spec maildir 3.2)."""

from __future__ import annotations

import os

import attrs

from couriermail.maildir.errors import maildir_error
from couriermail.maildir.names import (
    MaildirKey,
    flags_of,
    is_hidden,
    key_of,
    size_of,
    virtual_size_of,
)
from couriermail.maildir.virtualsize import VirtualSize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["Entry", "iter_entries"]

_PIECE = 1 << 16


@attrs.frozen(kw_only=True)
class Entry:
    """One message.  Key, flags and size come from the name; nothing is read for them.

    Attributes:
        directory: the maildir or folder.
        subdirectory: `new` or `cur`.
        name: the file's name.
    """

    directory: str
    subdirectory: str
    name: str

    @property
    def key(self) -> MaildirKey:
        """What stays the same when flags change."""
        return key_of(self.name)

    @property
    def flags(self) -> str:
        """Flag letters such as `RS`."""
        return flags_of(self.name)

    @property
    def is_new(self) -> bool:
        """True while no mail reader has seen it."""
        return self.subdirectory == "new"

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.directory}/{self.subdirectory}/{self.name}"

    @property
    def size(self) -> int:
        """Octets: from the name, or from the file where the name does not say.

        Raises:
            MaildirMissingError: the file is gone.
        """
        stated = size_of(self.name)
        if stated is not None:
            return stated
        try:
            return os.stat(self.path).st_size
        except OSError as error:
            raise maildir_error(error, "cannot read", self.path) from error

    @property
    def virtual_size(self) -> int:
        """Octets with CRLF line ends, as IMAP and POP3 count them (RFC 3501 2.3.4).

        From the name where it has Dovecot's `W=`; otherwise the message is read.

        Raises:
            MaildirMissingError: the file is gone.
            MaildirStorageError: it cannot be read.
        """
        stated = virtual_size_of(self.name)
        if stated is not None:
            return stated
        size = VirtualSize()
        try:
            with self.open() as file:
                while piece := file.read(_PIECE):
                    size.feed(piece)
        except OSError as error:
            raise maildir_error(error, "cannot read", self.path) from error
        return size.octets

    def open(self) -> BinaryIO:
        """Open the message for reading.

        Raises:
            MaildirMissingError: the file is gone, or is a symbolic link.
            MaildirStorageError: the system refused.
        """
        try:
            return open(self.path, "rb", opener=_open_no_link)
        except OSError as error:
            raise maildir_error(error, "cannot open", self.path) from error


def iter_entries(directory: str) -> Iterator[Entry]:
    """The messages of a maildir or folder, `new` first, in no particular order.

    Raises:
        MaildirError: the maildir cannot be read.
    """
    for subdirectory in ("new", "cur"):
        path = f"{directory}/{subdirectory}"
        try:
            with os.scandir(path) as names:
                for found in names:
                    if not is_hidden(found.name):
                        yield Entry(directory=directory, subdirectory=subdirectory, name=found.name)
        except OSError as error:
            raise maildir_error(error, "cannot list", path) from error


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
