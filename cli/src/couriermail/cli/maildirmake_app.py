"""The typer app of `maildirmake`: its help, and the declaration of its options.

The command itself reads its words without typer (`couriermail.cli.maildirmake`); a test keeps
the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
Exit codes: 0 done, 1 failed, 2 the sharable maildir is listed already.

\b
Examples:
  maildirmake Maildir                        a new maildir
  maildirmake -f Sent.2026 Maildir           a folder below Sent
  maildirmake -q 10000000S,1000C Maildir     ten megabytes, a thousand messages
  maildirmake -s read,group -f News Maildir  a folder that the group may read
  maildirmake --checkutf8 Maildir            what a conversion of old folder names would do
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def maildirmake(
    maildir: Annotated[str, typer.Argument(help="The maildir.")],
    mailfilter: Annotated[
        str | None, typer.Argument(help="With --checkutf8, --convutf8: a mail filter.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option("-f", metavar="FOLDER", help="Create this folder; dots separate levels."),
    ] = None,
    component: Annotated[
        str | None,
        typer.Option("-F", metavar="NAME", help="Create a folder of exactly this name."),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option("-s", metavar="MODE", help="With -f: read, write and group, with commas."),
    ] = None,
    quota: Annotated[
        str | None, typer.Option("-q", metavar="QUOTA", help="Set a quota: BYTES S, COUNT C.")
    ] = None,
    add: Annotated[
        str | None, typer.Option("--add", metavar="NAME=PATH", help="List a sharable maildir.")
    ] = None,
    delete: Annotated[
        str | None, typer.Option("--del", metavar="NAME", help="Unlist a sharable maildir.")
    ] = None,
    sharable: Annotated[
        bool, typer.Option("-S", help="Let others into the maildir, not into its mail.")
    ] = False,
    check_utf8: Annotated[
        bool, typer.Option("--checkutf8", help="Say what --convutf8 would change.")
    ] = False,
    convert_utf8: Annotated[
        bool, typer.Option("--convutf8", help="Convert folder names from UTF-7 to UTF-8, once.")
    ] = False,
) -> None:
    """Create a maildir, or a folder of one."""
    from couriermail.cli.maildirmake import Request, run

    request = Request()
    request.maildir, request.mailfilter = maildir, mailfilter
    switches = {"sharable": sharable, "check_utf8": check_utf8, "convert_utf8": convert_utf8}
    request.switches = {name for name, is_given in switches.items() if is_given}
    values = {
        "folder": folder,
        "component": component,
        "share": share,
        "quota": quota,
        "add": add,
        "delete": delete,
    }
    request.values = {name: value for name, value in values.items() if value is not None}
    run(request)
