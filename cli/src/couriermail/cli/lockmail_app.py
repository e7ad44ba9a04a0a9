"""The typer app of `lockmail`: its help, and the declaration of its options.

The command itself reads its words without typer (`couriermail.cli.lockmail`); a test keeps the
two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
Three locks are taken: the one of the c-client library, MAILFILE.lock, and the one on the file
itself.  Without -t it tries for five minutes.

Exit codes: that of the program; 75 not locked, or the program was ended by a signal; 1 wrong
command line, or the program cannot be run.

\b
Examples:
  lockmail /var/mail/bob cat /var/mail/bob      read a mailbox that is at rest
  lockmail -t 0 ~/mbox mv ~/mbox ~/mbox.old     now or not at all
  lockmail -r ~/mbox.readonly wc -l             content with a lock for reading
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def lockmail(
    mailfile: Annotated[str, typer.Argument(help="The mailbox; created when missing.")],
    program: Annotated[list[str], typer.Argument(help="The program and its arguments.")],
    read_only: Annotated[
        bool, typer.Option("-r", help="Be content with a lock for reading.")
    ] = False,
    seconds: Annotated[
        int | None, typer.Option("-t", metavar="SECONDS", help="How long to try.")
    ] = None,
) -> None:
    """Run a program while a mailbox is locked."""
