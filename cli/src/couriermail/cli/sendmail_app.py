"""The typer app of `sendmail`: its help, and the declaration of its options.

The command itself reads a well-formed command line without typer (`couriermail.cli.sendmail`); a
test keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input. Without recipients they are taken from To, Cc and Bcc.

Exit codes: 0 accepted, 67 a recipient or the message was refused, 75 try again later, 77 bad
options.

Examples:

  sendmail bob < message                      to bob at the default domain
  sendmail -f alice@example.com -t < message  recipients from the headers
  sendmail -N success,delay -R hdrs bob < message
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def sendmail(
    recipients: Annotated[list[str] | None, typer.Argument(metavar="[RECIPIENT]...")] = None,
    sender: Annotated[
        str | None, typer.Option("-f", metavar="ADDRESS", help="Envelope sender; may be empty.")
    ] = None,
    full_name: Annotated[
        str | None, typer.Option("-F", metavar="NAME", help="Full name for From.")
    ] = None,
    notify: Annotated[
        str | None,
        typer.Option("-N", metavar="LIST", help="Reports: never, or success,fail,delay."),
    ] = None,
    ret: Annotated[
        str | None, typer.Option("-R", metavar="full|hdrs", help="What a report returns.")
    ] = None,
    envid: Annotated[
        str | None, typer.Option("-V", metavar="ID", help="Envelope identifier for reports.")
    ] = None,
    security: Annotated[
        str | None, typer.Option("-S", metavar="NONE|STARTTLS", help="Security level.")
    ] = None,
    ignored: Annotated[
        str | None, typer.Option("-o", metavar="X", help="Taken and ignored, as always.")
    ] = None,
    config: Annotated[
        str | None, typer.Option("-C", metavar="DIR", help="Configuration directory.")
    ] = None,
    bcc: Annotated[bool, typer.Option("-bcc", help="Header recipients from Bcc only.")] = False,
    verp: Annotated[bool, typer.Option("-verp", help="Variable envelope return paths.")] = False,
    mailq: Annotated[bool, typer.Option("-bp", help="List the queue, as mailq does.")] = False,
    smtp: Annotated[bool, typer.Option("-bs", help="SMTP on standard input and output.")] = False,
    show: Annotated[
        bool, typer.Option("-n", help="Print the message with its new From; send nothing.")
    ] = False,
    verify: Annotated[bool, typer.Option("-bv", help="Only check the recipients.")] = False,
    headers: Annotated[bool, typer.Option("-t", help="Implied: recipients from headers.")] = False,
    dots: Annotated[bool, typer.Option("-i", help="Implied: a lone dot does not end it.")] = False,
) -> None:
    """Hand one message to the mail system."""
