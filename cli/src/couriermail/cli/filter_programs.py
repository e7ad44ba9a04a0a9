"""What our filter programs share: where they look, and the two ways in which they run."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from couriermail.cli.layout import config_directory, state_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.filter.courierfilter import FilterPlaces, Judge

__all__ = ["find_places", "judge_standard_input", "serve"]


def find_places(config: str | None) -> FilterPlaces:
    """The mail system to filter for: as said, as courierfilter says, or the usual one."""
    from couriermail.filter.courierfilter import FilterPlaces

    told = None if config else os.environ.get("sysconfdir")  # noqa: SIM112 - Courier's spelling
    directory = config_directory(config or told)
    state = os.environ.get("localstatedir") if told else None  # noqa: SIM112
    return FilterPlaces(directory, state or state_directory(directory))


def serve(configure: Callable[[], tuple[Judge, int]], places: FilterPlaces) -> None:
    """Be a filter until standard input ends; log lines go to standard error.

    Args:
        configure: reads the settings; called when the socket is there, so that one that cannot
            be used never lets mail pass unseen.  Returns the judge and the number of messages
            judged at the same time.
        places: where the filter listens.
    """
    from couriermail.filter.courierfilter import run_configured_filter

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    run_configured_filter(configure, places=places)


def judge_standard_input(judge: Judge) -> None:
    """Answer the requests on standard input, one after the other; for trying a filter."""
    from couriermail.filter.courierfilter import RequestReader, judge_request

    print("Ready.", flush=True)
    reader = RequestReader()
    with open(0, "rb", closefd=False) as requests:
        for line in requests:
            request = reader.feed(line)
            if request is not None:
                os.write(1, judge_request(judge, request))
                reader = RequestReader()
