"""`pw2userdb`: print password files as userdb records (spec auth 2.8)."""

from __future__ import annotations

import pwd
import sys
from typing import Annotated

import typer

from couriermail.auth.errors import UserdbError
from couriermail.auth.userdb_files import read_file
from couriermail.auth.userdb_import import ImportRules, passwd_records, read_shadow
from couriermail.cli.userdb_errors import fail

__all__ = ["app", "main", "run_strictly", "vpopmail_ids"]

ACCOUNTS_FILE = "/etc/passwd"
SHADOW_FILE = "/etc/shadow"

EXAMPLES = """
Exit codes: 0 done, 1 a wrong option, a file that cannot be read, or no user vpopmail.

\b
Examples:
  umask 077; pw2userdb > /etc/courier/userdb        every system user; nobody else may read it
  pw2userdb --passwd=FILE --noshadow --domain=D     a file of virtual users
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def pw2userdb(
    accounts: Annotated[
        str, typer.Option("--passwd", metavar="FILE", help="Password file.")
    ] = ACCOUNTS_FILE,
    shadow: Annotated[str, typer.Option(metavar="FILE", help="Shadow file.")] = SHADOW_FILE,
    noshadow: Annotated[bool, typer.Option("--noshadow", help="Read no shadow file.")] = False,
    nouid: Annotated[bool, typer.Option("--nouid", help="No entries from uid to name.")] = False,
    domain: Annotated[str, typer.Option(metavar="D", help="Make name@D of names.")] = "",
    vpopuid: Annotated[
        bool, typer.Option("--vpopuid", help="User and group of the user vpopmail.")
    ] = False,
) -> None:
    """Print one userdb record for each line of a password file."""
    rules = ImportRules(
        domain=domain.encode("utf-8", "surrogateescape"),
        with_reverse=not nouid,
        ids=vpopmail_ids() if vpopuid else None,
    )
    passwords = {} if noshadow else read_shadow(_read_optional(shadow))
    for record in passwd_records(read_file(accounts), passwords, rules):
        sys.stdout.buffer.write(record + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Run the command and exit."""
    run_strictly(app, "pw2userdb")


def run_strictly(program: typer.Typer, name: str) -> None:
    """Run a typer app that exits with 1, not 2, for wrong options."""
    try:
        program(prog_name=name)
    except UserdbError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    except SystemExit as end:
        if end.code == 2:  # what typer says of the option is on standard error already
            fail("Invalid options.")
        raise


def vpopmail_ids() -> tuple[int, int]:
    """User and group id of the system user `vpopmail`; exits when there is none."""
    try:
        entry = pwd.getpwnam("vpopmail")
    except KeyError:
        fail("vpopmail: no such user.")
    return entry.pw_uid, entry.pw_gid


def _read_optional(path: str) -> bytes:
    """Spec auth 2.8: merged with the shadow file when that is readable."""
    try:
        return read_file(path)
    except UserdbError:
        return b""


if __name__ == "__main__":
    main()
