"""`userdb`: show and change records of a userdb's text (spec auth 2.5).

    userdb [path/.../ | -f file] name set field=value... | field...
    userdb [path/.../ | -f file] name unset field...
    userdb [path/.../ | -f file] name del
    userdb -show [path/... | -f file] [name]

The command line is Courier's own grammar and is read here; `--help` loads the typer app.
Exit codes: 0 done, 1 anything else.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Request", "UsageError", "main", "read_command_line"]

VERBS = ("set", "unset", "del")
_SHAPES = (
    "[path/.../ | -f file ]name set field=value field=value...",
    "[path/.../ | -f file ]name unset field field...",
    "[path/.../ | -f file ]name del",
    "-show [path/... | -f file ] [name]",
)


class UsageError(Exception):
    """A command line that cannot be understood."""


class Request:
    """One command line, understood.

    Attributes:
        file: as given with `-f`; None: `path` below the userdb.
        path: the part before the name, below the userdb.
        name: the record; empty: all of them.
        verb: `show`, or one of `VERBS`.
        words: what follows the verb.
    """

    __slots__ = ("file", "name", "path", "verb", "words")

    def __init__(self) -> None:
        self.file: str | None = None
        self.path = ""
        self.name = ""
        self.verb = "show"
        self.words: list[str] = []


def read_command_line(words: Sequence[str]) -> Request:
    """Read the words after the command's name.

    Raises:
        UsageError: no name, no verb, or words that do not belong there.
    """
    request, rest = Request(), list(words)
    is_show = rest[:1] == ["-show"]
    if is_show:
        rest.pop(0)
    if rest[:1] == ["-f"]:
        if len(rest) < 2:
            raise UsageError
        request.file = rest[1]
        del rest[:2]
    name = rest.pop(0) if rest else ""
    if request.file is None:
        request.path, _, request.name = name.rpartition("/")
    else:
        request.name = name
    if is_show:
        if rest:
            raise UsageError
        return request
    _read_verb(request, rest)
    return request


def _read_verb(request: Request, rest: list[str]) -> None:
    verb = rest.pop(0) if rest else ""
    if verb not in VERBS or not request.name or request.name.startswith("-"):
        raise UsageError
    # Courier: `set` without a field writes a record that is a bare name.
    if (verb == "del" and rest) or (verb == "set" and not rest):
        raise UsageError
    request.verb, request.words = verb, rest


def run(request: Request) -> None:
    """Do what a command line asks for."""
    from couriermail.cli.userdb_errors import telling_userdb_errors

    with telling_userdb_errors("userdb"):
        file = _file(request)
        if request.verb == "show":
            _show(file, request.name)
        elif request.verb == "set":
            _set(file, request)
        else:
            _remove(file, request)


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.userdb_apps import userdb

        userdb(["--help"], prog_name="userdb")
    try:
        request = read_command_line(words)
    except UsageError:
        for number, shape in enumerate(_SHAPES):
            sys.stdout.write(f"{'       ' if number else 'Usage: '}{sys.argv[0]} {shape}\n")
        sys.exit(1)
    run(request)


def _file(request: Request) -> str:
    if request.file is not None:
        return request.file
    from couriermail.auth.errors import UserdbLinkError
    from couriermail.cli.layout import config_directory
    from couriermail.cli.userdb_errors import fail

    userdb = f"{config_directory()}/userdb"
    if os.path.islink(userdb):
        raise UserdbLinkError(path=userdb)
    if ".." in request.path.split("/"):
        fail(f"{request.path}: leads out of {userdb}.")
    return f"{userdb}/{request.path}" if request.path else userdb


def _show(file: str, name: str) -> None:
    from couriermail.auth.userdb_edit import read_userdb_document

    document = read_userdb_document(file)
    lines = document.fields(os.fsencode(name)) if name else document.names()
    for line in lines or []:
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _set(file: str, request: Request) -> None:
    from couriermail.auth.errors import UserdbInputError
    from couriermail.auth.userdb_edit import edit_userdb

    if any("|" in word or "\n" in word for word in request.words):
        raise UserdbInputError("Invalid field or value.")  # before anything is asked for
    values = {}
    for word in request.words:
        field, equals, value = os.fsencode(word).partition(b"=")
        values[field] = value if equals else _asked(request.name, field)
    with edit_userdb(file) as document:
        document.set(os.fsencode(request.name), values)


def _remove(file: str, request: Request) -> None:
    from couriermail.auth.userdb_edit import edit_userdb

    name = os.fsencode(request.name)
    with edit_userdb(file) as document:
        if request.verb == "del":
            document.delete(name)
        else:
            document.unset(name, [os.fsencode(word) for word in request.words])


def _asked(name: str, field: bytes) -> bytes:
    """A value from standard input, so that passwords stand in no list of processes."""
    from couriermail.cli.password_input import read_line
    from couriermail.cli.userdb_errors import fail

    if sys.stdin.isatty():
        sys.stdout.write(f"{name}.{os.fsdecode(field)}: ")
        sys.stdout.flush()
    value = read_line()
    if value is None:
        fail(f"{name}.{os.fsdecode(field)}: no value was given.")
    if b"|" in value:
        fail("Invalid value.")
    return value


if __name__ == "__main__":
    main()
