"""Where the authentication daemon and its settings are, for the commands that need them.

The settings are `authdaemonrc` in the configuration directory.
"""

from __future__ import annotations

import os

from couriermail.cli.layout import config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth import AuthDaemonClient, AuthdaemonSettings

__all__ = ["REMOTE", "daemon_client", "mail_owner", "settings_file"]

COURIER = "courier"
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


def mail_owner(config: str) -> tuple[int, int] | None:
    """Uid and gid of the mail system: `mailuser` and `mailgroup` of a configuration.

    Without `mailuser` it is the user `courier`, and None where there is no such user.

    Args:
        config: the configuration directory.

    Raises:
        DirectoryError: the configuration names a user or group that does not exist.
    """
    import grp
    import pwd

    from couriermail.auth import DirectoryError

    user, group = _named_owner(config)
    try:
        entry = pwd.getpwnam(user or COURIER)
        return entry.pw_uid, grp.getgrnam(group).gr_gid if group else entry.pw_gid
    except KeyError as error:
        if not user:
            return None
        raise DirectoryError(f"{config}: mailuser or mailgroup: {error.args[0]}") from error


def _named_owner(config: str) -> tuple[str, str]:
    from couriermail.mta.controlfiles import Problems
    from couriermail.mta.settings import read_settings

    path = f"{config}/couriermail.toml"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return "", ""
    # What else is wrong with the file is the mail system's to report.
    mta = read_settings(text, path=path, problems=Problems()).mta
    return mta.mailuser, mta.mailgroup


def _readable_settings(config: str | None) -> AuthdaemonSettings | None:
    """The settings, where this user may read them: they may hold secrets of the back ends."""
    from couriermail.auth import DirectoryError, read_authdaemonrc

    try:
        return read_authdaemonrc(settings_file(config))
    except DirectoryError:
        return None
