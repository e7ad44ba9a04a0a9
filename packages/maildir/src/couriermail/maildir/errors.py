"""The errors of this room, all below `MaildirError`.

Each carries the path concerned (for the log, never for a peer) and the errno where the
system gave one, and says through `is_temporary` whether the mail should be tried again.
"""

from __future__ import annotations

import errno as codes
import os

from couriermail.core.durable import FULL_ERRORS
from couriermail.core.errors import CouriermailError, StorageError

__all__ = [
    "AclMinimumError",
    "InvalidNameError",
    "MaildirError",
    "MaildirExistsError",
    "MaildirLockedError",
    "MaildirMissingError",
    "MaildirStorageError",
    "QuotaExceeded",
    "QuotaTextError",
    "maildir_error",
]


class MaildirError(CouriermailError):
    """Base of the errors that `couriermail.maildir` raises.

    Attributes:
        path: the file or directory concerned, or None; for the log only.
        errno: the system's error number, or the one that names the condition; 0 for none.
    """

    is_temporary = True  # a mailbox that cannot be written today may be mended tomorrow
    reply_code = 451
    enhanced_code = "4.2.0"
    reply_text = "Mailbox unavailable."
    exit_code = 75  # EX_TEMPFAIL
    errno: int = 0

    def __init__(self, message: str, *, path: str | None = None, errno: int = 0) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno or type(self).errno

    @property
    def reason(self) -> str:
        """The system's words for `errno`, as commands print them after a path."""
        return os.strerror(self.errno) if self.errno else str(self)


class InvalidNameError(MaildirError):
    """A folder name, flag or keyword that cannot be stored (spec maildir 3.3, 5)."""

    is_temporary = False
    reply_code = 550
    enhanced_code = "5.2.0"
    exit_code = 65  # EX_DATAERR
    errno = codes.EINVAL


class AclMinimumError(MaildirError):
    """An access control list that would lock out an owner or the administrators.

    Attributes:
        identifier: who would lose rights that cannot be taken away (spec maildir 4.9 rule 5).
    """

    is_temporary = False
    reply_code = 550
    enhanced_code = "5.7.0"
    exit_code = 65  # EX_DATAERR
    errno = codes.EINVAL

    def __init__(self, identifier: str) -> None:
        super().__init__(f"{identifier} would lose access rights that it must have")
        self.identifier = identifier


class QuotaTextError(MaildirError):
    """A quota text without a limit in it (spec maildir 4.6)."""

    is_temporary = False
    reply_code = 550
    enhanced_code = "5.2.0"
    exit_code = 65  # EX_DATAERR
    errno = codes.EINVAL


class MaildirExistsError(MaildirError):
    """The maildir or folder to create is there already."""

    is_temporary = False
    exit_code = 73  # EX_CANTCREAT
    errno = codes.EEXIST


class MaildirMissingError(MaildirError):
    """There is no maildir at this path, or no message under this key."""

    errno = codes.ENOENT


class MaildirLockedError(MaildirError):
    """Somebody else holds the lock, and waiting was not wanted or took too long."""

    errno = codes.EAGAIN


class QuotaExceeded(MaildirError):  # noqa: N818 - the name that the architecture fixed
    """The message does not fit into the mailbox's quota.  Temporary: mail may be deleted.

    Attributes:
        percent: how full the mailbox counts as, always 100 (spec maildir 5).
    """

    reply_code = 452
    enhanced_code = "4.2.2"  # RFC 3463 3.3: mailbox full
    reply_text = "Mailbox full."
    errno = codes.ENOSPC
    percent: int = 100


class MaildirStorageError(MaildirError, StorageError):
    """The disk or the file system refused; nothing was stored.

    Attributes:
        is_full: True when the cause is lack of space.
    """

    def __init__(self, message: str, *, path: str | None = None, errno: int = 0) -> None:
        StorageError.__init__(self, message, path=path, is_full=errno in FULL_ERRORS)
        self.errno = errno


_CONDITIONS: dict[int, type[MaildirError]] = {
    codes.ENOENT: MaildirMissingError,
    codes.ENOTDIR: MaildirMissingError,
    codes.EEXIST: MaildirExistsError,
}


def maildir_error(error: OSError, what: str, path: str) -> MaildirError:
    """Turn an `OSError` met while doing `what` to `path` into the error of this room."""
    number = error.errno or 0
    kind = _CONDITIONS.get(number, MaildirStorageError)
    return kind(f"{what} {path}: {error.strerror or error}", path=path, errno=number)
