"""What modules over a connection that is kept have in common.

Standard: spec auth 4.5 (CRAM needs the clear password; idle gives connections up).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic

from couriermail.auth.backends.credentials import accept_cram
from couriermail.auth.backends.session import Connection, Session, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account
    from couriermail.auth.module import CramResponse

__all__ = ["SessionModule"]


class SessionModule(ABC, Generic[Settings, Connection]):
    """The part of an `AuthModule` that follows from its lookup and its session.

    Attributes:
        session: the connection; classes below declare it.
    """

    __slots__ = ()

    session: Session[Settings, Connection]

    @abstractmethod
    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account, with its stored passwords; see `Directory.lookup`."""

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Check a CRAM response against the stored clear password; see `AuthModule.cram`.

        Raises:
            DirectoryError: the question cannot be answered now.
        """
        return accept_cram(self.lookup(response.name, service), response)

    def idle(self) -> None:
        """Close the connection until the next request."""
        self.session.close()

    def close(self) -> None:
        """Close the connection."""
        self.session.close()
