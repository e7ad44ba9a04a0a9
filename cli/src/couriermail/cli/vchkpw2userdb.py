"""`vchkpw2userdb`: print vpopmail's password files as userdb records (spec auth 2.8)."""

from __future__ import annotations

import os
import pwd
import sys
from typing import Annotated

import typer

from couriermail.auth.userdb_edit import write_userdb
from couriermail.auth.userdb_files import read_file
from couriermail.auth.userdb_import import ImportRules, passwd_records
from couriermail.cli.pw2userdb import run_strictly, vpopmail_ids
from couriermail.cli.userdb_errors import fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["app", "main"]

DEFAULT_DOMAIN = "default"

EXAMPLES = """
Exit codes: 0 done, 1 a wrong option, a file that cannot be read, or no user vpopmail.

\b
Examples:
  umask 077; vchkpw2userdb > userdb          all in one; nobody else may read it
  vchkpw2userdb --todir=userdb               one file for each domain
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def vchkpw2userdb(
    vpopmailhome: Annotated[
        str | None, typer.Option(metavar="DIR", help="Default: the home of the user vpopmail.")
    ] = None,
    todir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a file for each domain there.")
    ] = None,
) -> None:
    """Print one userdb record for each user of vpopmail."""
    ids = vpopmail_ids()
    home = vpopmailhome or pwd.getpwnam("vpopmail").pw_dir
    if todir is not None:
        os.makedirs(todir, mode=0o700, exist_ok=True)
    for name, domain, path in _sources(home):
        rules = ImportRules(domain=os.fsencode(domain), with_reverse=False, ids=ids, has_quota=True)
        text = b"".join(record + b"\n" for record in passwd_records(read_file(path), {}, rules))
        if todir is None:
            sys.stdout.buffer.write(text)
        else:
            write_userdb(f"{os.path.realpath(todir)}/{name}", text)
    sys.stdout.buffer.flush()


def main() -> None:
    """Run the command and exit."""
    run_strictly(app, "vchkpw2userdb")


def _sources(home: str) -> Iterator[tuple[str, str, str]]:
    """Name of the file to make, domain, and path of each vpasswd."""
    users = f"{home}/users/vpasswd"
    if os.path.exists(users):
        yield "users", "", users
    try:
        domains = sorted(os.listdir(f"{home}/domains"))
    except FileNotFoundError:
        domains = []
    except OSError as error:
        fail(f"{home}/domains: {error.strerror}")
    for domain in domains:
        path = f"{home}/domains/{domain}/vpasswd"
        if os.path.exists(path):
            yield domain, "" if domain == DEFAULT_DOMAIN else domain, path


if __name__ == "__main__":
    main()
