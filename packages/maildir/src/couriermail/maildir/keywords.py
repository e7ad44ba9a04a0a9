"""Keywords of a message that is being delivered (spec maildir 3.8, 4.9a).

The store needs no lock: `courierimapkeywords/BASENAME` holds the newest keywords of one
message, one per line.  A delivery writes that file before the message becomes visible, so
that no reader sees the message without them.
"""

from __future__ import annotations

import os
import time

from couriermail.core.durable import create_exclusive, sync_directory, write_all
from couriermail.maildir.errors import InvalidNameError, maildir_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from couriermail.maildir.names import MaildirKey

__all__ = ["KEYWORDS_DIRECTORY", "distinct_keywords", "store_new_keywords"]

KEYWORDS_DIRECTORY = "courierimapkeywords"


def distinct_keywords(keywords: Iterable[str]) -> list[str]:
    """Keywords without repeats; ASCII case does not matter and the first spelling stays.

    Raises:
        InvalidNameError: an empty keyword, or one with a line end or NUL.
    """
    kept: dict[str, str] = {}
    for keyword in keywords:
        if not keyword or any(char in "\n\r\0" for char in keyword):
            raise InvalidNameError(f"not a keyword: {keyword!r}")
        folded = keyword.encode("utf-8", "surrogateescape").lower()
        kept.setdefault(folded.decode("utf-8", "surrogateescape"), keyword)
    return list(kept.values())


def store_new_keywords(directory: str, key: MaildirKey, keywords: Iterable[str]) -> str:
    """Store the keywords of a message that is not visible yet; durable when it returns.

    Returns:
        The path of the file, for a caller that gives the message up; empty without keywords.

    Raises:
        InvalidNameError: a keyword that cannot be stored.
        MaildirError: the system refused.
    """
    lines = "".join(f"{keyword}\n" for keyword in distinct_keywords(keywords))
    if not lines:
        return ""
    store = f"{directory}/{KEYWORDS_DIRECTORY}"
    scratch = f"{store}/.tmp.{int(time.time())}{key}"
    path = f"{store}/{key}"
    try:
        _make_store(directory, store)
        _write(scratch, lines.encode("utf-8", "surrogateescape"))
        os.rename(scratch, path)  # nobody else knows the key yet
        sync_directory(store)
    except OSError as error:
        raise maildir_error(error, "cannot store keywords in", store) from error
    return path


def _make_store(directory: str, store: str) -> None:
    try:
        os.mkdir(store, 0o700)
        os.chmod(store, os.stat(directory).st_mode & 0o777)
    except FileExistsError:
        pass


def _write(path: str, data: bytes) -> None:
    descriptor = create_exclusive(path, 0o600)
    try:
        write_all(descriptor, data)
        os.fdatasync(descriptor)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
