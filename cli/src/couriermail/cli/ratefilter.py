"""`ratefilter`: the global filter that limits recipients per sender (spec filter 4.22)."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.filter_programs import find_places, serve

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import FilterPlaces, Judge

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  filterctl start ratefilter     have courierfilter run it

Settings, each the first line of a file in `filters` of the configuration directory:

  ratefilter-interval    seconds that are looked at (60, which is the least)

  ratefilter-maxrcpts    recipients of one sender in that time (100)

  ratefilter-minuid      local senders below this uid are not limited (100)

  ratefilter-exempt      logins that are not limited; all lines count

  ratefilter-code        how the refusal begins (450 4.7.1; Courier's is 500)

  ratefilter-mode        all: judge mail for every recipient

A sender is an authenticated login, or the uid of a local submission.

Exit codes: 0 its standard input ended; 1 a setting cannot be used; 2 wrong arguments; 75 it cannot
listen.
"""

WORKERS = 4

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def ratefilter(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
) -> None:
    """Refuse the mail of a sender that writes to too many; courierfilter runs this."""
    with reporting("ratefilter"):
        places = find_places(config)
        serve(lambda: _configured(places), places)


def _configured(places: FilterPlaces) -> tuple[Judge, int]:
    from couriermail.filter.courierfilter import RateJudge

    judge = RateJudge(
        interval=places.number("ratefilter-interval", 60, minimum=60),
        max_recipients=places.number("ratefilter-maxrcpts", 100),
        min_uid=places.number("ratefilter-minuid", 100),
        exempt=places.words("ratefilter-exempt"),
        code=_code(places),
    )
    return judge, WORKERS


def _code(places: FilterPlaces) -> str:
    """How a refusal begins; it must be one."""
    from couriermail.filter.courierfilter import FilterConfigError

    code = places.first_line("ratefilter-code") or "450 4.7.1"
    if not re.fullmatch("[45][0-9]{2}( .*)?", code):
        path = f"{places.settings}/ratefilter-code"
        raise FilterConfigError("does not begin with a reply code, 400 to 599", path=path)
    return code


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="ratefilter"))
