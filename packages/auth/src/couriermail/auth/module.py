"""What a back end can do for logins: the protocol that every authentication module fulfils.

A module is a `Directory` that can also check a login.  Changing passwords and listing accounts
are protocols of their own, because not every back end can.

    OK         an `Account`
    REJECT     None (or False): not known here, wrong password, not supported; the next is asked
    TEMPFAIL   `DirectoryError`: the back end cannot answer now; no other module is asked

Standard: spec auth 1 (the result classes), 4.1 (the chain), 4.5 (the modules).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import attrs

from couriermail.auth.account import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.auth.account import Account

__all__ = ["AccountLister", "AuthModule", "CramResponse", "PasswordChanger"]


@attrs.frozen(kw_only=True)
class CramResponse:
    """One answer to a CRAM challenge, decoded (RFC 2195 2; spec auth 4.4).

    Attributes:
        algorithm: `md5`, `sha1` or `sha256`.
        challenge: the octets that were sent to the client, without base64.
        name: the login name in the response.
        digest: the lower-case hexadecimal HMAC in the response.
    """

    algorithm: str
    challenge: bytes
    name: str
    digest: str = attrs.field(repr=False)


class AuthModule(Directory, Protocol):
    """A back end: accounts by name, and logins."""

    @property
    def name(self) -> str:
        """The module's name in a chain, such as `authuserdb`."""
        ...

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password.

        Args:
            name: the login name.
            password: the password as text; odd bytes are surrogates (`os.fsdecode`).
            service: who asks, as in `Directory.lookup`.
            remote: the client's IP address, where the caller knows it.

        Returns:
            The account, or None when the login is refused.

        Raises:
            DirectoryError: the question cannot be answered now.
        """
        ...

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Check a CRAM response; None where it is wrong or cannot be checked here.

        Raises:
            DirectoryError: the question cannot be answered now.
        """
        ...

    def idle(self) -> None:
        """Give up what costs resources while nobody asks, such as connections."""
        ...

    def close(self) -> None:
        """Give up everything; the module is not used again."""
        ...


@runtime_checkable
class PasswordChanger(Protocol):
    """A module that can change passwords."""

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Change a password; True when it was changed, False when that is refused.

        Raises:
            DirectoryError: it cannot be done now; nothing was changed.
        """
        ...


@runtime_checkable
class AccountLister(Protocol):
    """A module that can list its accounts."""

    def accounts(self) -> Iterator[Account]:
        """Every account, sorted by address where the back end allows.

        Raises:
            DirectoryError: the list is not complete.
        """
        ...
