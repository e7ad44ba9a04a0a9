"""`authtest`: look an account up, try a login, or change a password, through authdaemond.

Output and exit codes are Courier's: 0, or 1 for any failure (spec auth 2.2).  `--help` loads
the typer app.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.authdaemon_places import REMOTE, daemon_client
from couriermail.cli.option_words import take_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from couriermail.auth import AccountFields, AuthDaemonClient

__all__ = [
    "LONG_OPTIONS",
    "OPTIONS_WITH_VALUE",
    "SWITCHES",
    "Request",
    "UsageError",
    "main",
    "read_command_line",
    "run",
]

USAGE = "Usage: authtest [-s service] userid [ password [ newpassword ] ]"
DEFAULT_SERVICE = "login"
DEFAULT_REMOTE = "::1"

# Options whose value is the rest of the word or the next word.
OPTIONS_WITH_VALUE = {"-s": "service"}
LONG_OPTIONS = {"--config": "config", "--socket": "socket"}  # the value is the next word
SWITCHES = {"--json": "json"}


class UsageError(Exception):
    """A command line that cannot be understood."""


class Request:
    """One command line, understood.

    Attributes:
        words: userid, password and new password, as far as they were given.
        values: options with a value, by name.
        json: True for `--json`.
        help: True for `--help`; the rest was not read.
    """

    __slots__ = ("help", "json", "values", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.values: dict[str, str] = {}
        self.json = False
        self.help = False


def read_command_line(words: Sequence[str]) -> Request:
    """Read the words after the command's name.

    Raises:
        UsageError: an unknown option, a missing value, or no userid.
    """
    request = Request()
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "-":
            break
        if word == "--help":  # behind the userid it is a password, as any word there
            request.help = True
            return request
        _read_option(request, word, rest)
    if not rest:
        raise UsageError
    request.words = rest[:3]  # Courier: further words are ignored
    return request


def run(request: Request) -> int:
    """Do what a command line asks for; returns the exit code."""
    from couriermail.auth import DaemonUnavailableError, DirectoryError, InvalidLoginError

    try:
        is_done = _ask(request)
    except InvalidLoginError:
        return _fail("Invalid argument")
    except DaemonUnavailableError as error:
        sys.stderr.write(f"ERR: authdaemon: s_connect() failed: {error.reason}\n")
        return _fail(error.reason)
    except DirectoryError:
        return _fail("Input/output error")
    return 0 if is_done else _fail("Operation not permitted")


def main() -> None:
    """Run the command and exit."""
    try:
        request = read_command_line(sys.argv[1:])
    except UsageError:
        sys.stderr.write(f"{USAGE}\n")
        sys.exit(1)
    if request.help:
        from couriermail.cli.authtest_app import app

        app(["--help"], prog_name="authtest")
    sys.exit(run(request))


def _read_option(request: Request, word: str, rest: list[str]) -> None:
    if word in SWITCHES:
        request.json = True
        return
    option = take_value(word, rest, letters=OPTIONS_WITH_VALUE, words=LONG_OPTIONS)
    if option is None:
        raise UsageError
    name, value = option
    request.values[name] = value


def _ask(request: Request) -> bool:
    """Ask and print the answer; False when it is a refusal."""
    values = request.values
    service = values.get("service", DEFAULT_SERVICE)
    remote = os.environ.get(REMOTE, DEFAULT_REMOTE)
    client = daemon_client(values.get("config"), values.get("socket"), remote=remote)
    if len(request.words) == 3:
        name, old, new = request.words
        is_changed = client.change_password(name, old, new, service)
        if is_changed:
            sys.stderr.write("Password change succeeded.\n")
        return is_changed
    fields = _account(client, request.words, service)
    if fields is not None:
        _print(_as_json(fields) if request.json else _as_text(fields))
    return fields is not None


def _account(client: AuthDaemonClient, words: Sequence[str], service: str) -> AccountFields | None:
    from couriermail.auth import DomainRule, PreRequest, login_request

    if len(words) == 1:
        return client.ask(PreRequest(name=words[0], service=service, remote=client.remote))
    environment = os.environ
    rule = DomainRule(environment.get("DEFDOMAIN", ""), environment.get("DOMAINSEP"))
    name = rule.apply(words[0])
    request = login_request(name, words[1], service, remote=client.remote)
    _show_login(environment, client.remote, words[0], words[1])
    return client.ask(request)


def _show_login(
    environment: Mapping[str, str], remote: str | None, name: str, password: str
) -> None:
    """What the login library of Courier tells with DEBUG_LOGIN (spec auth 2.2)."""
    level = environment.get("DEBUG_LOGIN", "0")
    if level in ("1", "2"):
        sys.stderr.write(f"DEBUG: LOGIN: ip=[{remote}], username={name}\n")
    if level == "2":
        sys.stderr.write(f"DEBUG: LOGIN: ip=[{remote}], password={password}\n")


def _fail(reason: str) -> int:
    sys.stderr.write(f"Authentication FAILED: {reason}\n")
    return 1


def _as_text(fields: AccountFields) -> str:
    lines = {
        "     Authenticated": f"{_or_none(fields.address)}  {_identity(fields)}",
        "    Home Directory": fields.home or "",
        "           Maildir": _or_none(fields.maildir),
        "             Quota": _or_none(fields.quota),
        "Encrypted Password": _or_none(fields.password),
        "Cleartext Password": _or_none(fields.clear_password),
        "           Options": _or_none(fields.options),
    }
    shown = "".join(f"{label}: {value}\n" for label, value in lines.items())
    return f"Authentication succeeded.\n\n{shown}"


def _identity(fields: AccountFields) -> str:
    if fields.system_user is not None:
        return f"(system username: {fields.system_user})"
    if fields.uid is None:
        return "(*** UID/GID initialization error***)"
    return f"(uid {fields.uid}, gid {fields.gid or 0})"


def _or_none(value: str | None) -> str:
    return "(none)" if value is None else value


def _as_json(fields: AccountFields) -> str:
    import json

    import attrs

    return json.dumps(attrs.asdict(fields), indent=2) + "\n"


def _print(text: str) -> None:
    # Names need not be in the locale's charset: they go out as they came in.
    sys.stdout.buffer.write(os.fsencode(text))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
