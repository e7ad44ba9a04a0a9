"""Where the authentication daemon and its settings are, for the commands that need them.

The settings are `authdaemonrc` in the configuration directory.  The daemon's directory is what
the settings name as `authdaemonvar`, else `/run/courier/authdaemon` for `/etc/courier`, else
`authdaemon` in the configuration directory.
"""

from __future__ import annotations

import os

from couriermail.cli.layout import SYSTEM_CONFIG, config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth import AuthDaemonClient, AuthdaemonSettings

__all__ = ["REMOTE", "daemon_client", "daemon_directory", "settings_file"]

SYSTEM_DIRECTORY = "/run/courier/authdaemon"
REMOTE = "TCPREMOTEIP"


def settings_file(config: str | None) -> str:
    """The file of settings in a configuration directory."""
    return f"{config_directory(config)}/authdaemonrc"


def daemon_directory(config: str | None, settings: AuthdaemonSettings | None) -> str:
    """The directory of the daemon's socket; without settings, where it is by default."""
    named = None if settings is None else settings.values.get("authdaemonvar")
    if named:
        return named
    directory = config_directory(config)
    return SYSTEM_DIRECTORY if directory == SYSTEM_CONFIG else f"{directory}/authdaemon"


def daemon_client(
    config: str | None, socket: str | None, *, remote: str | None = None
) -> AuthDaemonClient:
    """A client of the daemon, with the time-outs of the environment.

    Args:
        config: the configuration directory, or None for the default.
        socket: the daemon's socket, or None for that of the configuration.
        remote: see `AuthDaemonClient`.
    """
    from couriermail.auth import AuthDaemonClient, ClientTimeouts

    path = socket or f"{daemon_directory(config, _readable_settings(config))}/socket"
    timeouts = ClientTimeouts.from_settings(os.environ)
    return AuthDaemonClient(path=path, remote=remote, timeouts=timeouts)


def _readable_settings(config: str | None) -> AuthdaemonSettings | None:
    """The settings, where this user may read them: they may hold secrets of the back ends."""
    from couriermail.auth import DirectoryError, read_authdaemonrc

    try:
        return read_authdaemonrc(settings_file(config))
    except DirectoryError:
        return None
