"""`KeywordStore`: the keywords of a folder's messages, shared without a lock.

Theory of operation (spec maildir 4.9a).  An *update* puts the keywords of one message into a
scratch file and links it to `courierimapkeywords/BASENAME`.  The link fails while an earlier
update waits there, so no update is replaced unseen.  A *load* takes in what waits:

1. read the waiting files, then `:list`, the table of all older updates;
2. write `:list` anew, if something changed, and rename it into place;
3. rename each waiting file to `.N.BASENAME`, where it still counts for readers that have seen
   the old `:list`; `N` grows with time.  15 minutes later it is removed.

A process may die between any two of these steps, and others may be at any of them: every
update is in at least one file that counts, and the newest counts most.  Only a load that takes
longer than 15 minutes can bring back older keywords.

Courier: an update replaces what waits.  Both kinds may share a store.
"""

from __future__ import annotations

import os
import time

from couriermail.maildir.errors import MaildirLockedError, maildir_error
from couriermail.maildir.keyword_list import distinct_keywords, fold_keyword, format_keywords
from couriermail.maildir.keyword_steps import FileVanished, KeywordLoad, KeywordUpdate
from couriermail.maildir.keywords import checked_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from couriermail.core.clock import Clock
    from couriermail.maildir.keyword_list import Keywords, KeywordTable
    from couriermail.maildir.names import MaildirKey

__all__ = ["KeywordStore"]

_MOST_ATTEMPTS = 1000  # restarts of a load, or updates that others forestall
_LONGEST_PAUSE = 0.01  # seconds between such attempts


class KeywordStore:
    """The keywords of the messages of one maildir or folder.

    Making this object touches no file.  Every method is safe beside other processes.

    Attributes:
        directory: the maildir or folder.
    """

    __slots__ = ("_clock", "_pause", "directory")

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.directory = os.fspath(directory)
        self._clock = clock
        self._pause = pause

    def load(self, is_known: Callable[[MaildirKey], bool] | None = None) -> KeywordTable:
        """The keywords of all messages, by key.

        Takes in what waits and writes `:list`, where the folder may be written.

        Args:
            is_known: tells whether a message is still there; keywords of others are dropped.

        Returns:
            Messages with keywords, and some that had theirs taken away lately, with none.

        Raises:
            MaildirMissingError: there is no such folder.
            MaildirError: the store cannot be read or written.
        """
        for attempt in range(_MOST_ATTEMPTS):
            load = KeywordLoad(self.directory, self._now(), is_known or _is_anything)
            try:
                for _ in load.steps():
                    pass
            except FileVanished:
                self._wait(attempt)
            except OSError as error:
                raise maildir_error(error, "cannot load keywords of", self.directory) from error
            else:
                return load.table
        raise self._never_quiet()

    def get(self, key: str) -> Keywords:
        """The keywords of one message; empty when it has none.

        Raises:
            InvalidNameError: no message can have this key.
            MaildirError: see `load`.
        """
        return self.load().get(checked_key(key), ())

    def set(self, key: str, keywords: Iterable[str]) -> None:
        """Replace the keywords of one message; durable when it returns.

        Args:
            key: the message's key; flags behind it are passed over.
            keywords: the new ones; ASCII case does not matter and the first spelling counts.

        Raises:
            InvalidNameError: the key or a keyword cannot be stored.
            MaildirMissingError: there is no such folder.
            MaildirError: the system refused; the keywords are as they were.
        """
        data = format_keywords(keywords)
        self._store(key, lambda: data)

    def add(self, key: str, keywords: Iterable[str]) -> None:
        """Add keywords to those of a message.

        Should another process change the same message at that moment, the later change may
        not know of the earlier; `couriermail.maildir.locks.folder_lock` keeps them apart.

        Raises:
            MaildirError: see `set`.
        """
        added = list(keywords)
        self._store(key, lambda: format_keywords((*self.get(key), *added)))

    def remove(self, key: str, keywords: Iterable[str]) -> None:
        """Take keywords from those of a message; see `add`.

        Raises:
            MaildirError: see `set`.
        """
        gone = {fold_keyword(word) for word in distinct_keywords(keywords)}
        self._store(
            key,
            lambda: format_keywords(w for w in self.get(key) if fold_keyword(w) not in gone),
        )

    def _store(self, key: str, contents: Callable[[], bytes]) -> None:
        name = checked_key(key)
        for attempt in range(_MOST_ATTEMPTS):
            update = KeywordUpdate(self.directory, name, contents())
            try:
                for _ in update.steps():
                    pass
            except OSError as error:
                raise maildir_error(error, "cannot store keywords in", self.directory) from error
            if update.is_stored:
                return
            self._wait(attempt)
            self.load()  # takes in what waits, which makes room
        raise self._never_quiet()

    def _now(self) -> float:
        return self._clock.now() if self._clock is not None else time.time()

    def _wait(self, attempt: int) -> None:
        if attempt:  # at random, so that two processes do not stay in step
            self._pause(os.urandom(1)[0] / 255 * _LONGEST_PAUSE)

    def _never_quiet(self) -> MaildirLockedError:
        message = f"keywords change all the time: {self.directory}"
        return MaildirLockedError(message, path=self.directory)

    def __repr__(self) -> str:
        return f"KeywordStore({self.directory!r})"


def _is_anything(_: MaildirKey) -> bool:
    return True
