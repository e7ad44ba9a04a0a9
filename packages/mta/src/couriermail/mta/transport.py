"""The plug-in contract of transports, as far as routing needs it (spec mta 10).

A transport says whether a recipient is its own and where it would send it.  `local` is built
into the router; `esmtp`, `fax` and `uucp` plug in by being passed to it.
"""

from __future__ import annotations

from typing import Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core import Reply
    from couriermail.mta.accounts import LocalTarget

__all__ = ["Route", "Transport"]


@attrs.frozen(kw_only=True)
class Route:
    """Where one recipient goes.

    Attributes:
        module: name of the transport.
        host: destination; recipients of one message with equal module and host travel
            together.  For `local` the text of `LocalTarget.host`.
        address: the recipient as the transport wants it.
        target: for `local` the account, else None.  None with module `local` is a recipient
            that was unknown at submission: scheduling it gives the failure.
    """

    module: str
    host: str
    address: str
    target: LocalTarget | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Two recipients with the same key are duplicates (spec mta 4.5)."""
        return self.module, self.host, self.address


class Transport(Protocol):
    """What the router asks of a transport."""

    @property
    def name(self) -> str:
        """The module's name: `local`, `esmtp`, `fax`, `uucp`."""
        ...

    @property
    def priority(self) -> int:
        """Transports are asked in ascending order: uucp 5, local 10, fax 45, esmtp 50."""
        ...

    def route(self, address: str) -> Route | Reply | None:
        """Claim a canonical address.

        Returns:
            The route; a reply when the address is ours but cannot be delivered; None to let
            the next transport look.
        """
        ...
