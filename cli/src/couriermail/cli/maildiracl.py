"""`maildiracl`: show and change the access control lists of folders (spec maildir 2.3).

The verbs are words such as `-list`, and identifiers and rights may begin with `-`, which typer
cannot express; `couriermail.cli.maildiracl_app` declares the verbs for `--help`.
"""

from __future__ import annotations

import sys

from couriermail.cli.message_io import CommandError, run_filter, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from couriermail.maildir import Acl, AclStore

__all__ = ["VERBS", "main"]

USAGE = "Usage: maildiracl [ options ] maildir [INBOX[.folder] [identifier rights]]"


def run(words: Sequence[str]) -> int:
    """Do what a command line asks for and return the exit code.

    Raises:
        CommandError: it failed.
    """
    from couriermail.maildir import AclMinimumError, AclStore, MaildirError
    from couriermail.maildir.acl import ADMINISTRATORS

    verb, maildir, *rest = *words, *[""] * (2 - len(words))
    action, least = VERBS.get(verb, (_reset, sys.maxsize))
    if len(words) < 2 or len(rest) < least:
        raise CommandError(USAGE, on_stdout=True)
    if least:
        _check_folder(rest[0])
    try:
        action(AclStore(maildir), rest)
    except AclMinimumError as error:
        is_general = error.identifier == ADMINISTRATORS
        reason = f"Trying to set invalid access rights for {error.identifier}"
        line = f"{maildir}: {error.reason}" if is_general else reason
        raise CommandError(line, is_bare=True) from error
    except MaildirError as error:
        raise CommandError(f"{maildir}: {error.reason}", is_bare=True) from error
    return 0


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.maildiracl_app import app

        app(["--help"], prog_name="maildiracl")
    run_filter("maildiracl", lambda: run(words))


def _check_folder(name: str) -> None:
    """Only this spelling: the library takes other cases of INBOX, and short names."""
    if name != "INBOX" and not name.startswith("INBOX."):
        raise CommandError(f"{name}: Invalid argument", is_bare=True)


def _reset(store: AclStore, _: Sequence[str]) -> None:
    store.reset()


def _list(store: AclStore, words: Sequence[str]) -> None:
    entries = store.read(words[0])
    _print("".join(f"{entry.identifier}\t{entry.rights}\n" for entry in entries))


def _set(store: AclStore, words: Sequence[str]) -> None:
    folder, identifier, change, *_ = words
    acl = store.read(folder)
    store.write(folder, _changed(acl, identifier, change))


def _delete(store: AclStore, words: Sequence[str]) -> None:
    folder, identifier, *_ = words
    store.write(folder, store.read(folder).without(identifier))


def _compute(store: AclStore, words: Sequence[str]) -> None:
    folder, *identifiers = words
    _print(f"{store.read(folder).rights_of(identifiers)}\n")


def _changed(acl: Acl, identifier: str, change: str) -> Acl:
    from couriermail.maildir import InvalidNameError

    try:
        return acl.with_change(identifier, change)
    except InvalidNameError as error:
        raise CommandError(str(error)) from error


def _print(text: str) -> None:
    write_out(text.encode("utf-8", "surrogateescape"))


# Verb -> what it does, and how many words it needs behind the maildir.
VERBS: dict[str, tuple[Callable[[AclStore, Sequence[str]], None], int]] = {
    "-reset": (_reset, 0),
    "-list": (_list, 1),
    "-set": (_set, 3),
    "-delete": (_delete, 2),
    "-compute": (_compute, 2),
}

if __name__ == "__main__":
    main()
