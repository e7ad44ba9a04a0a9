"""`courierfilter`: start, stop and restart the global mail filters (spec filter 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from couriermail.cli.background import default_log, run_in_background
from couriermail.cli.errors import reporting, usage_errors_end_with
from couriermail.cli.layout import config_directory

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  filterctl start dupfilter           which filters are wanted

  courierfilter start                 start them, before `courier start`

  courierfilter restart               start what was switched on, stop what was switched off

  courierfilter stop                  stop them, after `courier stop`

  courierfilter -C ./mail start -f    in the foreground, log to standard error

The mail of which sources is filtered stands in the file `enablefiltering` of the configuration
directory, such as `esmtp local`.

Exit codes: 0 done, running already, or nothing to stop; 1 wrong arguments, or it did not start.
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Action(StrEnum):
    """What to do."""

    start = "start"
    stop = "stop"
    restart = "restart"


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def courierfilter(
    action: Annotated[Action, typer.Argument(help="What to do with the filters.")],
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    foreground: Annotated[
        bool, typer.Option("-f", "--foreground", help="Stay, and log to standard error.")
    ] = False,
    log: Annotated[
        str | None, typer.Option("--log", metavar="WHERE", help="syslog, - or a file.")
    ] = None,
) -> None:
    """Start, stop or restart the global mail filters that filterctl switched on."""
    directory = config_directory(config)
    with reporting("courierfilter"):
        from couriermail.mta.filterdaemon import filter_run_state

        state = filter_run_state(directory)
        if action is Action.stop:
            state.stop(STOP_SECONDS)
        elif action is Action.restart:
            state.restart()
        elif not state.read().is_running:
            where = log or ("-" if foreground else default_log(state.state.path, "courierfilter"))
            raise typer.Exit(_start(directory, where, foreground=foreground))


STOP_SECONDS = 60.0  # a filter may take forty to finish what it began


def _start(directory: str, log: str, *, foreground: bool) -> int:
    def run(say_ready: Callable[[], None]) -> int:
        from couriermail.mta.filterdaemon import FilterDaemon
        from couriermail.mta.logs import configure_logging

        configure_logging(log, "courierfilter")
        FilterDaemon(directory).run(say_ready)
        return 0

    if foreground:
        return run(lambda: typer.echo("courierfilter: ready", err=True))
    trouble = run_in_background(run)
    if trouble is None:
        return 0
    typer.echo(f"courierfilter: it did not start: {trouble or f'see {log}'}", err=True)
    return 1


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    with usage_errors_end_with(1):
        app(prog_name="courierfilter")
