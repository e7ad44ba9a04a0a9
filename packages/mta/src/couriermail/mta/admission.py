"""The router's word on addresses, as submission asks for it (spec mta.md 4.2, 5.4, 6.2)."""

from __future__ import annotations

import attrs

from couriermail.core import Reply
from couriermail.mta.addresses import AddressRules
from couriermail.mta.aliases import Aliases, AliasSource, alias_key, expand
from couriermail.mta.config import Config
from couriermail.mta.router import Router
from couriermail.mta.submission import Accepted, Origin
from couriermail.mta.transport import Route
from couriermail.queue import Recipient

__all__ = ["RouterAdmission"]


@attrs.frozen
class RouterAdmission:
    """Canonical form, aliases and existence, in that order."""

    rules: AddressRules
    aliases: AliasSource
    router: Router

    @classmethod
    def of(cls, config: Config, router: Router) -> RouterAdmission:
        """The admission that a configuration asks for."""
        return cls(AddressRules.of(config), Aliases(config), router)

    def sender(self, address: str, origin: Origin) -> str | Reply:
        """The canonical reverse-path, or why it is refused."""
        return self.rules.sender(address, origin.module)

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        """Who gets the mail for one address, or why nobody does."""
        written = self.rules.recipient(
            recipient.address,
            origin.module,
            may_relay=origin.may_relay,
            server_ip=origin.server_ip,
            fold=False,
        )
        if isinstance(written, Reply):
            return written
        address = self.rules.fold(written)
        canonical = attrs.evolve(recipient, address=address)
        expansion = expand(
            canonical,
            self.aliases,
            module=origin.module,
            verp=verp,
            was_rewritten=address != recipient.address,
            written=written,
        )
        if isinstance(expansion, Reply):
            return expansion
        mailboxes, targets = [], []
        is_remote = True
        for member in expansion.recipients:
            route = self.router.check_recipient(member.address, origin.module)
            if isinstance(route, Reply) and expansion.must_exist:
                return route
            is_remote = is_remote and isinstance(route, Route) and route.module != "local"
            # Members of larger aliases may be unknown now; the scheduler finds out.
            known = "\n".join(route.key) if isinstance(route, Route) else member.address
            mailboxes.append(known)
            targets.append(route.target if isinstance(route, Route) else None)
        delivered = tuple((alias, expansion.delivered_outcome(0)) for alias in expansion.delivered)
        return Accepted(
            expansion.recipients,
            delivered,
            tuple(mailboxes),
            is_remote=is_remote,
            targets=tuple(targets),
            alias=alias_key(address, self.rules) if expansion.is_alias else "",
        )
