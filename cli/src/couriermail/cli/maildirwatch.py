"""`maildirwatch`: run a program whenever a maildir changes (spec maildir 2.5)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from couriermail.cli.message_io import CommandError, run_filter

__all__ = ["app", "main", "run"]

USAGE = "Usage: maildirwatch maildir program [arguments]..."
EXAMPLES = """
The program runs once at the start, and once for all changes that came since.  Now and then it
runs without a change.  When it ends with another status than 0, that is printed (-N for the
signal N) and the command ends.

Exit codes: 0 the program ended it, 1 no such maildir, or a wrong command line.

\b
Examples:
  maildirwatch ~/Maildir ./notify               tell about new mail
  maildirwatch ~/Maildir/.Work sh -c 'ls new'   a folder
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    epilog=EXAMPLES,
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
def maildirwatch(
    maildir: Annotated[str, typer.Argument(help="The maildir, or a folder's directory.")],
    program: Annotated[list[str], typer.Argument(help="The program and its arguments.")],
) -> None:
    """Run a program whenever a maildir changes."""
    run_filter("maildirwatch", lambda: run([maildir, *program]))


def run(words: list[str]) -> int:
    """Watch until the program ends with another status than 0.

    Raises:
        CommandError: too few words, no such maildir, or a program that cannot be run.
    """
    from couriermail.maildir import MaildirError, watch

    if len(words) < 2:
        raise CommandError(USAGE, on_stdout=True)
    maildir, *command = words
    try:
        with watch(maildir) as watcher:  # first: no change after this is missed
            while not (status := _status_of(command)):
                watcher.wait()
    except MaildirError as error:
        raise CommandError(str(error)) from error
    sys.stdout.write(f"{status}\n")
    return 0


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if len(sys.argv) == 2 and sys.argv[1] == "--help":
        app(prog_name="maildirwatch")
    run_filter("maildirwatch", lambda: run(sys.argv[1:]))


def _status_of(command: list[str]) -> int:
    try:
        return subprocess.run(command, check=False).returncode
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise CommandError(f"{command[0]}: {reason}") from error


if __name__ == "__main__":
    main()
