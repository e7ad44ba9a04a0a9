"""The errors of the queue.

`QueueError` is the base; what the disk or the database refuses is a `QueueStorageError`,
which is also core's `StorageError` (4xx, exit 75), so a caller may catch either.
"""

from __future__ import annotations

from couriermail.core.errors import CouriermailError, LimitExceededError, StorageError

__all__ = [
    "CorruptMessageError",
    "MessageNotFoundError",
    "QueueBusyError",
    "QueueDamagedError",
    "QueueError",
    "QueueStorageError",
    "RecordTooLargeError",
    "disk_error",
]

FULL_ERRORS = frozenset({28, 122})  # ENOSPC, EDQUOT


class QueueError(CouriermailError):
    """Base of every error that leaves the queue.  Temporary unless a subclass says otherwise."""

    is_temporary = True
    reply_code = 432
    enhanced_code = "4.3.0"
    reply_text = "Service temporarily unavailable."
    exit_code = 75  # EX_TEMPFAIL


class QueueStorageError(StorageError, QueueError):
    """Nothing was stored: disk, file system or database refused (`is_full`: for lack of space)."""


class MessageNotFoundError(QueueError):
    """No message of this queue has that id."""

    is_temporary = False
    exit_code = 66  # EX_NOINPUT


class QueueBusyError(QueueError):
    """Another process is the scheduler of this queue, or this process has it open already."""


class CorruptMessageError(QueueError):
    """A message's record or body cannot be read; the message was moved to quarantine."""


class QueueDamagedError(QueueError):
    """The database as a whole cannot be read; the text names the file."""

    exit_code = 78  # EX_CONFIG: somebody has to look before it is started again


class RecordTooLargeError(LimitExceededError, QueueError):
    """One message's envelope or notes are larger than `QueueSettings.max_record` bytes."""

    is_temporary = False


def disk_error(error: OSError, what: str, path: str) -> QueueStorageError:
    """Turn an `OSError` met while doing `what` to `path` into a `QueueStorageError`."""
    return QueueStorageError(
        f"{what} {path}: {error.strerror or error}", path=path, is_full=error.errno in FULL_ERRORS
    )
