"""The typer app of `deliverquota`: its help, and the declaration of its options.

The command itself reads its words without typer (`couriermail.cli.deliverquota`); a test keeps
the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input. The text of the warning is a message without Date
and Message-Id; without -W it is the file quotawarnmsg of the configuration directory, and
without that there is no warning. A warning is repeated once a day at most.

Exit codes: 0 delivered; 73 the command line is wrong; 74 it could not be read or written;
75 try again later; over quota: 75, or 77 when called as deliverquota.maildrop.

\b
Examples:
  deliverquota Maildir < message
  deliverquota -c -w 90 Maildir < message        create it; warn when nine tenths are used
  deliverquota -w 90 -W text Maildir < message   with your own text
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def deliverquota(
    maildir: Annotated[str, typer.Argument(help="The maildir, or a folder of one.")],
    quota: Annotated[
        str | None, typer.Argument(help="Set this quota first: BYTES S, COUNT C.")
    ] = None,
    create: Annotated[
        bool, typer.Option("-c", help="Create the maildir and its parents if need be.")
    ] = False,
    warn_percent: Annotated[
        int,
        typer.Option("-w", metavar="N", help="Warn from N percent on; -1 for never."),
    ] = -1,
    warn_file: Annotated[
        str | None, typer.Option("-W", metavar="FILE", help="The text of the warning.")
    ] = None,
    over_quota_status: Annotated[
        int,
        typer.Option(
            "--over-quota-status", metavar="N", help="Exit code of a message that does not fit."
        ),
    ] = 75,
    virtual_size: Annotated[
        bool,
        typer.Option(
            "--virtual-size", help="State the size with CRLF line ends in the name, for Dovecot."
        ),
    ] = False,
) -> None:
    """Deliver one message into a maildir, within its quota."""
