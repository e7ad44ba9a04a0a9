"""Where a command finds the mail system: its configuration and state directories.

The configuration directory is, in this order: what the command line says, the environment
variable `COURIERMAIL_CONFIG`, `~/.couriermail` if it exists, `/etc/courier`.  The state
directory is `[paths] state` of its `couriermail.toml` if set there, else `/var/lib/courier` for
`/etc/courier`, else `state` inside the configuration directory.

Imports only `os`: this is on the path of the commands that run once per message.
"""

from __future__ import annotations

import os

__all__ = [
    "CONFIG_VARIABLE",
    "SYSTEM_CONFIG",
    "config_directory",
    "existing_config_directory",
    "state_directory",
]

CONFIG_VARIABLE = "COURIERMAIL_CONFIG"
SYSTEM_CONFIG = "/etc/courier"
SYSTEM_STATE = "/var/lib/courier"


def config_directory(chosen: str | None = None) -> str:
    """The configuration directory, as an absolute path."""
    directory = chosen or os.environ.get(CONFIG_VARIABLE)
    if not directory:
        own = os.path.join(os.environ.get("HOME") or "/", ".couriermail")
        directory = own if os.path.isdir(own) else SYSTEM_CONFIG
    return os.path.abspath(directory)


def existing_config_directory(chosen: str | None = None) -> str:
    """The configuration directory, for commands to which a misspelt one must not look empty.

    Raises:
        ConfigError: there is none; exit code 78.
    """
    directory = config_directory(chosen)
    if not os.path.isdir(directory):
        from couriermail.core.errors import ConfigError

        raise ConfigError(
            f"no such configuration directory; name yours with -C or {CONFIG_VARIABLE}",
            path=directory,
        )
    return directory


def state_directory(config: str) -> str:
    """The state directory that belongs to a configuration directory."""
    try:
        with open(f"{config}/couriermail.toml", "rb") as file:
            text = file.read()
    except OSError:
        text = b""
    if b"state" in text:
        import tomllib

        try:
            paths = tomllib.loads(text.decode("utf-8", "replace")).get("paths", {})
        except tomllib.TOMLDecodeError:
            paths = {}  # the daemons report what is wrong with the file
        if isinstance(paths, dict) and isinstance(paths.get("state"), str):
            return os.path.join(config, paths["state"])
    return SYSTEM_STATE if config == SYSTEM_CONFIG else f"{config}/state"
