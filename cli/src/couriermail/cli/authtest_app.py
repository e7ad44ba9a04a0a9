"""The typer app of `authtest`: its help, and the declaration of its options.

The command itself reads its words without typer (`couriermail.cli.authtest`), because a lone
`-` ends its options; a test keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

from couriermail.cli.authdaemon_options import ConfigOption, SocketOption

__all__ = ["app"]

EXAMPLES = """
Exit codes: 0 done, 1 refused, failed or a wrong command line.

\b
Examples:
  authtest john                        who is john
  authtest -s imap john secret         may john log in to imap with this password
  authtest john secret newsecret       change the password
  authtest --json john                 the account as JSON
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def authtest(
    userid: Annotated[str, typer.Argument(help="The login name.")],
    password: Annotated[str | None, typer.Argument(help="Try a login with it.")] = None,
    newpassword: Annotated[str | None, typer.Argument(help="Change the password to it.")] = None,
    service: Annotated[
        str, typer.Option("-s", metavar="SERVICE", help="Who asks: login, imap, pop3, ...")
    ] = "login",
    json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
    config: ConfigOption = None,
    socket: SocketOption = None,
) -> None:
    """Look an account up, try a login, or change a password."""
    from couriermail.cli.authtest import Request, run

    request = Request()
    request.words = [word for word in (userid, password, newpassword) if word is not None]
    request.json = json
    values = {"service": service, "config": config, "socket": socket}
    request.values = {name: value for name, value in values.items() if value is not None}
    raise typer.Exit(run(request))
