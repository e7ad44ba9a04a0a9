"""`maildirkw`: change or list the keywords of messages (spec maildir 2.4).

The options are letters that may stand together, and the last of `-a` and `-r` wins, which typer
cannot express; `couriermail.cli.maildirkw_app` declares them for `--help`.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from couriermail.cli.message_io import CommandError, run_filter, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from couriermail.maildir.keyword_store import KeywordStore

__all__ = ["LETTERS", "Request", "main", "read_command_line"]

USAGE = """\
Usage: maildirkw [-l] [-a|-r] maildir message keyword...
       maildirkw [-l] -L maildir"""
LETTERS = "aLlr"


class Request:
    """One command line, understood.

    Attributes:
        maildir: the maildir or folder.
        action: `set`, `add`, `remove` or `list`.
        is_locked: True for `-l`.
        message: name of a message; empty for `list`.
        keywords: the keywords to set, add or remove.
    """

    __slots__ = ("action", "is_locked", "keywords", "maildir", "message")

    def __init__(self) -> None:
        self.maildir = ""
        self.action = "set"
        self.is_locked = False
        self.message = ""
        self.keywords: list[str] = []


def read_command_line(words: Sequence[str]) -> Request:
    """Read the words after the command's name.

    Raises:
        CommandError: the usage, for a line that cannot be understood.
    """
    request = Request()
    rest = list(words)
    is_list = False
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if not set(word[1:]) <= set(LETTERS):
            raise _usage()
        is_list = is_list or "L" in word
        request.is_locked = request.is_locked or "l" in word
        for letter in word[1:]:
            request.action = {"a": "add", "r": "remove"}.get(letter, request.action)
    if len(rest) < (1 if is_list else 2):
        raise _usage()
    request.maildir = rest[0]
    if is_list:
        request.action = "list"
    else:
        request.message, request.keywords = rest[1], rest[2:]
    return request


def run(words: Sequence[str]) -> int:
    """Do what a command line asks for and return the exit code.

    Raises:
        CommandError: it failed.
    """
    from couriermail.maildir import KeywordStore, MaildirError

    request = read_command_line(words)
    store = KeywordStore(request.maildir)
    try:
        with _lock(request):
            _perform(request, store)
    except MaildirError as error:
        line = f"{request.maildir}: {error.reason}" if error.path else str(error)
        raise CommandError(line, is_bare=True) from error
    return 0


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if "--help" in words:
        from couriermail.cli.maildirkw_app import app

        app(["--help"], prog_name="maildirkw")
    run_filter("maildirkw", lambda: run(words))


def _usage() -> CommandError:
    return CommandError(USAGE, on_stdout=True)


def _lock(request: Request) -> AbstractContextManager[object]:
    from couriermail.maildir.locks import folder_lock

    return folder_lock(request.maildir) if request.is_locked else nullcontext()


def _perform(request: Request, store: KeywordStore) -> None:
    match request.action:
        case "list":
            table = store.load()
            lines = (" ".join((key, *table[key])) for key in sorted(table))
            text = "".join(f"{line}\n" for line in lines)
            write_out(text.encode("utf-8", "surrogateescape"))
        case "add":
            store.add(request.message, request.keywords)
        case "remove":
            store.remove(request.message, request.keywords)
        case _:
            store.set(request.message, request.keywords)


if __name__ == "__main__":
    main()
