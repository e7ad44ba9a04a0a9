"""The typer app of `maildirkw`: its help, and the declaration of its options.

The command itself reads its words without typer (`couriermail.cli.maildirkw`); a test keeps the
two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
Exit codes: 0 done, 1 failed.

\b
Examples:
  maildirkw Maildir MESSAGE todo work    these keywords and no others
  maildirkw -a Maildir MESSAGE todo      one more
  maildirkw -r Maildir MESSAGE todo      one less
  maildirkw Maildir MESSAGE              none at all
  maildirkw -L Maildir/.Sent             list those of a folder
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def maildirkw(
    maildir: Annotated[str, typer.Argument(help="The maildir, or a folder's directory.")],
    message: Annotated[
        str | None, typer.Argument(help="File name of a message; flags do not matter.")
    ] = None,
    keywords: Annotated[list[str] | None, typer.Argument(metavar="[KEYWORD]...")] = None,
    add: Annotated[bool, typer.Option("-a", help="Add keywords.")] = False,
    remove: Annotated[bool, typer.Option("-r", help="Remove keywords.")] = False,
    show: Annotated[bool, typer.Option("-L", help="List the keywords of all messages.")] = False,
    lock: Annotated[
        bool, typer.Option("-l", help="Lock the folder as IMAP servers may do.")
    ] = False,
) -> None:
    """Change or list the keywords of messages."""
