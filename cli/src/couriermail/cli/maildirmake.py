"""`maildirmake`: create maildirs and folders, set quotas, list sharable maildirs.

A well-formed command line is read here, without typer, because scripts run this command once
per account; `--help` loads the typer app.  Exit codes are Courier's: 0, 1 for any failure, 2
for a sharable maildir that is listed already (spec maildir 2.1).
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.option_words import take_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from couriermail.maildir.errors import MaildirError

__all__ = ["OPTIONS_WITH_VALUE", "SWITCHES", "Request", "UsageError", "main", "read_command_line"]

USAGE = "Usage: maildirmake [ options ] maildir"

# Options whose value is the rest of the word or the next word.
OPTIONS_WITH_VALUE = {"-f": "folder", "-F": "component", "-s": "share", "-q": "quota"}
LONG_OPTIONS = {"--add": "add", "--del": "delete"}  # the value is the next word
SWITCHES = {"-S": "sharable", "--checkutf8": "check_utf8", "--convutf8": "convert_utf8"}
CONVERSIONS = {"check_utf8", "convert_utf8"}


class UsageError(Exception):
    """A command line that cannot be understood."""


class CommandError(Exception):
    """A failure with the line to print and the exit code.

    Attributes:
        code: the exit code.
        on_stdout: True where Courier prints this message on standard output.
    """

    def __init__(self, message: str, code: int = 1, *, on_stdout: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.on_stdout = on_stdout


class Request:
    """One command line, understood.

    Attributes:
        maildir: the maildir named.
        mailfilter: the mail filter to convert as well, or None.
        switches: options without a value, by name.
        values: options with a value, by name.
    """

    __slots__ = ("maildir", "mailfilter", "switches", "values")

    def __init__(self) -> None:
        self.maildir = ""
        self.mailfilter: str | None = None
        self.switches: set[str] = set()
        self.values: dict[str, str] = {}


def read_command_line(words: Sequence[str]) -> Request:
    """Read the words after the command's name.

    Raises:
        UsageError: an unknown option, a missing value or maildir, or `-s` without a folder.
    """
    request = Request()
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        _read_option(request, rest)
    if not rest or ("share" in request.values and not _names_folder(request)):
        raise UsageError
    request.maildir = rest[0]
    if request.switches & CONVERSIONS and len(rest) > 1:
        request.mailfilter = rest[1]  # Courier: other words are ignored
    return request


def run(request: Request) -> None:
    """Do what a command line asks for.

    Raises:
        CommandError: it failed.
    """
    from couriermail.maildir.errors import MaildirError

    try:
        if request.switches & CONVERSIONS:
            _convert(request)
        elif "add" in request.values:
            _add_shared(request.maildir, request.values["add"])
        elif "delete" in request.values:
            _delete_shared(request.maildir, request.values["delete"])
        else:
            _create(request)
    except MaildirError as error:
        raise CommandError(_message(error)) from error


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if "--help" in words:
        from couriermail.cli.maildirmake_app import app

        app(["--help"], prog_name="maildirmake")
    try:
        run(read_command_line(words))
    except UsageError:
        sys.stdout.write(f"{USAGE}\n")
        sys.exit(1)
    except CommandError as error:
        stream = sys.stdout if error.on_stdout else sys.stderr
        stream.write(f"{error}\n")
        sys.exit(error.code)


def _read_option(request: Request, rest: list[str]) -> None:
    word = rest.pop(0)
    if word in SWITCHES:
        request.switches.add(SWITCHES[word])
        return
    option = take_value(word, rest, letters=OPTIONS_WITH_VALUE, words=LONG_OPTIONS)
    if option is None:
        raise UsageError
    name, value = option
    request.values[name] = value


def _names_folder(request: Request) -> bool:
    return "folder" in request.values or "component" in request.values


def _create(request: Request) -> None:
    from couriermail.maildir.create import create_folder, create_maildir

    quota = request.values.get("quota")
    if quota is not None:
        _check_quota(quota)
    folder = _folder(request)
    path = request.maildir if folder is None else f"{request.maildir}/.{folder}"
    if quota is None or not os.path.isdir(path):
        if folder is None:
            create_maildir(path, mode=0o755 if "sharable" in request.switches else 0o700)
        else:
            mode, inner = _folder_modes(request.values.get("share"))
            # `INBOX.` in front: the library would take one off, and the name is verbatim.
            create_folder(request.maildir, f"INBOX.{folder}", mode=mode, inner_mode=inner)
    if quota is not None:
        from couriermail.maildir.maildir import Maildir

        Maildir(path).set_quota(quota)


def _folder(request: Request) -> str | None:
    if "component" in request.values:
        return _encoded_component(request.values["component"])
    folder = request.values.get("folder")
    if folder is not None and (folder.startswith(".") or not folder):
        raise CommandError(f"Invalid folder name: {folder}", on_stdout=True)
    return folder


def _encoded_component(word: str) -> str:
    from couriermail.maildir.encodings import encode_smap
    from couriermail.maildir.errors import InvalidNameError

    try:
        return encode_smap(os.fsencode(word).decode(_console_charset()))
    except (InvalidNameError, UnicodeDecodeError, LookupError):
        raise CommandError(f"Cannot convert {word} to maildir encoding") from None


def _console_charset() -> str:
    for variable in ("MM_CHARSET", "CHARSET"):
        if charset := os.environ.get(variable):
            return charset
    import _locale  # `locale` costs more to import than the rest of this command

    return _locale.nl_langinfo(_locale.CODESET)


def _folder_modes(share: str | None) -> tuple[int, int]:
    """Modes of the folder and of its subdirectories for the value of `-s`."""
    if share is None:
        return 0o700, 0o700
    mode = 0o755
    is_group = False
    for word in share.replace(",", " ").split():
        if word[0] == "r":
            mode = 0o755
        elif word[0] == "w":
            mode = 0o1777
        elif word[0] == "g":
            is_group = True
    if is_group:
        mode &= ~0o7
    return mode & ~0o22, mode


def _check_quota(text: str) -> None:
    # Courier: exits 0 and changes nothing; a quota that was not set must be noticed.
    from couriermail.maildir.errors import QuotaTextError
    from couriermail.maildir.quota import Quota

    try:
        Quota.parse(text)
    except QuotaTextError:
        raise CommandError(f"WARN: quota string '{text}' not parseable") from None


def _convert(request: Request) -> None:
    from couriermail.cli.maildirmake_utf8 import convert_names
    from couriermail.maildir.errors import (
        MaildirError,
        MaildirMissingError,
        MaildirStorageError,
    )
    from couriermail.maildir.filterrecipe import ForeignRecipeError

    check_only = "convert_utf8" not in request.switches
    try:
        done = convert_names(request.maildir, request.mailfilter, check_only=check_only)
    except ForeignRecipeError:
        raise CommandError(f"Failed to parse {request.mailfilter}") from None
    except (MaildirMissingError, MaildirStorageError):
        raise  # names the path
    except MaildirError as error:
        raise CommandError(f"Error: {error}") from None
    if not done:
        sys.exit(1)


def _add_shared(maildir: str, value: str) -> None:
    from couriermail.cli.layout import config_directory
    from couriermail.maildir.errors import InvalidNameError, MaildirExistsError
    from couriermail.maildir.shared import add_shared, read_shared

    name, _, target = value.partition("=")
    if not target.startswith("/"):
        raise UsageError
    _require_directory(maildir)
    _require_directory(target)
    everywhere = f"{config_directory()}/maildirshared"
    if name in read_shared(everywhere):
        raise CommandError(f"{name}: already defined as a sharable maildir in {everywhere}.", 2)
    try:
        add_shared(maildir, name, target)
    except (InvalidNameError, MaildirExistsError) as error:
        raise CommandError(str(error), 2 if isinstance(error, MaildirExistsError) else 1) from None


def _delete_shared(maildir: str, name: str) -> None:
    from couriermail.maildir.errors import MaildirMissingError
    from couriermail.maildir.shared import remove_shared

    _require_directory(maildir)
    try:
        remove_shared(maildir, name)
    except MaildirMissingError as error:
        raise CommandError(str(error)) from None


def _require_directory(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None


def _message(error: MaildirError) -> str:
    return f"maildirmake: {error.path}: {error.reason}" if error.path else f"maildirmake: {error}"


if __name__ == "__main__":
    main()
