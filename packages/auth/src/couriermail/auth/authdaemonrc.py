r"""Reader of `authdaemonrc`, the settings of authdaemond.

    file  = *( blank line | name "=" value )     ; everything from "#" on is a comment
    value = *blank ( <"> text [ <"> ] | text )   ; a quoted value ends at the next quote

The last definition of a name wins.  Names that nobody knows are kept: the file is also read by
shell scripts, and its assignments are the environment of the modules (`LDAPTLS_*`).

Standard: spec auth 3.3.
"""

from __future__ import annotations

import logging

import attrs

from couriermail.auth.account import AccountOptions
from couriermail.auth.rcfile import RcFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_MODULES",
    "AuthdaemonSettings",
    "ClientTimeouts",
    "daemon_directory",
    "parse_authdaemonrc",
    "read_authdaemonrc",
]

# Tried in this order where `authmodulelist` is missing; PAM goes before the files it reads.
DEFAULT_MODULES = (
    "authuserdb",
    "authpam",
    "authpwd",
    "authshadow",
    "authpgsql",
    "authldap",
    "authmysql",
    "authsqlite",
    "authcustom",
    "authpipe",
)
SYSTEM_CONFIG = "/etc/courier"
SYSTEM_DIRECTORY = "/run/courier/authdaemon"
DEFAULT_WORKERS = 5
DEFAULT_FACILITY = "mail"
DEFAULT_FAILURE_SECONDS = 300
MAX_WORKERS = 500  # a slip of the keyboard must not fork the machine to death

_BLANKS = " \t\r"

_log = logging.getLogger("couriermail.auth")


@attrs.frozen(kw_only=True)
class AuthdaemonSettings:
    """What authdaemonrc says.

    Attributes:
        path: the file, for messages.
        modules: the back ends in the order in which they are asked (`authmodulelist`).
        workers: processes that one back end may use at a time (`daemons`).
        debug_level: 0, 1 for debugging lines, 2 for those with passwords (`DEBUG_LOGIN`).
        default_options: options of accounts that do not have them (`DEFAULTOPTIONS`).
        custom_class: `package.module:Class` behind authcustom, or empty (`authcustomclass`).
        facility: name of the facility of syslog (`-facility=` in `LOGGEROPTS`).
        login_failures: failed logins that a client address may have within
            `login_failure_seconds` (`loginfailures=COUNT/SECONDS`); 0: any number.
        login_failure_seconds: see there.
        values: every assignment, in the order of the file.
    """

    path: str = "authdaemonrc"
    modules: tuple[str, ...] = DEFAULT_MODULES
    workers: int = DEFAULT_WORKERS
    debug_level: int = 0
    default_options: AccountOptions = attrs.field(factory=AccountOptions)
    custom_class: str = ""
    facility: str = DEFAULT_FACILITY
    login_failures: int = 0
    login_failure_seconds: int = DEFAULT_FAILURE_SECONDS
    values: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    @property
    def are_listed(self) -> bool:
        """True where the file itself names the modules, False for the default list."""
        return "authmodulelist" in self.values


@attrs.frozen(kw_only=True)
class ClientTimeouts:
    """How long a client waits for authdaemond, in seconds (spec auth 3.3, 4.1).

    Attributes:
        connect: for the connection (`TIMEOUT_SOCK`).
        write: for sending the request (`TIMEOUT_WRITE`).
        read: for the whole reply (`TIMEOUT_READ`).
        read_list: for each portion of a list of accounts.
    """

    connect: float = 10.0
    write: float = 10.0
    read: float = 30.0
    read_list: float = 60.0

    @classmethod
    def from_settings(cls, values: Mapping[str, str]) -> ClientTimeouts:
        """Take them from settings or an environment; what is not above 0 does not count."""
        found = {
            name: float(seconds)
            for key, name in _TIMEOUT_KEYS.items()
            if (seconds := _leading_number(values.get(key, ""))) > 0
        }
        return cls(**found)


