"""Routing: which transport takes a recipient (spec mta 4.4).

The same search runs when a recipient is submitted (`check_recipient`), at each round of the
scheduler (`route`) and for VRFY (`verify`); only the wording of refusals differs.
"""

from __future__ import annotations

import attrs

from couriermail.core import Reply
from couriermail.mta.accounts import AccountSearch
from couriermail.mta.addresses import split_address, unquote_local_part
from couriermail.mta.transport import Route, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from couriermail.auth import Directory
    from couriermail.core import Clock
    from couriermail.mta.config import Config
    from couriermail.mta.domains import Domains

__all__ = ["LocalRouting", "Router"]

_BOUNCED_LATER = frozenset({"local", "uucp"})
_UNKNOWN_USER = Reply(550, "User unknown.", enhanced="5.1.1")
_UNKNOWN_AT_SUBMISSION = Reply(511, "Unknown user.", enhanced="5.1.1")
_UNDELIVERABLE = Reply(511, "Undeliverable address.", enhanced="5.1.1")
_REMOTE = Reply(550, "Remote address.", enhanced="5.1.6")
_NO_ROUTE = Reply(
    550, "Cannot send mail: no route to remote hosts is configured.", enhanced="5.4.4"
)


@attrs.frozen
class LocalRouting:
    """The built-in transport for local and hosted domains.

    Attributes:
        domains: which domains are ours.
        accounts: who has mailboxes.
    """

    domains: Domains
    accounts: AccountSearch
    name: str = attrs.field(default="local", init=False)
    priority: int = attrs.field(default=10, init=False)

    def route(self, address: str) -> Route | Reply | None:
        """Claim addresses without a domain or with one of ours; see `Transport.route`."""
        local, domain = split_address(address)
        if "!" in local and not local.startswith('"'):
            return None  # a bang path
        hosted = None
        if domain is not None:
            match = self.domains.match(domain)
            if not match.is_ours:
                return None
            hosted = match.effective
        target = self.accounts.find(unquote_local_part(local), hosted)
        if isinstance(target, Reply):
            return target
        return Route(module="local", host=target.host, address=target.name, target=target)


@attrs.frozen
class Router:
    """Finds the transport of each recipient.

    Attributes:
        transports: in the order in which they are asked.
    """

    transports: tuple[Transport, ...]

    @classmethod
    def of(
        cls,
        config: Config,
        directory: Directory,
        *,
        transports: Iterable[Transport] = (),
        clock: Clock | None = None,
    ) -> Router:
        """The router of a configuration: the local transport and those that plug in."""
        local = LocalRouting(config.domains, AccountSearch.of(config, directory, clock))
        every: list[Transport] = [local, *transports]
        return cls(tuple(sorted(every, key=lambda transport: transport.priority)))

    def check_recipient(self, address: str, module: str) -> Route | Reply:
        """Route a recipient while its message is submitted.

        Unknown users are refused, except to `local` and `uucp` submitters: list software must
        not fail because a subscriber vanished, so these are accepted and bounced by the
        scheduler (spec mta 4.5).

        Args:
            address: canonical.
            module: where the message is submitted.
        """
        answer = self._ask(address)
        if answer is None:
            return _NO_ROUTE if _is_remote(address) else _UNKNOWN_AT_SUBMISSION
        if isinstance(answer, Reply) and answer.is_permanent_failure and module in _BOUNCED_LATER:
            return Route(module="local", host="", address=address)
        return answer

    def route(self, address: str) -> Route | Reply:
        """Route a recipient for delivery; a reply is the outcome: 5xx failure, 4xx deferral."""
        answer = self._ask(address)
        if answer is None:
            return _NO_ROUTE if _is_remote(address) else _UNKNOWN_USER
        return answer

    def verify(self, address: str) -> Reply:
        """Answer VRFY: 250 with the address for local mailboxes, else why not."""
        answer = self._ask(address)
        if isinstance(answer, Reply):
            return answer
        if answer is None:
            return _REMOTE if _is_remote(address) else _UNDELIVERABLE
        if answer.module in {"esmtp", "uucp"}:
            return _REMOTE
        return Reply(250, f"<{address}>", enhanced="2.1.5")

    def _ask(self, address: str) -> Route | Reply | None:
        for transport in self.transports:
            answer = transport.route(address)
            if answer is not None:
                return answer
        return None


def _is_remote(address: str) -> bool:
    local, domain = split_address(address)
    return domain is not None and "!" not in local
