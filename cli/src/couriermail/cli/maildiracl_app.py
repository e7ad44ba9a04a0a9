"""The typer app of `maildiracl`: its help, and the declaration of its verbs.

The command itself reads its words without typer (`couriermail.cli.maildiracl`); a test keeps
the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
FOLDER is INBOX or INBOX.name. IDENTIFIER is owner, anyone, user=NAME, group=NAME or
administrators; a leading - takes rights away. RIGHTS are letters of aceilrstwx; +RIGHTS adds
some and -RIGHTS takes some.

Exit codes: 0 done, 1 failed.

\b
Examples:
  maildiracl -list Maildir INBOX.Sent
  maildiracl -set Maildir INBOX.Sent user=bob lrs
  maildiracl -set Maildir INBOX.Sent user=bob +w
  maildiracl -set Maildir INBOX.Sent -user=eve lr
  maildiracl -delete Maildir INBOX.Sent user=bob
  maildiracl -compute Maildir INBOX.Sent user=bob group=staff
  maildiracl -reset Maildir
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def maildiracl(
    maildir: Annotated[str, typer.Argument(help="The maildir.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER [IDENTIFIER]... [RIGHTS]]")
    ] = None,
    show: Annotated[bool, typer.Option("-list", help="Show a folder's list.")] = False,
    change: Annotated[bool, typer.Option("-set", help="Give an identifier rights.")] = False,
    delete: Annotated[bool, typer.Option("-delete", help="Remove an identifier.")] = False,
    compute: Annotated[
        bool, typer.Option("-compute", help="Show the rights of somebody with identifiers.")
    ] = False,
    reset: Annotated[
        bool, typer.Option("-reset", help="Remove lists of names that have no folders.")
    ] = False,
) -> None:
    """Show and change the access control lists of folders."""
