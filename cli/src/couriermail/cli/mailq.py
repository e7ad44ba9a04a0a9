"""`mailq`: list what waits in the queue (spec mta.md 16)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.layout import existing_config_directory

if TYPE_CHECKING:
    from couriermail.queue import Summary

__all__ = ["app", "as_batch", "as_table", "main", "size_text"]

EXAMPLES = """
Exit codes: 0 listed; 2 a wrong command line; 75 the queue cannot be read now; 78 no such
configuration directory, or one that cannot be used.

Examples:

  mailq                    everybody's mail for the mail system's user, else your own
  mailq -sort              oldest first
  mailq --json | jq .      for programs, with the next attempt and the last reply
"""

STATUS_WORDS = {"success": "done", "failure": "fail", "pending": ""}

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def mailq(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    sort: Annotated[bool, typer.Option("-sort", "--sort", help="Oldest first.")] = False,
    batch: Annotated[bool, typer.Option("-batch", "--batch", help="One line per message.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per message.")] = False,
) -> None:
    """List what waits in the queue."""
    with reporting("mailq"):
        summaries = list(_summaries(existing_config_directory(config)))
        if sort:
            summaries.sort(key=lambda summary: summary.arrival)
        lines = as_json_lines if as_json else as_batch if batch else as_table
        for line in lines(summaries):
            sys.stdout.write(f"{line}\n")


def _summaries(directory: str) -> Iterable[Summary]:
    from couriermail.mta.config import load_config
    from couriermail.mta.queuelist import list_queue

    return list_queue(load_config(directory))


def as_table(summaries: Iterable[Summary]) -> Iterator[str]:
    """The table that people read; the columns are Courier's."""
    yield f"{'Size':<16} {'Queue ID':<59} Date"
    yield f"{'User':<16} From"
    yield f"{'Status':<16} Recipient"
    yield f"{'-' * 16} {'-' * 57}"
    count = 0
    for summary in summaries:
        count += 1
        yield f"{size_text(summary.size):<16} {summary.id:<59} {_date(summary)}"
        yield f"{summary.user:<16} {summary.sender}"
        for status, address in _recipients(summary):
            yield f"{status:<16} {address}"
        yield ""
    yield f"{count:4d} messages."


def as_batch(summaries: Iterable[Summary]) -> Iterator[str]:
    """One line per message, fields separated by semicolons."""
    count = 0
    for summary in summaries:
        count += 1
        recipients = "".join(f"{status};{address};" for status, address in _recipients(summary))
        yield (
            f"{size_text(summary.size):<16};{summary.id};{_date(summary)};{summary.user};"
            f"{summary.sender};{recipients}"
        )
    yield f"messages: {count}"


def as_json_lines(summaries: Iterable[Summary]) -> Iterator[str]:
    """Everything there is to know, one object per line."""
    import json

    import attrs

    for summary in summaries:
        yield json.dumps(attrs.asdict(summary), ensure_ascii=False, default=str)


def size_text(octets: int) -> str:
    """`812`, `3.4K`, `1.25M`: decimals are cut off, not rounded."""
    if octets < 1024:
        return str(octets)
    if octets < 1024 * 1024:
        return f"{octets // 1024}.{octets % 1024 * 10 // 1024}K"
    return f"{octets // 1048576}.{octets % 1048576 * 100 // 1048576:02d}M"


def _date(summary: Summary) -> str:
    return time.strftime("%b %d %H:%M", time.localtime(summary.arrival))


def _recipients(summary: Summary) -> Iterator[tuple[str, str]]:
    for state in summary.states:
        word = STATUS_WORDS[state.state]
        if not word and summary.held is not None:
            word = "hold"
        yield word, state.recipient.address


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="mailq"))
