"""`courierauthconfig`: version and places of the authentication library (spec auth 2.9)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "report"]

USAGE = "Usage: courierauthconfig [--version[=V] | --configfiles | --ldflags | --cppflags]"
_FILES = ("userdb", "authdaemonrc", "authldaprc", "authmysqlrc", "authpgsqlrc")


def report(words: Sequence[str]) -> list[str]:
    """The lines to print.

    Raises:
        ValueError: a word that is unknown.
    """
    lines: list[str] = []
    for word in words:
        option, equals, value = word.partition("=")
        if option == "--version":
            lines.append(_compared(value) if equals else _version())
        elif word == "--configfiles":
            lines += _places()
        elif word not in {"--ldflags", "--cppflags"}:  # for C programs: nothing to say here
            raise ValueError(USAGE)
    return lines


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.userdb_apps import courierauthconfig

        courierauthconfig(["--help"], prog_name="courierauthconfig")
    try:
        lines = report(words)
    except ValueError as error:
        from couriermail.cli.userdb_errors import fail

        fail(str(error))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _version() -> str:
    from importlib.metadata import version

    return version("couriermail-auth")


def _compared(wanted: str) -> str:
    return "yes" if _numbers(wanted) <= _numbers(_version()) else "no"


def _numbers(version: str) -> list[int]:
    """The numbers between the dots; a part that is no number is 0."""
    numbers = [int(part) if part.isdecimal() else 0 for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()  # 1.0 is 1
    return numbers


def _places() -> list[str]:
    from couriermail.cli.layout import config_directory

    config = config_directory()
    user, group, uid, gid = _owner(config)
    scripts = os.path.dirname(os.path.abspath(sys.argv[0]))
    return [
        *(f"{name}={config}/{name}" for name in _FILES),
        f"mailuser={user}",
        f"mailgroup={group}",
        f"mailuid={uid}",
        f"mailgid={gid}",
        f"sbindir={scripts}",
    ]


def _owner(config: str) -> tuple[str, str, int, int]:
    """The mail system's user; without one, who owns the configuration."""
    import grp
    import pwd

    from couriermail.cli.authdaemon_places import mail_owner

    status = os.stat(config if os.path.isdir(config) else ".")
    uid, gid = mail_owner(config) or (status.st_uid, status.st_gid)
    try:
        return pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name, uid, gid
    except KeyError:
        return str(uid), str(gid), uid, gid


if __name__ == "__main__":
    main()
