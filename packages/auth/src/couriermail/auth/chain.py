"""Several directories asked in order, and the defaults that all accounts get."""

from __future__ import annotations

import attrs

from couriermail.auth.account import AccountOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from couriermail.auth.account import Account, Directory

__all__ = ["ChainDirectory"]


def _in_order(directories: Iterable[Directory]) -> tuple[Directory, ...]:
    return tuple(directories)


@attrs.frozen(eq=False)
class ChainDirectory:
    """Directories asked one after the other; the first that knows the name answers.

    One that cannot answer ends the search with its error: asking on could find the account
    of somebody else (spec auth 4.1, rule 1).

    Attributes:
        directories: in the order they are asked.
        default_options: options that accounts get which do not have them (spec auth 4.2).
    """

    directories: tuple[Directory, ...] = attrs.field(converter=_in_order)
    default_options: AccountOptions = attrs.field(default=AccountOptions(), kw_only=True)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account; see `Directory.lookup`.

        Raises:
            DirectoryError: a directory that comes before the answer cannot be asked.
        """
        for directory in self.directories:
            account = directory.lookup(name, service)
            if account is not None:
                return self._with_defaults(account)
        return None

    def _with_defaults(self, account: Account) -> Account:
        if not self.default_options.text:
            return account
        options = account.options.with_defaults(self.default_options)
        return attrs.evolve(account, options=options)
