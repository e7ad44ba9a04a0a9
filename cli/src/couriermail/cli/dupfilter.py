"""`dupfilter`: the global filter that refuses copies of a message (spec filter 4.21)."""

from __future__ import annotations

import logging
import subprocess
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.filter_programs import find_places, judge_standard_input, serve

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import FilterPlaces, Judge

__all__ = ["app", "main"]

log = logging.getLogger("couriermail.cli.dupfilter")

EXAMPLES = """
Examples:

  filterctl start dupfilter      have courierfilter run it

  dupfilter test                 try it: the body's path, the control file's path, an empty line

Settings, each the first line of a file in `filters` of the configuration directory:

  dupfilter-duplevel     the copy that is refused (4: three pass)

  dupfilter-hashsize     how many messages are remembered (500)

  dupfilter-nthreads     messages judged at the same time (4)

  dupfilter-cancel       1: copies that passed before are cancelled as well (0)

  dupfilter-mode         all: judge mail for every recipient

Not for a server with mailing lists.

Exit codes: 0 its standard input ended; 1 a setting cannot be used; 2 wrong arguments; 75 it cannot
listen.
"""

CANCEL_SECONDS = 30.0

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Mode(StrEnum):
    """How to run."""

    test = "test"


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def dupfilter(
    mode: Annotated[Mode | None, typer.Argument(help="Judge requests from standard input.")] = None,
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
) -> None:
    """Refuse a message that came several times already; courierfilter runs this."""
    with reporting("dupfilter"):
        places = find_places(config)
        if mode is Mode.test:
            judge_standard_input(_configured(places)[0])
        else:
            serve(lambda: _configured(places), places)


def _configured(places: FilterPlaces) -> tuple[Judge, int]:
    from couriermail.filter.courierfilter import DuplicateJudge

    judge = DuplicateJudge(
        hash_size=places.number("dupfilter-hashsize", 500, minimum=2),
        level=places.number("dupfilter-duplevel", 4, minimum=2),
        cancel=_cancel if places.number("dupfilter-cancel", 0) else None,
    )
    return judge, places.number("dupfilter-nthreads", 4, minimum=1)


def _cancel(queue_id: str, reason: str) -> None:
    """Cancel a message as an administrator would."""
    try:
        done = subprocess.run(
            ["cancelmsg", queue_id, reason],
            check=False,
            capture_output=True,
            timeout=CANCEL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("cannot cancel %s: %s", queue_id, error)
        return
    if done.returncode:
        log.error("cannot cancel %s: cancelmsg ended with %d", queue_id, done.returncode)


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="dupfilter"))
