"""An admission for tests of submission: it decides by the address alone."""

from __future__ import annotations

import attrs

from couriermail.core import Reply
from couriermail.mta.submission import Accepted, Origin
from couriermail.queue import Recipient

__all__ = ["OpenAdmission"]


@attrs.define
class OpenAdmission:
    """Takes everybody but `nobody`, and notes what it was asked."""

    origins: list[Origin] = attrs.field(factory=list)

    def sender(self, address: str, origin: Origin) -> str | Reply:
        self.origins.append(origin)
        if address.endswith("@refused.example"):
            return Reply(517, "Syntax error.", enhanced="5.1.7")
        return address

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        if recipient.address.startswith("nobody@"):
            return Reply(550, "User unknown.", enhanced="5.1.1")
        return Accepted((recipient,))
