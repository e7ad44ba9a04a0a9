"""The typer app of `maildrop`: its help, and the declaration of its options.

The command itself reads a well-formed command line without typer (`couriermail.cli.maildrop`);
a test keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input. Without a filter file, or with -d or -D, mail is
delivered as the system does it: the site's maildroprc, then the user's .mailfilter, then the
default mailbox.

Exit codes: what the recipe sets with EXITCODE; 67 no such user; 75 try again later.

Examples:

  maildrop < message                    deliver to yourself
  maildrop ./recipe < message           run a recipe, nothing else
  maildrop -d bob -f alice@example.com < message
  maildrop -V 4 ./recipe < message      show what the recipe does

Without delivering anything, as the first word; each has a --help of its own:

  maildrop --check ./recipe             look for mistakes
  maildrop --explain ./recipe < message show which line matched what
  maildrop --dry-run ~/Maildir ./recipe show where each message would go
  maildrop --convert-old ./recipe       rewrite a recipe of maildrop 1.x
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def maildrop(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[FILTERFILE] [ARG]...")] = None,
    account_errors: Annotated[
        bool, typer.Option("-a", help="Account trouble is temporary; always so.")
    ] = False,
    headers: Annotated[
        list[str] | None, typer.Option("-A", metavar="'NAME: TEXT'", help="Put a header first.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("-d", metavar="USER", help="Deliver to this user.")
    ] = None,
    ids: Annotated[
        str | None, typer.Option("-D", metavar="UID[/GID]", help="Deliver with these ids.")
    ] = None,
    sender: Annotated[
        str | None, typer.Option("-f", metavar="ADDRESS", help="Envelope sender.")
    ] = None,
    embedded: Annotated[bool, typer.Option("-m", help="The filter file judges only.")] = False,
    embedded_name: Annotated[
        str | None,
        typer.Option("-M", metavar="NAME", help="Judge by a file in .mailfilters."),
    ] = None,
    socket: Annotated[
        str | None, typer.Option("-t", metavar="SOCKET", help="Not available; exit code 75.")
    ] = None,
    version: Annotated[bool, typer.Option("-v", help="Show the version.")] = False,
    verbose: Annotated[
        str | None, typer.Option("-V", metavar="N", help="Level of trace, 0 to 9.")
    ] = None,
    warn_percent: Annotated[
        str | None,
        typer.Option("-w", metavar="N", help="Warn of a mailbox that is this full, percent."),
    ] = None,
    warn_file: Annotated[
        str | None, typer.Option("-W", metavar="FILE", help="Text of the warning of -w.")
    ] = None,
) -> None:
    """Deliver one message through recipes in the maildrop language."""
