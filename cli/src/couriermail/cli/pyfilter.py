"""`pyfilter`: the global filter that runs a user's Python script (spec filter 4.24)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.filter_programs import find_places, serve

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import Action, Judge

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  pyfilter --test my.py message control    what my.py says to a message; changes nothing

  echo /etc/courier/my.py > /etc/courier/filters/pyfilter; filterctl start pyfilter

Settings, each the first line of a file in `filters` of the configuration directory:

  pyfilter               path of the script, or package.module

  pyfilter-numprocs      messages judged at the same time, in threads (5)

  pyfilter-mode          all: judge mail for every recipient

The script defines `async def check(msg)`, which answers accept(), reject(550, "text") and so on, or
`filterdata(path)` and `filtercontrol(path)`, which answer a reply or nothing.  A script that fails,
or cannot be loaded, refuses mail for now (432); the log says why.

Exit codes: 0 its standard input ended, or a test's verdict; 1 the script or a setting cannot be
used; 2 wrong arguments; 75 it cannot listen, or the script fails in a test.
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def pyfilter(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="With --test: script, body file, control files.", show_default=False),
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Ask a script once.")] = False,
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
) -> None:
    """Let a Python script judge mail; courierfilter runs this."""
    words = files or []
    if len(words) < 2 if test else words:
        raise typer.BadParameter("--test takes a script, a body file and control files")
    with reporting("pyfilter"):
        if test:
            _try(*words)
        else:
            _serve(config)


def _serve(config: str | None) -> None:
    from couriermail.filter.courierfilter import FilterConfigError, ScriptJudge

    places = find_places(config)

    def load() -> tuple[Judge, int]:
        workers = places.number("pyfilter-numprocs", 5, minimum=1)
        judge = ScriptJudge(places.first_line("pyfilter") or "")
        if not judge.script:
            raise FilterConfigError("filters/pyfilter: not defined.")
        judge.load()
        return judge, workers

    serve(load, places)


def _try(script: str, body: str, *controls: str) -> None:
    """Print what a script says; the message stays as it is."""
    import os
    import traceback

    from couriermail.core import CouriermailError
    from couriermail.filter.courierfilter import FilteredMessage, FilterRequest, ScriptJudge

    is_file = os.path.exists(script)
    judge = ScriptJudge(os.path.abspath(script) if is_file else script)
    message = FilteredMessage(FilterRequest(body, controls))
    try:
        action = judge.decide(message)
    except CouriermailError:
        raise
    except Exception:  # the author wants to see where it failed
        traceback.print_exc()
        sys.exit(75)
    finally:
        message.close()
    sys.stdout.write(action.reply())
    for line in _edits(action):
        print(line)


def _edits(action: Action) -> list[str]:
    """The edits that a mail system would get, one a line."""
    headers = [
        f"remove header {name}" if value is None else f"add header {name}: {value}"
        for name, value in action.headers
    ]
    return [
        *headers,
        *(["replace body"] if action.body is not None else []),
        *(["remove all recipients"] if action.is_discarded else []),
        *(f"remove recipient {address}" for address in sorted(action.removed)),
        *(f"add recipient {address}" for address in action.added),
    ]


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="pyfilter"))
