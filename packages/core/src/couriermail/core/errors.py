"""The root of all errors that leave a couriermail library.

Every error says three things to its caller: whether trying again later may help
(`is_temporary`), which SMTP reply a server may give a peer for it (`reply`; generic text
only, never a path, user data or exception text) and which sysexits code a command ends
with (`exit_code`).  Classes set defaults; an instance may override each of them.

This module imports nothing, so that the commands which run once per message can use it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.reply import Reply

__all__ = [
    "AuthError",
    "ConfigError",
    "CouriermailError",
    "LimitExceededError",
    "LocalProtocolError",
    "MissingExtraError",
    "ParseError",
    "ProtocolError",
    "RemoteProtocolError",
    "StorageError",
]


class CouriermailError(Exception):
    """Base of every error that couriermail raises.

    Attributes:
        is_temporary: True when the same request may succeed later.
        reply_code: three-digit SMTP reply code for a peer (RFC 5321 4.2).
        enhanced_code: enhanced status code for a peer (RFC 3463), such as `4.3.0`.
        reply_text: generic text for a peer.
        exit_code: sysexits code for a command.
    """

    is_temporary: bool = False
    reply_code: int = 554
    enhanced_code: str = "5.0.0"
    reply_text: str = "Transaction failed."
    exit_code: int = 70  # EX_SOFTWARE

    @property
    def reply(self) -> Reply:
        """The reply that a server may give a peer for this error."""
        from couriermail.core.reply import Reply

        return Reply(self.reply_code, self.reply_text, enhanced=self.enhanced_code)


class ParseError(CouriermailError):
    """Input that does not follow its grammar, with the place where it stops doing so.

    Attributes:
        offset: byte offset of the problem in the input, or None where it has no one place.
    """

    reply_code = 501
    enhanced_code = "5.5.2"
    reply_text = "Syntax error."
    exit_code = 65  # EX_DATAERR

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class ProtocolError(CouriermailError):
    """A protocol was broken; one of the two leaves says by whom."""

    reply_code = 503
    enhanced_code = "5.5.1"
    reply_text = "Bad sequence of commands."
    exit_code = 76  # EX_PROTOCOL


class LocalProtocolError(ProtocolError):
    """The caller asked an engine for something that the protocol forbids now."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol forbids."""


class LimitExceededError(CouriermailError):
    """A named limit was passed.

    Attributes:
        limit: the limit's name, such as `max_message_size`.
        maximum: its value.
    """

    reply_code = 552
    enhanced_code = "5.3.4"
    reply_text = "A limit was exceeded."
    exit_code = 65  # EX_DATAERR

    def __init__(self, message: str, *, limit: str, maximum: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.maximum = maximum


class StorageError(CouriermailError):
    """Nothing was stored: the disk, the file system or the database refused.  Temporary.

    Attributes:
        path: the file or directory concerned, for the log; never shown to a peer.
        is_full: True when the cause is lack of space (disk, quota of the system, map).
    """

    is_temporary = True
    reply_code = 432
    enhanced_code = "4.3.0"
    reply_text = "Service temporarily unavailable."
    exit_code = 75  # EX_TEMPFAIL

    def __init__(self, message: str, *, path: str | None = None, is_full: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.is_full = is_full
        if is_full:
            self.reply_code = 452
            self.enhanced_code = "4.3.1"
            self.reply_text = "Mail system full."


class AuthError(CouriermailError):
    """Credentials or an account lookup failed."""

    reply_code = 535
    enhanced_code = "5.7.8"
    reply_text = "Authentication failed."
    exit_code = 77  # EX_NOPERM


class ConfigError(CouriermailError):
    """A configuration file or setting cannot be used.

    Attributes:
        path: the file, or None for a setting given in code.
        line: 1-based line, or None.
        column: 1-based column, or None.
    """

    is_temporary = True
    reply_code = 451
    enhanced_code = "4.3.5"
    reply_text = "Service temporarily unavailable."
    exit_code = 78  # EX_CONFIG

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)
        self.path = path
        self.line = line
        self.column = column


class MissingExtraError(ConfigError):
    """An optional back end was asked for whose packages are not installed."""

    def __init__(self, distribution: str, extra: str) -> None:
        super().__init__(f"needs an optional package: pip install '{distribution}[{extra}]'")
        self.distribution = distribution
        self.extra = extra
