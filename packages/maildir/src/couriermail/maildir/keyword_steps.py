"""The steps of the keyword store (spec maildir 4.9a), one system call or a few at a time.

`KeywordUpdate` and `KeywordLoad` yield between their steps.  Whatever runs between two of them,
in this process or another, and wherever a process dies, no update is lost; tests interleave
the steps to show that.  `keyword_store` runs them and repeats what others disturbed.

Fault points: `maildir.keywords-written`, `maildir.keywords-linked`, `maildir.keywords-stored`
(an update) and `maildir.keywords-aged` (a load, once per file), besides those of `replacing`.
"""

from __future__ import annotations

import errno
import os

from couriermail.core.durable import sync_directory
from couriermail.core.faults import reach
from couriermail.maildir.keyword_list import (
    format_keyword_list,
    parse_keyword_list,
    parse_keywords,
    unify_spellings,
)
from couriermail.maildir.keywords import KEYWORDS_DIRECTORY, write_update
from couriermail.maildir.names import MaildirKey
from couriermail.maildir.replacing import read_small_file, replace_file, unlink_quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from couriermail.maildir.keyword_list import KeywordTable

__all__ = ["EXPIRY_SECONDS", "LIST_FILE", "FileVanished", "KeywordLoad", "KeywordUpdate"]

LIST_FILE = ":list"
EXPIRY_SECONDS = 15 * 60
_PERIOD_SECONDS = 300  # spec maildir 3.8: the unit of N in `.N.BASENAME`
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_KEYWORD_FILE = frozenset({errno.ELOOP, errno.EISDIR})  # a symbolic link, a directory


class FileVanished(Exception):  # noqa: N818 - not an error: another load was here, start again
    """A file of the store was renamed or removed between finding and reading it."""


class KeywordUpdate:
    """One update: new keywords of one message.

    Attributes:
        is_stored: True when the update counts; False while an earlier one waits for a load.
    """

    __slots__ = ("_data", "_directory", "_key", "is_stored")

    def __init__(self, directory: str, key: MaildirKey, data: bytes) -> None:
        self._directory = directory
        self._key = key
        self._data = data
        self.is_stored = False

    def steps(self) -> Iterator[None]:
        """Do it, yielding between steps.

        Raises:
            OSError: the system refused.
        """
        store = f"{self._directory}/{KEYWORDS_DIRECTORY}"
        scratch = write_update(self._directory, self._data)
        try:
            reach("maildir.keywords-written")
            yield
            self.is_stored = _link(scratch, f"{store}/{self._key}")
            reach("maildir.keywords-linked")
            yield
        finally:
            unlink_quietly(scratch)
        if self.is_stored:
            sync_directory(store)
            reach("maildir.keywords-stored")


class KeywordLoad:
    """One load: reads every message's keywords and takes in what waits.

    Attributes:
        table: the keywords by message, complete after the last step.
    """

    __slots__ = (
        "_aged",
        "_directory",
        "_is_known",
        "_is_outdated",
        "_now",
        "_store",
        "_waiting",
        "table",
    )

    def __init__(self, directory: str, now: float, is_known: Callable[[MaildirKey], bool]) -> None:
        self.table: KeywordTable = {}
        self._directory = directory
        self._store = f"{directory}/{KEYWORDS_DIRECTORY}"
        self._now = now
        self._is_known = is_known
        self._waiting: set[MaildirKey] = set()
        self._aged: dict[MaildirKey, int] = {}  # the largest N of each message
        self._is_outdated = False

    def steps(self) -> Iterator[None]:
        """Do it, yielding between steps.

        Raises:
            FileVanished: another load changed the store meanwhile; start again.
            OSError: the system refused.
        """
        self._scan()
        yield
        for key in sorted(self._waiting | self._aged.keys()):
            self._read(key)
            yield
        self._read_list()
        yield
        if self._is_outdated:
            if not self._save():
                return
            yield
        for key in sorted(self._waiting | self._aged.keys()):
            if key in self._waiting:
                self._age(key)
            else:
                self._expire(f".{self._aged[key]}.{key}")
            yield

    def _scan(self) -> None:
        for name in self._names():
            if not name.startswith("."):
                if ":" not in name and "\n" not in name:
                    self._waiting.add(MaildirKey(name))
            elif (found := _aged_name(name)) is None:
                self._expire(name)
            else:
                self._keep_newest(*found)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._store)
        except FileNotFoundError:
            os.stat(self._directory)  # no keyword was ever stored here, or it is no folder
            return []

    def _keep_newest(self, number: int, key: MaildirKey) -> None:
        other = self._aged.get(key)
        if other is not None:
            unlink_quietly(f"{self._store}/.{min(number, other)}.{key}")
        self._aged[key] = number if other is None else max(number, other)

    def _read(self, key: MaildirKey) -> None:
        name = key if key in self._waiting else f".{self._aged[key]}.{key}"
        try:
            data = read_small_file(f"{self._store}/{name}")
        except FileNotFoundError:
            raise FileVanished from None
        except OSError as error:
            if error.errno not in _NO_KEYWORD_FILE:
                raise
            self._waiting.discard(key)
            self._aged.pop(key, None)
            return
        self.table[key] = parse_keywords(data)

    def _read_list(self) -> None:
        try:
            listed = parse_keyword_list(read_small_file(f"{self._store}/{LIST_FILE}"))
        except FileNotFoundError:
            listed = {}
        merged = unify_spellings({**listed, **self.table})
        self.table = {key: merged[key] for key in merged if self._is_known(key)}
        # Courier: looks at waiting files only.  An aged file may also say something newer
        # than the list, if a slow load wrote the list last; it must not expire then.
        wanted = {key: keywords for key, keywords in self.table.items() if keywords}
        self._is_outdated = bool(self._waiting) or wanted != listed

    def _save(self) -> bool:
        data = format_keyword_list(self.table)
        try:
            replace_file(self._directory, f"{self._store}/{LIST_FILE}", data, unique="keywords")
        except OSError as error:
            if error.errno in _READ_ONLY:
                return False  # what waits goes on waiting
            raise
        return True

    def _age(self, key: MaildirKey) -> None:
        number = max(int(self._now) // _PERIOD_SECONDS + 1, self._aged.get(key, 0))
        try:
            os.utime(f"{self._store}/{key}", (self._now, self._now))
        except OSError:
            pass  # gone, or another user's: its own time will do
        try:
            os.rename(f"{self._store}/{key}", f"{self._store}/.{number}.{key}")
        except FileNotFoundError:
            pass  # another load was faster
        reach("maildir.keywords-aged")

    def _expire(self, name: str) -> None:
        path = f"{self._store}/{name}"
        try:
            if os.lstat(path).st_mtime + EXPIRY_SECONDS < self._now:
                os.unlink(path)
        except OSError:
            pass  # gone, or not ours to remove


def _link(scratch: str, path: str) -> bool:
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass  # over a network a link that was made may be reported so: the count tells
    return os.stat(scratch).st_nlink == 2


def _aged_name(name: str) -> tuple[int, MaildirKey] | None:
    """N and the message of `.N.BASENAME`."""
    digits, _, key = name[1:].partition(".")
    if not key or not digits.isascii() or not digits.isdecimal() or digits.startswith("0"):
        return None
    if len(digits) > 18 or ":" in key or "\n" in key:
        return None
    return int(digits), MaildirKey(key)
