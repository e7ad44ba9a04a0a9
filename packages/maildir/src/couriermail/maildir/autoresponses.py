"""Texts of automatic replies: `autoresponses/NAME` (spec maildir 4.14).

A quota file limits their number and size together: `C3S300` means three texts, 300 octets.
"""

from __future__ import annotations

import errno
import os

import attrs

from couriermail.core.durable import write_atomically
from couriermail.core.errors import StorageError
from couriermail.maildir.errors import (
    InvalidNameError,
    MaildirStorageError,
    QuotaExceeded,
    maildir_error,
)
from couriermail.maildir.textfiles import read_text_file, taking_turns

__all__ = ["AutoresponseQuota", "Autoresponses", "check_autoresponse_name"]

DIRECTORY = "autoresponses"
QUOTA_FILE = "autoresponsesquota"
_FORBIDDEN = frozenset("./'\"*?[]~")
_NAME_MAX = 200  # octets; leaves room for `.dat` and `.tmp`


@attrs.frozen(kw_only=True)
class AutoresponseQuota:
    """How many texts there may be, and how large together; 0 for no limit.

    Attributes:
        count: number of texts.
        size: octets of all of them.
    """

    count: int = 0
    size: int = 0

    @classmethod
    def parse(cls, text: str) -> AutoresponseQuota:
        """Read the first line of a quota file; what is not understood limits nothing."""
        limits = {"C": 0, "S": 0}
        letter = ""
        for char in text.partition("\n")[0]:
            if char in limits:
                letter = char
                limits[letter] = 0
            elif letter and "0" <= char <= "9":
                limits[letter] = limits[letter] * 10 + int(char)
            else:
                letter = ""
        return cls(count=limits["C"], size=limits["S"])

    def allows(self, count: int, size: int) -> bool:
        """True when so many texts of this size together are within the limits."""
        return (not self.count or count <= self.count) and (not self.size or size <= self.size)


class Autoresponses:
    """The texts of one maildir."""

    __slots__ = ("_everywhere", "_maildir", "path")

    def __init__(
        self, maildir: str | os.PathLike[str], *, everywhere: str | os.PathLike[str] | None = None
    ) -> None:
        """Describe the store; nothing is read yet.

        Args:
            maildir: the maildir.
            everywhere: the quota file that counts when the maildir has none, such as
                `/etc/courier/autoresponsesquota`.
        """
        self._maildir = os.fspath(maildir)
        self._everywhere = None if everywhere is None else os.fspath(everywhere)
        self.path = f"{self._maildir}/{DIRECTORY}"

    @property
    def quota(self) -> AutoresponseQuota:
        """The limits: of the maildir's own file if it can be read, else of the one for all.

        Raises:
            MaildirStorageError: a file is there but cannot be read.
        """
        for path in (f"{self._maildir}/{QUOTA_FILE}", self._everywhere):
            data = None if path is None else read_text_file(path)
            if data is not None:
                return AutoresponseQuota.parse(data.decode("ascii", "replace"))
        return AutoresponseQuota()

    def names(self) -> list[str]:
        """The names of the texts, sorted.

        Raises:
            MaildirStorageError: the directory cannot be read.
        """
        try:
            return sorted(name for name in os.listdir(self.path) if "." not in name)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise maildir_error(error, "cannot list", self.path) from error

    def read(self, name: str) -> bytes:
        """A text.

        Raises:
            InvalidNameError: not a name.
            MaildirMissingError: there is no such text.
            MaildirStorageError: it cannot be read.
        """
        path = self._file(name)
        data = read_text_file(path)
        if data is None:
            missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            raise maildir_error(missing, "cannot read", path)
        return data

    def write(self, name: str, data: bytes) -> None:
        """Store or replace a text; durable when it returns.

        Raises:
            InvalidNameError: not a name.
            QuotaExceeded: it would be too many texts, or too large; nothing was changed.
            MaildirStorageError: the system refused; the old text is still there.
        """
        path = self._file(name)
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise maildir_error(error, "cannot create", self.path) from error
        with taking_turns(self.path):
            sizes = {known: self._size(known) for known in self.names()} | {name: len(data)}
            if not self.quota.allows(len(sizes), sum(sizes.values())):
                raise QuotaExceeded(f"no room for the autoresponse {name!r}", path=path)
            try:
                write_atomically(path, [data], mode=0o600)
            except StorageError as error:
                raise MaildirStorageError(str(error), path=path) from error

    def remove(self, name: str) -> None:
        """Remove a text and what belongs to it, such as the history of replies.

        Raises:
            InvalidNameError: not a name.
            MaildirMissingError: there is no such text.
            MaildirStorageError: the system refused.
        """
        path = self._file(name)
        try:
            os.unlink(path)
            for other in os.listdir(self.path):
                if other.startswith(f"{name}."):
                    os.unlink(f"{self.path}/{other}")
        except OSError as error:
            raise maildir_error(error, "cannot remove", path) from error

    def _file(self, name: str) -> str:
        check_autoresponse_name(name)
        return f"{self.path}/{name}"

    def _size(self, name: str) -> int:
        try:
            return os.lstat(f"{self.path}/{name}").st_size
        except FileNotFoundError:
            return 0


def check_autoresponse_name(name: str) -> None:
    """Accept a name that may be a text's.

    Raises:
        InvalidNameError: it is empty, too long, or holds white space, a control character or
            one of ``. / ' " * ? [ ] ~``.
    """
    if not name or any(char in _FORBIDDEN or char <= " " or char == "\x7f" for char in name):
        raise InvalidNameError(f"not the name of an autoresponse: {name!r}")
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        size = _NAME_MAX + 1
    if size > _NAME_MAX:
        raise InvalidNameError(f"not the name of an autoresponse: {name[:40]!r}")
