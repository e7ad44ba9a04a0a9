"""The root side of `AUTH_MKHOMEDIR_SKEL`: missing homes are made before mail comes to them.

An agent cannot make its user's home, and several accounts of one uid share an agent.  So the
scheduler asks for a home by the account's name, over a connection of its own; the child that
answers looks the account up itself: whoever may talk to courierlocal has a say in which
account is meant, and none in which directory is made, or for whom.
"""

from __future__ import annotations

import logging
import os

import attrs

from couriermail.core import CouriermailError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.auth import Account, Directory

__all__ = ["NO_HOME", "HomeMaker"]

_log = logging.getLogger("couriermail.mta.local")

NO_HOME = "The home directory cannot be made."
"""The reason as senders may see it; the log says more."""

_SERVICE = "courier"


@attrs.frozen
class HomeMaker:
    """Makes homes that are missing.

    Attributes:
        skeleton: the directory that is copied.
        open_directory: who has accounts; called in a child of its own for each request.
    """

    skeleton: str
    open_directory: Callable[[], Directory]

    def make(self, name: str) -> str:
        """Make an account's home if it is missing: one attempt.

        Returns:
            Why there is none, for the scheduler.  Empty when it was made, when something has
            its name, or when there is no such account: the delivery says then what is wrong.
        """
        from couriermail.auth import create_home

        try:
            account = self.open_directory().lookup(name, _SERVICE)
            if account is None or not _may_have_home(account):
                return ""
            if create_home(account, self.skeleton):
                _log.info("%s: made for uid %d from %s", account.home, account.uid, self.skeleton)
        except CouriermailError as error:
            _log.error("no home, the mail is deferred: %s", error)
            return NO_HOME
        return ""


def _may_have_home(account: Account) -> bool:
    """Whether mail can be delivered there by somebody whom we can make its owner."""
    return account.uid > 0 and os.geteuid() in {0, account.uid}
