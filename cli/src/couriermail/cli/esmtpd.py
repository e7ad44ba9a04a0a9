"""`esmtpd`: the SMTP server of a configuration directory, in the foreground.

`courier start` runs it together with everything else; alone it accepts mail into the queue
while the scheduler is down or runs elsewhere.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.layout import existing_config_directory

if TYPE_CHECKING:
    from couriermail.mta.runstate import Status

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  esmtpd -C ./mail                    listen where ./mail/esmtpd says
  esmtpd -C ./mail --port 2525        listen on 127.0.0.1:2525
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def esmtpd(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    port: Annotated[
        str | None,
        typer.Option("--port", metavar="PORT", help="Instead of PORT: 2525, 127.0.0.1.2525."),
    ] = None,
    log: Annotated[str, typer.Option("--log", metavar="WHERE", help="syslog, - or a file.")] = "-",
) -> None:
    """Accept mail by SMTP until SIGTERM or Ctrl-C."""
    with reporting("esmtpd"):
        from couriermail.mta.logs import configure_logging
        from couriermail.mta.system import MailSystem

        configure_logging(log, "esmtpd")
        system = MailSystem(
            existing_config_directory(config),
            log=log,
            with_scheduler=False,
            with_smtp=True,
            smtp_ports=port,
        )
        raise typer.Exit(system.run(_say_where))


def _say_where(status: Status) -> None:
    for address in status.listening:
        typer.echo(f"SMTP on {address}", err=True)


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="esmtpd"))
