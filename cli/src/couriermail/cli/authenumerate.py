"""`authenumerate`: list all accounts that authdaemond knows (spec auth 2.3)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.authdaemon_options import ConfigOption, SocketOption
from couriermail.cli.authdaemon_places import daemon_client

if TYPE_CHECKING:
    from couriermail.auth import Account

__all__ = ["app", "main"]

USAGE = "Usage: authenumerate [-s] [-o]"
SWITCHES = frozenset({"-s", "-o", "--help"})
VALUE_OPTIONS = frozenset({"--config", "--socket"})
EXAMPLES = """
Each line is: name, uid, gid, home and maildir, with TAB between them.

Exit codes: 0 the list is complete, 1 it is not, or a wrong command line.

\b
Examples:
  authenumerate            all accounts
  authenumerate -s -o      those that share folders, with their options
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def authenumerate(
    shared: Annotated[
        bool, typer.Option("-s", help="Leave out accounts with the option disableshared.")
    ] = False,
    options: Annotated[bool, typer.Option("-o", help="Print the options as well.")] = False,
    config: ConfigOption = None,
    socket: SocketOption = None,
) -> None:
    """List all accounts."""
    from couriermail.auth import DaemonUnavailableError, DirectoryError

    try:
        for account in daemon_client(config, socket).accounts():
            if not shared or not account.options.number("disableshared"):
                sys.stdout.buffer.write(_line(account, with_options=options))
    except DaemonUnavailableError as error:
        typer.echo(f"ERR: authdaemon: s_connect() failed: {error.reason}", err=True)
        raise typer.Exit(1) from None
    except DirectoryError as error:
        typer.echo(f"authenumerate: {error}", err=True)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        raise typer.Exit(1) from None
    finally:
        _flush()


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if not _is_understood(sys.argv[1:]):
        sys.stderr.write(f"{USAGE}\n")
        sys.exit(1)
    sys.exit(app(prog_name="authenumerate"))


def _is_understood(words: list[str]) -> bool:
    """Tell whether all words are options: the usage line and exit code are Courier's."""
    rest = iter(words)
    for word in rest:
        if word in VALUE_OPTIONS:
            if next(rest, None) is None:
                return False
        elif word not in SWITCHES:
            return False
    return True


def _line(account: Account, *, with_options: bool) -> bytes:
    fields = [account.address, str(account.uid), str(account.gid), account.home]
    fields.append(account.maildir or "")
    if with_options:
        fields.append(account.options.text)
    return os.fsencode("\t".join(fields) + "\n")


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on
