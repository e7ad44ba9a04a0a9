"""The typer app of `reformail`: its help, and the declaration of its options.

The command itself reads its command line without typer (`couriermail.cli.reformail`); a test
keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input and written to standard output. Names in values have
their colon. Appended fields stand at the end of the header.

Exit codes: 0 done; 1 bad arguments or a failure; with -D 0 for a duplicate, 1 for a new
message, 75 when the list of ids cannot be used.

Examples:

  reformail -A 'X-Loop: me@example.com' < message       append a field
  reformail -I 'Subject: new' -i Reply-To: < message    replace one, set another aside
  reformail -x Subject: -x From: < message              print two values
  reformail -D 8000 seen < message                      was this message here before?
  reformail -f0 < message | maildrop                    take the From line away
  reformail -s maildrop < mbox                          deliver each message of a mail file
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

Fields = list[str] | None


@app.command(epilog=EXAMPLES)
def reformail(
    append_missing: Annotated[
        Fields, typer.Option("-a", metavar="'H: V'", help="Append unless there is an H.")
    ] = None,
    append: Annotated[
        Fields, typer.Option("-A", metavar="'H: V'", help="Append in any case.")
    ] = None,
    supersede: Annotated[
        Fields, typer.Option("-i", metavar="'H: V'", help="Rename every H to Old-H, then append.")
    ] = None,
    replace: Annotated[
        Fields, typer.Option("-I", metavar="'H: V'", help="Delete every H, then append.")
    ] = None,
    rename: Annotated[
        tuple[str, str] | None, typer.Option("-R", metavar="OLD: NEW:", help="Rename fields.")
    ] = None,
    keep_first: Annotated[
        Fields, typer.Option("-u", metavar="H:", help="Keep only the first H.")
    ] = None,
    keep_last: Annotated[
        Fields, typer.Option("-U", metavar="H:", help="Keep only the last H, behind all others.")
    ] = None,
    values: Annotated[
        Fields, typer.Option("-x", metavar="H:", help="Print the value of H, nothing else.")
    ] = None,
    fields: Annotated[
        Fields, typer.Option("-X", metavar="H:", help="Print H with its name, nothing else.")
    ] = None,
    join: Annotated[bool, typer.Option("-c", help="Put folded fields on one line.")] = False,
    crlf: Annotated[bool, typer.Option("-d", help="End lines with CRLF; -d0: with LF.")] = False,
    from_line: Annotated[
        str | None,
        typer.Option("-f", metavar="0|1", help="0: take the From line away; 1: add one."),
    ] = None,
    duplicates: Annotated[
        tuple[int, str] | None,
        typer.Option("-D", metavar="LEN FILE", help="Only tell whether FILE has the Message-ID."),
    ] = None,
    split: Annotated[
        bool, typer.Option("-s", help="Run the command that follows for each message.")
    ] = False,
    command: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...")] = None,
) -> None:
    """Edit the header of a message, or split a mail file."""
