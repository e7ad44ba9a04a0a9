"""`filterctl`: switch global mail filters on and off, and look at them (spec filter 2.4)."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting, usage_errors_end_with
from couriermail.cli.layout import config_directory, state_directory

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import FilterPlaces

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  filterctl start dupfilter        dupfilter judges mail from now on

  filterctl stop dupfilter         and no longer

  filterctl list                   the filters that there are

  filterctl status                 what is on, what runs, what answers

Your own filters are programs in `filters/programs` of the configuration directory.  The mail of
which sources they see stands in the file `enablefiltering`.

Exit codes: 0 done, or it was so already; 1 wrong arguments, no such filter, or the link cannot be
made.
"""

OURS = ("dupfilter", "pyfilter", "ratefilter", "verifyfilter")

app = typer.Typer(
    help="Switch global mail filters on and off.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The filter.")]


class _Chosen:
    config = ""
    programs: tuple[str, ...] = ()


@app.callback()
def choose(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    programs: Annotated[
        list[str] | None,
        typer.Option("--programs", metavar="DIR", help="Look for filters here, and only here."),
    ] = None,
) -> None:
    """Switch global mail filters on and off."""
    _Chosen.config = config_directory(config)
    _Chosen.programs = tuple(programs or ())


@app.command()
def start(name: NameArgument) -> None:
    """Switch a filter on; a running courierfilter starts it."""
    with reporting("filterctl"):
        from couriermail.filter.courierfilter import find_program, switch_on

        program = find_program(name, _directories(name))
        if switch_on(_places(), name, program):
            _tell_courierfilter()


@app.command()
def stop(name: NameArgument) -> None:
    """Switch a filter off; a running courierfilter stops it."""
    with reporting("filterctl"):
        from couriermail.filter.courierfilter import switch_off

        switch_off(_places(), name)
        _tell_courierfilter()


@app.command(name="list")
def list_filters() -> None:
    """Show the filters that can be switched on."""
    own = _Chosen.programs or (_own_programs(),)
    found = (
        [] if _Chosen.programs else [name for name in OURS if _is_program(_our_programs(), name)]
    )
    for directory in own:
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        found += [name for name in names if _is_program(directory, name)]
    for name in dict.fromkeys(found):
        typer.echo(name)


@app.command()
def status() -> None:
    """Show what is switched on, what runs and what answers."""
    with reporting("filterctl"):
        from couriermail.mta.filterdaemon import filter_run_state

        places = _places()
        running = filter_run_state(_Chosen.config).read().services
        on = places.active_names()
        sockets = places.socket_paths(everybody=True)
        listening = {os.path.basename(path): path for path in sockets}
        for name in sorted({*on, *running, *listening}):
            enabled = "on" if name in on else "off"
            process = f"pid {running[name]}" if name in running else "not running"
            typer.echo(f"{name:<16} {enabled:<4} {process:<14} {_state_of(listening.get(name))}")


def _state_of(path: str | None) -> str:
    if path is None:
        return "no socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(path)
        except OSError as error:
            return f"{path}: {error.strerror or error}"
    return f"{path}: answers"


def _directories(name: str) -> tuple[str, ...]:
    if _Chosen.programs:
        return _Chosen.programs
    # Of the directory with our commands only the filters: no other program is one.
    return (_own_programs(), *((_our_programs(),) if name in OURS else ()))


def _own_programs() -> str:
    return f"{_Chosen.config}/filters/programs"


def _our_programs() -> str:
    return os.path.dirname(os.path.abspath(sys.argv[0]))


def _is_program(directory: str, name: str) -> bool:
    path = f"{directory}/{name}"
    return not name.startswith(".") and os.path.isfile(path) and os.access(path, os.X_OK)


def _places() -> FilterPlaces:
    from couriermail.filter.courierfilter import FilterPlaces

    return FilterPlaces(_Chosen.config, state_directory(_Chosen.config))


def _tell_courierfilter() -> None:
    from couriermail.mta.filterdaemon import filter_run_state

    filter_run_state(_Chosen.config).restart()


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    with usage_errors_end_with(1):
        app(prog_name="filterctl")
