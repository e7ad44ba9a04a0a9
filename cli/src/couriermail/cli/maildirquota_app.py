"""The typer app of `maildirquota`: its help, and the declaration of its options.

The command itself reads its words without typer (`couriermail.cli.maildirquota`); a test keeps
the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
A line has five columns with tabs between: maildir, what, octets, messages, remark. What is a
folder's name, then: counted (the sum of what counts), before (the totals before --recalculate),
recorded (the totals in maildirsize, by which deliveries decide), quota (the limits).

Folders that do not count are lines of the file maildirquotaexclude in the maildir; NAME.* means
those below NAME. Trash does not count either, unless a line is +Trash. Programs that do not know
the file count all folders but Trash when they count anew; the next delivery by couriermail counts
again by the file.

Exit codes: 0 done; 1 a maildir failed (the others were done) or the command line is wrong.

\b
Examples:
  maildirquota Maildir                              what is used, folder by folder
  maildirquota --recalculate /home/*/Maildir        count anew, beside running deliveries
  maildirquota --exclude Spam Maildir               spam does not count from now on
  maildirquota --json Maildir | jq .percent         one object a line for each maildir
  maildirquota /home/*/Maildir | awk -F'\\t' '$2 == "counted" && $5+0 > 90'
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def maildirquota(
    maildir: Annotated[list[str], typer.Argument(help="Maildirs, or folders of them.")],
    recalculate: Annotated[
        bool, typer.Option("--recalculate", help="Count the maildir and replace its totals.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object a line.")] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="FOLDER", help="This folder shall not count."),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="FOLDER", help="This folder shall count again."),
    ] = None,
) -> None:
    """Show the quota of maildirs and what their folders hold; count anew."""
