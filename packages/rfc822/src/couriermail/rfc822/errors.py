"""Errors of the rfc822 room.

Bad mail raises nothing: readers are lenient and record defects.  What is raised here are a
caller's wrong arguments, limits that a caller asked to be enforced, and files that cannot
be opened.
"""

from __future__ import annotations

from couriermail.core import CouriermailError, LimitExceededError, StorageError

__all__ = [
    "EncodingError",
    "HeaderLimitError",
    "MessageFileError",
    "MissingFieldError",
    "Rfc822Error",
]


class Rfc822Error(CouriermailError):
    """Base of every error that this room raises."""

    exit_code = 65  # EX_DATAERR


class MissingFieldError(Rfc822Error, KeyError):
    """A header field was asked for by `headers[name]` and is not there."""

    def __str__(self) -> str:
        """The message as written; `KeyError` would show its `repr`."""
        return str(self.args[0])


class HeaderLimitError(Rfc822Error, LimitExceededError):
    """A header block is larger than the limits given to `HeaderReader`.

    Attributes:
        limit: `max_bytes` or `max_fields`.
        maximum: its value.
    """

    reply_code = 534
    enhanced_code = "5.3.4"
    reply_text = "Message header size exceeds policy limit."  # spec rfc822 4.26


class EncodingError(Rfc822Error, ValueError):
    """Something cannot be written in the form that was asked for."""


class MessageFileError(Rfc822Error, StorageError):
    """A message file cannot be opened or mapped.

    Attributes:
        path: the file.
    """
