"""Keywords of a message that is being delivered (spec maildir 3.8, 4.9a).

The store needs no lock: `courierimapkeywords/BASENAME` holds the newest keywords of one
message, one per line.  A delivery writes that file before the message becomes visible, so
that no reader sees the message without them.  `keyword_store` has the rest.
"""

from __future__ import annotations

import os

from couriermail.core.durable import sync_directory
from couriermail.maildir.errors import InvalidNameError, maildir_error
from couriermail.maildir.keyword_list import format_keywords
from couriermail.maildir.names import MaildirKey, key_of
from couriermail.maildir.replacing import scratch_name, unlink_quietly, write_scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "KEYWORDS_DIRECTORY",
    "SCRATCH_PREFIX",
    "checked_key",
    "store_new_keywords",
    "write_update",
]

KEYWORDS_DIRECTORY = "courierimapkeywords"
SCRATCH_PREFIX = ".tmp."  # readers remove such files when they are 15 minutes old


def store_new_keywords(directory: str, key: MaildirKey, keywords: Iterable[str]) -> str:
    """Store the keywords of a message that is not visible yet; durable when it returns.

    Returns:
        The path of the file, for a caller that gives the message up; empty without keywords.

    Raises:
        InvalidNameError: a keyword that cannot be stored.
        MaildirError: the system refused.
    """
    data = format_keywords(keywords)
    if not data:
        return ""
    store = f"{directory}/{KEYWORDS_DIRECTORY}"
    path = f"{store}/{key}"
    scratch = ""
    try:
        scratch = write_update(directory, data)
        os.rename(scratch, path)  # nobody else knows the key yet
        sync_directory(store)
    except OSError as error:
        unlink_quietly(scratch)
        raise maildir_error(error, "cannot store keywords in", store) from error
    return path


def write_update(directory: str, data: bytes) -> str:
    """Write an update to a scratch file of the store, which is made if need be.

    Returns:
        The synced scratch file.

    Raises:
        OSError: the system refused.
    """
    store = f"{directory}/{KEYWORDS_DIRECTORY}"
    scratch = f"{store}/{SCRATCH_PREFIX}{scratch_name('keywords')}"
    try:
        write_scratch(scratch, data)
    except FileNotFoundError:
        _make_store(directory, store)
        write_scratch(scratch, data)
    return scratch


def checked_key(name: str) -> MaildirKey:
    """The key of a message name, if keywords can be stored for it.

    Raises:
        InvalidNameError: it is empty, hidden, or would name another file than a message's.
    """
    key = key_of(name)
    if not key or key.startswith(".") or any(char in "/\n\0" for char in key):
        raise InvalidNameError(f"not a message name: {name!r}")
    return key


def _make_store(directory: str, store: str) -> None:
    try:
        os.mkdir(store, 0o700)
        os.chmod(store, os.stat(directory).st_mode & 0o777)
        sync_directory(directory)
    except FileExistsError:
        pass  # another process was faster
