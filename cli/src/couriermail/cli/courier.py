"""`courier`: start, stop and look at the mail system of one configuration directory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.background import default_log, run_in_background
from couriermail.cli.errors import reporting
from couriermail.cli.layout import config_directory, existing_config_directory

if TYPE_CHECKING:
    from couriermail.queue import Queue

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  courier start                       in the background, /etc/courier
  courier -C ./mail start -f          in the foreground, everything below ./mail
  courier -C ./mail status            what runs, where it listens
  courier flush                       try everything that waits now
  courier cancel QUEUEID no longer needed
"""

app = typer.Typer(
    help="Start, stop and look at the mail system.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DirectoryOption = Annotated[
    str | None,
    typer.Option(
        "-C", "--config", metavar="DIR", help="Configuration directory (COURIERMAIL_CONFIG)."
    ),
]


class _Chosen:
    directory = ""


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"couriermail {version('couriermail-cli')}")
        raise typer.Exit


@app.callback()
def choose(
    config: DirectoryOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Start, stop and look at the mail system."""
    _Chosen.directory = config_directory(config)


@app.command()
def start(
    foreground: Annotated[
        bool, typer.Option("-f", "--foreground", help="Stay, and log to standard error.")
    ] = False,
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="WHERE", help="syslog, - or a file; see below for defaults."),
    ] = None,
    faults: Annotated[list[str] | None, typer.Option("--fault", hidden=True)] = None,
) -> None:
    """Start the mail system; returns when it answers.

    The background log goes to syslog, or to log/courier.log in the state directory where
    there is no syslog.  It is no error if the system runs already.
    """
    with reporting("courier"):
        existing_config_directory(_Chosen.directory)
        if faults:
            from couriermail.core import FaultPlan, install_faults

            install_faults([FaultPlan.from_text(text) for text in faults])
        if foreground:
            raise typer.Exit(_run(log or "-"))
        raise typer.Exit(_start_in_background(log))


def _run(log: str, on_ready: Callable[[], None] | None = None) -> int:
    from couriermail.mta.logs import configure_logging
    from couriermail.mta.runstate import Status
    from couriermail.mta.system import MailSystem

    configure_logging(log, "courier")

    def say_ready(status: Status) -> None:
        if on_ready is not None:
            on_ready()
            return
        for address in status.listening:
            typer.echo(f"SMTP on {address}", err=True)

    return MailSystem(_Chosen.directory, log=log).run(say_ready)


def _start_in_background(log: str | None) -> int:
    from couriermail.mta.config import load_config
    from couriermail.mta.system import read_status

    if read_status(_Chosen.directory).is_running:
        return 0
    destination = log or default_log(load_config(_Chosen.directory).state, "courier")
    trouble = run_in_background(lambda say_ready: _run(destination, say_ready))
    if trouble is None:
        return 0
    reason = trouble or f"it ended; see {destination}"
    typer.echo(f"courier: the mail system did not start: {reason}", err=True)
    return 1


@app.command()
def stop() -> None:
    """Stop the mail system and wait until it has ended."""
    with reporting("courier"):
        from couriermail.mta.system import run_state

        if not run_state(_Chosen.directory).stop():
            typer.echo("courier: not running", err=True)


@app.command()
def restart() -> None:
    """Have the running system read its configuration anew."""
    with reporting("courier"):
        from couriermail.mta.system import run_state

        if not run_state(_Chosen.directory).restart():
            typer.echo("courier: not running", err=True)
            raise typer.Exit(1)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs; exit code 3 when nothing does."""
    with reporting("courier"):
        import attrs

        from couriermail.mta.system import read_status

        found = read_status(_Chosen.directory)
        if as_json:
            import json

            typer.echo(json.dumps(attrs.asdict(found)))
        elif found.is_running:
            typer.echo(f"running since {time.ctime(found.since)}, pid {found.pid}")
            for name, pid in found.services.items():
                typer.echo(f"  {name:<13} pid {pid}")
            for address in found.listening:
                typer.echo(f"  SMTP          {address}")
        else:
            typer.echo("not running")
        if not found.is_running:
            raise typer.Exit(3)


@app.command()
def flush(queue_id: Annotated[str | None, typer.Argument(metavar="[QUEUEID]")] = None) -> None:
    """Try one message, or everything that waits, now."""
    with reporting("courier"), _queue() as queue:
        queue.flush(queue_id)
        queue.notify()


@app.command()
def cancel(queue_id: str, reason: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Cancel a message: its recipients fail with the reason, the sender gets a report."""
    with reporting("courier"):
        with _queue() as queue:
            queue.cancel(queue_id, [" ".join(reason)] if reason else [])
            queue.notify()
        typer.echo("Message scheduled for cancellation.")


@app.command()
def hold(queue_id: str, reason: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Keep a message in the queue without trying it."""
    with reporting("courier"), _queue() as queue:
        queue.hold(queue_id, " ".join(reason or []))


@app.command()
def release(queue_id: str) -> None:
    """Let a message that is on hold be tried again."""
    with reporting("courier"), _queue() as queue:
        queue.unhold(queue_id)
        queue.notify()


def _queue() -> Queue:
    from couriermail.mta.config import load_config
    from couriermail.mta.queueaccess import open_queue

    return open_queue(load_config(_Chosen.directory))


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="courier"))
