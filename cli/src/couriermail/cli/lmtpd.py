"""`couriermail-lmtpd`: the LMTP delivery agent, in the foreground.

An MTA hands over mail for the users of this machine; each user's `.mailfilter` decides where it
goes.  One process serves all connections, so no message costs the start of a program.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.layout import config_directory

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from couriermail.mta.listen import ListenAddress

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  couriermail-lmtpd --unix /var/spool/postfix/private/couriermail --user courier
  couriermail-lmtpd --listen 127.0.0.1:2424 --log syslog
  couriermail-lmtpd -C ./mail --unix ./lmtp.sock       for your own mailbox, without root

In Postfix's main.cf:

  mailbox_transport = lmtp:unix:private/couriermail
  mailbox_transport = lmtp:inet:127.0.0.1:2424

Exit codes: 0 stopped by SIGTERM or Ctrl-C, 2 bad arguments, 78 configuration or address
cannot be used.
"""

_FIRST_INHERITED = 3  # sd_listen_fds(3)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def lmtpd(
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    unix: Annotated[
        str, typer.Option("--unix", metavar="PATH", help="Listen on this unix socket.")
    ] = "",
    mode: Annotated[
        str, typer.Option("--mode", metavar="OCTAL", help="Permissions of the unix socket.")
    ] = "0666",
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen", metavar="[HOST:]PORT", help="Listen on TCP; HOST is 127.0.0.1 by default."
        ),
    ] = None,
    user: Annotated[
        str,
        typer.Option(
            "--user", metavar="NAME", help="As root: who speaks LMTP (default: mailuser)."
        ),
    ] = "",
    delimiters: Annotated[
        str, typer.Option("--delimiters", metavar="CHARS", help="Between user and extension.")
    ] = "+",
    create_maildir: Annotated[
        bool, typer.Option("--create-maildir", help="Create a missing Maildir of a user.")
    ] = False,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="BYTES", min=0, help="Largest message; 0: no limit."),
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", metavar="N", min=1, help="Served at one time.")
    ] = 200,
    agents: Annotated[
        int, typer.Option("--agents", metavar="N", min=1, help="Agents that work at one time.")
    ] = 20,
    agents_per_user: Annotated[
        int, typer.Option("--agents-per-user", metavar="N", min=1, help="Of these for one user.")
    ] = 4,
    log: Annotated[str, typer.Option("--log", metavar="WHERE", help="syslog, - or a file.")] = "-",
) -> None:
    """Take mail by LMTP and deliver it by each user's .mailfilter, until SIGTERM or Ctrl-C."""
    with reporting("couriermail-lmtpd"):
        from couriermail.mta.lmtp import LmtpDaemon, LmtpSettings
        from couriermail.mta.logs import configure_logging

        configure_logging(log, "couriermail-lmtpd")
        settings = LmtpSettings(
            unix=os.path.abspath(unix) if unix else "",
            unix_mode=_octal(mode),
            addresses=tuple(_address(text) for text in listen or ()),
            inherited=tuple(_inherited()),
            user=user,
            delimiters=delimiters,
            create_maildir=create_maildir or None,
            size_limit=size,
            max_connections=connections,
            max_agents=agents,
            max_agents_per_user=agents_per_user,
        )
        daemon = LmtpDaemon(config_directory(config), settings, log)
        raise typer.Exit(daemon.run(_say_where))


def _octal(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise typer.BadParameter(f"{text} is no octal mode", param_hint="--mode")
    return mode


def _address(text: str) -> ListenAddress:
    from couriermail.mta.listen import ListenAddress

    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise typer.BadParameter(f"{text} is not [HOST:]PORT", param_hint="--listen")
    return ListenAddress(host.strip("[]") or "127.0.0.1", int(port))


def _inherited() -> list[socket.socket]:
    """The sockets that a service manager opened for us (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    import socket

    os.environ.pop("LISTEN_PID")
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    return [socket.socket(fileno=number + _FIRST_INHERITED) for number in range(count)]


def _say_where(addresses: Sequence[str]) -> None:
    for address in addresses:
        typer.echo(f"LMTP on {address}", err=True)


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="couriermail-lmtpd"))
