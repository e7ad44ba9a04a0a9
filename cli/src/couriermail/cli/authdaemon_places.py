"""Where the authentication daemon and its settings are, for the commands that need them.

The settings are `authdaemonrc` in the configuration directory.
"""

from __future__ import annotations

import os

from couriermail.cli.layout import config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth import AuthDaemonClient, AuthdaemonSettings

__all__ = ["REMOTE", "daemon_client", "settings_file"]

REMOTE = "TCPREMOTEIP"


def settings_file(config: str | None) -> str:
    """The file of settings in a configuration directory."""
    return f"{config_directory(config)}/authdaemonrc"


def daemon_client(
    config: str | None, socket: str | None, *, remote: str | None = None
) -> AuthDaemonClient:
    """A client of the daemon, with the time-outs of the environment.

    Args:
        config: the configuration directory, or None for the default.
        socket: the daemon's socket, or None for that of the configuration.
        remote: see `AuthDaemonClient`.
    """
    from couriermail.auth import AuthDaemonClient, ClientTimeouts, daemon_directory

    path = socket
    if not path:
        directory = daemon_directory(config_directory(config), _readable_settings(config))
        path = f"{directory}/socket"
    timeouts = ClientTimeouts.from_settings(os.environ)
    return AuthDaemonClient(path=path, remote=remote, timeouts=timeouts)


def _readable_settings(config: str | None) -> AuthdaemonSettings | None:
    """The settings, where this user may read them: they may hold secrets of the back ends."""
    from couriermail.auth import DirectoryError, read_authdaemonrc

    try:
        return read_authdaemonrc(settings_file(config))
    except DirectoryError:
        return None
