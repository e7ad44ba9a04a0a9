"""`verifyfilter`: the global filter that verifies senders (spec filter 4.23)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.filter_programs import find_places, serve

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import FilterPlaces, Judge, SenderVerifier

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  filterctl start verifyfilter     have courierfilter run it

Settings, each the first line of a file in `filters` of the configuration directory:

  verifyfilter-logmode      what is remembered: base, without the part behind a `-` (the
  default), or full, the whole address

  verifyfilter-nthreads     messages judged at the same time (10)

  verifyfilter-skip         domains that are never asked about; all lines count

  verifyfilter-mode         all: judge mail for every recipient

It asks the mail servers of the senders on port 25 and needs dnspython
(`pip install 'couriermail-mta[verify]'`).

Exit codes: 0 its standard input ended; 1 a setting cannot be used; 2 wrong arguments; 75 it cannot
listen; 78 dnspython is missing.
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def verifyfilter(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
) -> None:
    """Refuse mail whose sender's server takes none for it; courierfilter runs this."""
    with reporting("verifyfilter"):
        places = find_places(config)
        serve(lambda: _configured(places), places)


def _configured(places: FilterPlaces) -> tuple[Judge, int]:
    from couriermail.filter.courierfilter import VerifyJudge

    workers = places.number("verifyfilter-nthreads", 10, minimum=1)
    return VerifyJudge(_verifier(places)), workers


def _verifier(places: FilterPlaces) -> SenderVerifier:
    from couriermail.core.durable import storage_error
    from couriermail.filter.courierfilter import (
        FilterConfigError,
        SenderVerifier,
        VerificationCache,
    )
    from couriermail.mta.config import load_config
    from couriermail.mta.senderprobe import SenderProbe, require_dns

    require_dns()  # now, and not with the first message
    mode = places.first_line("verifyfilter-logmode") or "base"
    if mode not in ("base", "full"):
        path = f"{places.settings}/verifyfilter-logmode"
        raise FilterConfigError("is neither base nor full", path=path)
    track = f"{places.state}/track"
    try:
        os.makedirs(track, 0o750, exist_ok=True)
    except OSError as error:
        raise storage_error(error, "cannot make", track) from error
    cache = VerificationCache(track)
    cache.purge()
    return SenderVerifier(
        SenderProbe(me=load_config(places.config).me),
        cache,
        full=mode == "full",
        skip=places.words("verifyfilter-skip"),
    )


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="verifyfilter"))
