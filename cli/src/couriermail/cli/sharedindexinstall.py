"""`sharedindexinstall`: put new index files of shared accounts in place (spec maildir 2.6)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from couriermail.cli.layout import config_directory
from couriermail.cli.message_io import CommandError, run_filter

__all__ = ["app", "main", "run"]

EXAMPLES = """
Files of shared that shared.tmp does not have are removed; the others are replaced one by one,
so that running servers always find one.

Exit codes: 0 done, 1 shared.tmp is empty, shared is missing, or the system refused.

\b
Examples:
  authenumerate -s >/etc/courier/shared.tmp/index && sharedindexinstall
  authenumerate -s -o | sharedindexsplit /etc/courier/shared.tmp && sharedindexinstall
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def sharedindexinstall(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
) -> None:
    """Replace the files of DIR/shared by those of DIR/shared.tmp."""
    run_filter("sharedindexinstall", lambda: run(config_directory(config)))


def run(directory: str) -> int:
    """Install what lies in the configuration directory.

    Raises:
        CommandError: it failed.
    """
    from couriermail.maildir import MaildirError, MaildirMissingError
    from couriermail.maildir.sharedindexfiles import install_index

    try:
        install_index(f"{directory}/shared.tmp", f"{directory}/shared")
    except MaildirMissingError as error:
        raise CommandError(str(error), on_stdout=True) from error  # as Courier's
    except MaildirError as error:
        raise CommandError(str(error)) from error
    return 0


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="sharedindexinstall"))


if __name__ == "__main__":
    main()
