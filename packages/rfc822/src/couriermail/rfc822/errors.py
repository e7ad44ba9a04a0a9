"""Errors of the rfc822 room.

Bad mail raises nothing: readers are lenient and record defects.  What is raised here are a
caller's wrong arguments, limits that a caller asked to be enforced, and files that cannot
be opened.
"""

from __future__ import annotations

from couriermail.core import CouriermailError, LimitExceededError, ParseError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from couriermail.rfc822.defects import Defect

__all__ = [
    "DefectiveMessageError",
    "EditError",
    "EncodingError",
    "HeaderLimitError",
    "LimitsError",
    "MessageFileError",
    "MissingFieldError",
    "PgpError",
    "PgpProgramError",
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


class LimitsError(Rfc822Error, ValueError):
    """A limit was set to what would be no limit, or to less than one."""


class EditError(Rfc822Error, ValueError):
    """A message cannot be changed as asked without harm to the rest of it."""


class DefectiveMessageError(Rfc822Error, ParseError):
    """Strict reading was asked for, and something is wrong.

    Attributes:
        defects: what is wrong, in the order of the document; at least one.
        offset: the place of the first.
    """

    reply_code = 550
    enhanced_code = "5.6.0"
    reply_text = "The message is not well-formed."

    def __init__(self, defects: Sequence[Defect]) -> None:
        names = ", ".join(f"{defect.kind.name} at {defect.offset}" for defect in defects[:5])
        super().__init__(f"defective message: {names}", offset=defects[0].offset)
        self.defects = tuple(defects)


class MessageFileError(Rfc822Error, StorageError):
    """A message file cannot be opened or mapped.

    Attributes:
        path: the file.
    """


class PgpError(Rfc822Error):
    """A message cannot be signed or encrypted; the message is what the program said."""


class PgpProgramError(PgpError):
    """The OpenPGP program cannot be run, or had to be stopped: no fault of the message."""

    is_temporary = True
    reply_code = 451
    enhanced_code = "4.3.0"
    reply_text = "Cryptographic service not available."
    exit_code = 75  # EX_TEMPFAIL
