"""The folders that a mail reader shows: `courierimapsubscribed` (spec maildir 3.1).

One full folder name per line in UTF-8, such as `INBOX.Résumé` or `#shared.alice.Work`.
`INBOX` at the start of a name counts in any case.  A name need not be a folder's: mail
readers subscribe before they create.
"""

from __future__ import annotations

import os

from couriermail.maildir.errors import InvalidNameError
from couriermail.maildir.folders import INBOX
from couriermail.maildir.textfiles import read_text_file, store_text_file, taking_turns

__all__ = ["SUBSCRIPTIONS_FILE", "Subscriptions"]

SUBSCRIPTIONS_FILE = "courierimapsubscribed"


class Subscriptions:
    """The list of one maildir; every call reads the file, so that all programs agree."""

    __slots__ = ("_maildir", "path")

    def __init__(self, maildir: str | os.PathLike[str]) -> None:
        self._maildir = os.fspath(maildir)
        self.path = f"{self._maildir}/{SUBSCRIPTIONS_FILE}"

    def names(self) -> list[str]:
        """The names in the order of the file, each once.

        Raises:
            MaildirStorageError: the file cannot be read.
        """
        data = read_text_file(self.path) or b""
        found: dict[str, str] = {}
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            if line:
                found.setdefault(_folded(line), line)
        return list(found.values())

    def __contains__(self, name: str) -> bool:
        return _folded(name) in map(_folded, self.names())

    def add(self, name: str) -> bool:
        """Subscribe; durable when it returns.

        Returns:
            False when the name was there.

        Raises:
            InvalidNameError: an empty name or a control character.
            MaildirError: the file cannot be written; the old one is still there.
        """
        _check(name)
        with taking_turns(self._maildir):
            names = self.names()
            if _folded(name) in map(_folded, names):
                return False
            self._write([*names, name])
        return True

    def remove(self, name: str) -> bool:
        """Unsubscribe; durable when it returns.

        Returns:
            False when the name was not there.

        Raises:
            MaildirError: the file cannot be written; the old one is still there.
        """
        with taking_turns(self._maildir):
            names = self.names()
            kept = [known for known in names if _folded(known) != _folded(name)]
            if len(kept) == len(names):
                return False
            self._write(kept)
        return True

    def replace(self, names: list[str]) -> None:
        """Write a whole new list; durable when it returns.

        Raises:
            InvalidNameError: an empty name or a control character; nothing was changed.
            MaildirError: the file cannot be written; the old one is still there.
        """
        for name in names:
            _check(name)
        with taking_turns(self._maildir):
            self._write(names)

    def _write(self, names: list[str]) -> None:
        data = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        store_text_file(self._maildir, self.path, data, unique="imapsubscribe0")


def _folded(name: str) -> str:
    prefix, dot, rest = name.partition(".")
    return f"{INBOX}{dot}{rest}" if prefix.upper() == INBOX else name


def _check(name: str) -> None:
    if not name or any(char < " " or char == "\x7f" for char in name):
        raise InvalidNameError(f"not a folder name: {name!r}")
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidNameError(f"folder name is not valid Unicode: {name!r}") from None
