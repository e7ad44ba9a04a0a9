"""What can go wrong with an account lookup; every error of this room is an `AuthError`.

That a name is unknown is no error: a directory answers None.
"""

from __future__ import annotations

from couriermail.core.errors import AuthError

__all__ = [
    "AuthError",
    "DaemonUnavailableError",
    "DirectoryError",
    "DuplicateNameError",
    "InvalidLoginError",
    "ModuleMissingError",
    "PasswordError",
    "SaslAbortedError",
    "SaslError",
    "SaslMechanismError",
    "UserdbError",
    "UserdbInputError",
    "UserdbLinkError",
    "WireError",
]


class DirectoryError(AuthError):
    """A directory cannot answer now.  Temporary: nothing is known about the account."""

    is_temporary = True
    reply_code = 454  # RFC 4954 6: temporary authentication failure
    enhanced_code = "4.7.0"
    reply_text = "Temporary authentication failure."
    exit_code = 75  # EX_TEMPFAIL


class ModuleMissingError(AuthError):
    """There is no such back end here: its name is unknown, or its library is not installed.

    Attributes:
        is_known: the back end exists; what to install for it is in the message.
    """

    exit_code = 75  # EX_TEMPFAIL: it can be installed

    def __init__(self, message: str, *, is_known: bool) -> None:
        super().__init__(message)
        self.is_known = is_known


class PasswordError(DirectoryError):
    """A password cannot be checked because this machine lacks the hash's algorithm."""


class UserdbError(DirectoryError):
    """The userdb cannot be used.

    Attributes:
        path: the file or directory concerned, for the log.
        line: 1-based line, or None.
    """

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        super().__init__(f"{path}: {message}" if line is None else f"{path}:{line}: {message}")
        self.path = path
        self.line = line


class InvalidLoginError(AuthError):
    """A name or password that no back end may see, such as one with a control character.

    It is refused before anybody is asked (spec auth 5: EINVAL).
    """


class WireError(DirectoryError):
    """Bytes that do not follow the authdaemond protocol, or a value that cannot be said in it.

    To a client this is a temporary failure; a server closes the connection.
    """


class DuplicateNameError(UserdbError):
    """A userdb has two records of one name.

    Attributes:
        reason: the words that makeuserdb's users know, without the place.
    """

    def __init__(self, name: bytes, *, path: str, line: int | None = None) -> None:
        shown = name.decode("utf-8", "backslashreplace")
        # Spec auth 2.6 fixes these words, which never named the place.
        self.reason = f"Cannot store record for {shown} - duplicate or out of disk space."
        super().__init__(self.reason, path=path, line=line)


class UserdbLinkError(UserdbError):
    """A symbolic link stands where the userdb, or a table of it, should be."""

    def __init__(self, *, path: str) -> None:
        super().__init__("is a symbolic link", path=path)


class UserdbInputError(AuthError):
    """A name, field or value that no userdb can hold; nothing was changed."""

    exit_code = 65  # EX_DATAERR


class DaemonUnavailableError(DirectoryError):
    """No authdaemond answers at its socket.

    Attributes:
        path: the socket, for the log.
        reason: what the system says.
    """

    def __init__(self, path: str, error: OSError) -> None:
        self.path = path
        self.reason = error.strerror or "Connection timed out"
        hint = "is the daemon running, and may this user enter its directory?"
        super().__init__(f"authdaemon: s_connect() failed: {self.reason}: {path}: {hint}")


class SaslError(AuthError):
    """A SASL exchange failed: the other side broke the mechanism, or proved nothing."""


class SaslMechanismError(SaslError):
    """There is no such mechanism, or none that both sides may use."""

    reply_code = 504  # RFC 4954 4: mechanism not supported
    enhanced_code = "5.5.4"
    reply_text = "Unknown authentication mechanism."


class SaslAbortedError(SaslError):
    """The client gave up with `*`, or sent what no step of the mechanism can be."""

    reply_code = 501  # RFC 4954 4
    enhanced_code = "5.7.0"
    reply_text = "Authentication cancelled."
