"""`sharedindexsplit`: sort accounts into index files of shared folders (spec maildir 2.6)."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from couriermail.cli.message_io import CommandError, run_filter

__all__ = ["app", "main", "run"]

USAGE = "Usage: sharedindexsplit outputdir [ letters ]"
EXAMPLES = """
Without LETTERS an account goes to the file that its option sharedgroup names; with LETTERS to
that of the first characters of its name, below a tree of groups.  What is in the directory
already stays: give it an empty one.

Exit codes: 0 done, 1 an account cannot be sorted, or the system refused, 2 wrong command line.

\b
Examples:
  authenumerate -s -o | sharedindexsplit /etc/courier/shared.tmp
  authenumerate -s -o | sharedindexsplit /etc/courier/shared.tmp 1
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def sharedindexsplit(
    outputdir: Annotated[str, typer.Argument(help="An empty directory.")],
    letters: Annotated[int, typer.Argument(help="How many characters choose a file.")] = 0,
) -> None:
    """Read lines of `authenumerate -o` and write index files."""
    run_filter("sharedindexsplit", lambda: run([outputdir, str(letters)]))


def run(words: list[str]) -> int:
    """Sort standard input into the files of a directory.

    Raises:
        CommandError: it failed.
    """
    from couriermail.maildir import MaildirError
    from couriermail.maildir.sharedindexfiles import split_index, write_index_files

    directory, letters = _arguments(words)
    with open(0, "rb", closefd=False) as given:
        lines = os.fsdecode(given.read()).split("\n")
    try:
        write_index_files(directory, split_index(lines, letters))
    except MaildirError as error:
        raise CommandError(str(error)) from error
    return 0


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if "--help" in sys.argv[1:]:
        app(["--help"], prog_name="sharedindexsplit")
    run_filter("sharedindexsplit", lambda: run(sys.argv[1:]))


def _arguments(words: list[str]) -> tuple[str, int]:
    directory, letters = (*words, "0")[:2] if len(words) in {1, 2} else ("", "")
    is_number = letters.isascii() and letters.isdecimal() and len(letters) <= 2
    if not is_number or not os.path.isdir(directory):
        raise CommandError(USAGE, 2, is_bare=True)
    return directory, int(letters)


if __name__ == "__main__":
    main()