_TIMEOUT_KEYS = {"TIMEOUT_SOCK": "connect", "TIMEOUT_WRITE": "write", "TIMEOUT_READ": "read"}


def read_authdaemonrc(path: str | os.PathLike[str]) -> AuthdaemonSettings:
    """Read the settings from a file.

    Raises:
        RcFileError: the file cannot be read, or a line is none.
    """
    name = str(path)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise RcFileError(error.strerror or "cannot be read", path=name) from error
    return parse_authdaemonrc(text.decode("utf-8", "surrogateescape"), path=name)


def parse_authdaemonrc(text: str, *, path: str = "authdaemonrc") -> AuthdaemonSettings:
    """Read the settings from text.

    Raises:
        RcFileError: a line without `=`, without a name, or with NUL.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        # Courier: a "#" also begins a comment inside quotes.
        assignment = line.partition("#")[0].strip(_BLANKS)
        if not assignment:
            continue
        name, separator, value = assignment.partition("=")
        if not separator or not name.strip(_BLANKS) or "\0" in assignment:
            raise RcFileError("bad line, expected NAME=VALUE", path=path, line=number)
        values[name.strip(_BLANKS)] = _unquoted(value.lstrip(_BLANKS))
    return _settings(values, path)


def daemon_directory(config_directory: str, settings: AuthdaemonSettings | None = None) -> str:
    """The directory in which the daemon of a configuration has its socket, named `socket`.

    It is what the settings name as `authdaemonvar`, else `/run/courier/authdaemon` for
    `/etc/courier`, else `authdaemon` in the configuration directory.

    Args:
        config_directory: the absolute path of the configuration directory.
        settings: its authdaemonrc, or None where that is missing or may not be read.
    """
    named = None if settings is None else settings.values.get("authdaemonvar")
    if named:
        return named
    if config_directory == SYSTEM_CONFIG:
        return SYSTEM_DIRECTORY
    return f"{config_directory}/authdaemon"


def _settings(values: dict[str, str], path: str) -> AuthdaemonSettings:
    modules = tuple(values["authmodulelist"].split()) if "authmodulelist" in values else None
    failures, seconds = _login_failures(values.get("loginfailures", "0"), path)
    return AuthdaemonSettings(
        path=path,
        modules=DEFAULT_MODULES if modules is None else modules,
        workers=_workers(values, path),
        debug_level=_leading_number(values.get("DEBUG_LOGIN", "")),
        default_options=AccountOptions(values.get("DEFAULTOPTIONS", "")),
        custom_class=values.get("authcustomclass", ""),
        facility=_facility(values.get("LOGGEROPTS", "")),
        login_failures=failures,
        login_failure_seconds=seconds,
        values=values,
    )


def _workers(values: dict[str, str], path: str) -> int:
    workers = _leading_number(values.get("daemons", ""))
    if workers < 1:
        _log.error("%s: Configuration error - missing 'daemons' setting, using 1", path)
    return min(max(workers, 1), MAX_WORKERS)


def _login_failures(text: str, path: str) -> tuple[int, int]:
    """`COUNT` or `COUNT/SECONDS`."""
    count, slash, seconds = text.replace(" ", "").partition("/")
    words = [count, seconds] if slash else [count]
    is_good = all(word.isascii() and word.isdigit() and len(word) < 9 for word in words)
    if not is_good or (slash and not int(seconds)):
        raise RcFileError("loginfailures must be COUNT or COUNT/SECONDS", path=path)
    return int(count), int(seconds) if slash else DEFAULT_FAILURE_SECONDS


def _facility(logger_options: str) -> str:
    named = [word for word in logger_options.split() if word.startswith("-facility=")]
    return named[-1].partition("=")[2].lower() if named else DEFAULT_FACILITY


def _unquoted(value: str) -> str:
    return value[1:].partition('"')[0] if value.startswith('"') else value


def _leading_number(text: str) -> int:
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return int(digits[:9] or 0)
