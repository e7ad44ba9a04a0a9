"""The filterd process of a mail system (`couriermail.mta.system` starts it)."""

from __future__ import annotations

import socket

import attrs

from couriermail.mta.accounts import mail_identity
from couriermail.mta.local.preload import preload
from couriermail.mta.rcptfilter.maildrop import OwnMaildrop, is_own_maildrop
from couriermail.mta.rcptfilter.program import FilterProgram
from couriermail.mta.rcptfilter.server import HelperSettings, serve_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.config import Config
    from couriermail.mta.services import Environment
    from couriermail.mta.supervisor import LifeLine

__all__ = ["Filterd", "helper_settings", "is_helper_wanted"]


@attrs.frozen(kw_only=True)
class Filterd:
    """The process that runs recipients' filters; beside courierlocal the only one that keeps root.

    Attributes:
        environment: configuration and log.
        listener: the socket on which the mail system asks.
    """

    environment: Environment
    listener: socket.socket

    def run(self, line: LifeLine) -> None:
        """Run filters until the life line ends."""
        config = self.environment.enter("filterd", as_mail_user=False)
        preload()
        line.say_ready()
        serve_filters(self.listener, helper_settings(config), stop=line.stop)


def is_helper_wanted(config: Config) -> bool:
    """Filters are to be run.

    Where we are not root they are one user's, but whoever runs them must still be there to end
    them when the process that asked has died.
    """
    return bool(config.maildropfilter)


def helper_settings(config: Config) -> HelperSettings:
    """How filterd behaves, from the configuration."""
    path = config.maildropfilter
    is_ours = is_own_maildrop(path)
    return HelperSettings(
        program=OwnMaildrop(config.directory) if is_ours else FilterProgram(path),
        trusted_uids=frozenset({mail_identity(config).uid}),
        minimum_id=config.settings.mta.filter_min_id,
    )
