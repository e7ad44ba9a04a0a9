"""Whose mailbox an LMTP recipient is.

The client is an MTA that has settled already which domains are ours.  So a domain of
`hosteddomains` selects the accounts of that domain, and every other one means the accounts
without a domain.  An extension never makes an address unknown: the user's recipe sees it.
"""

from __future__ import annotations

import attrs

from couriermail.core import Reply
from couriermail.mta.accounts import AccountSearch, LocalTarget, MailIdentity
from couriermail.mta.addresses import split_address, unquote_local_part
from couriermail.mta.domains import canonical_domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth import Directory
    from couriermail.core import Clock
    from couriermail.mta.config import Config
    from couriermail.mta.domains import Domains

__all__ = ["RecipientSearch"]

# Temporary: the mail is good, the set-up is not (RFC 3463 4.3.5: system incorrectly configured).
_NOT_MINE = Reply(451, "This server delivers for one user only.", enhanced="4.3.5")
_NO_ALIASDIR = MailIdentity(0, 0)  # dot files of `aliasdir` belong to the mail system's own local()


@attrs.frozen
class RecipientSearch:
    """Finds the mailbox of a recipient.

    Attributes:
        domains: tells hosted domains.
        accounts: who has mailboxes; must not ask for dot files.
        only_uid: the one user for whom this process can deliver; None for all (root).
    """

    domains: Domains
    accounts: AccountSearch
    only_uid: int | None = None

    @classmethod
    def of(
        cls,
        config: Config,
        directory: Directory,
        *,
        delimiters: str,
        only_uid: int | None,
        clock: Clock | None = None,
    ) -> RecipientSearch:
        """The search that a configuration asks for.

        Args:
            config: domains, and whether local parts are folded to lower case.
            directory: who knows accounts.
            delimiters: characters between account and extension; empty: no extensions.
            only_uid: see the attribute.
            clock: measures how long an answer is remembered.
        """
        accounts = AccountSearch.of(config, directory, clock)
        return cls(
            config.domains,
            attrs.evolve(
                accounts,
                identity=_NO_ALIASDIR,
                separators=delimiters,
                has_extensions=bool(delimiters),
                needs_dot_file=False,
            ),
            only_uid,
        )

    def find(self, address: str) -> LocalTarget | Reply:
        """The mailbox; `550` for nobody's, `45x` when that cannot be told or served now."""
        local, domain = split_address(address)
        hosted = None if domain is None else self.domains.match(canonical_domain(domain)).effective
        target = self.accounts.find(unquote_local_part(local), hosted)
        if isinstance(target, LocalTarget) and self.only_uid not in (None, target.uid):
            return _NOT_MINE
        return target
