"""`cancelmsg`: give up a message that waits in the queue (spec mta.md 16)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.layout import existing_config_directory

__all__ = ["app", "main"]

EXAMPLES = """
Exit codes: 0 cancelled; 1 no such message of yours; 2 a wrong command line; 75 try again later;
78 no such configuration directory, or one that cannot be used.

Examples:

  mailq                                       shows the ids of your messages
  cancelmsg QUEUEID                           its recipients fail, you get a report
  cancelmsg QUEUEID "wrong attachment"        each further argument is a line of the report
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def cancelmsg(
    queue_id: Annotated[str, typer.Argument(metavar="QUEUEID", help="As mailq shows it.")],
    reason: Annotated[list[str] | None, typer.Argument(help="Lines for the report.")] = None,
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
) -> None:
    """Cancel a message of your own; root and the mail system's user may cancel any."""
    from couriermail.mta.config import load_config
    from couriermail.mta.queuecontrol import CANCELLED, NOT_FOUND
    from couriermail.mta.queuelist import cancel_message

    with reporting("cancelmsg"):
        settings = load_config(existing_config_directory(config))
        if not cancel_message(settings, queue_id, reason or []):
            typer.echo(NOT_FOUND, err=True)
            raise typer.Exit(1)
        typer.echo(CANCELLED)


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="cancelmsg"))
