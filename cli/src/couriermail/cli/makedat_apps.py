"""The typer apps of `makedat` and `makedatprog`: their help.

The commands read their words themselves; tests keep both in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["makedat", "makedatprog"]


def _app() -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


makedat = _app()
makedatprog = _app()


@makedat.command(
    epilog="""
Exit codes: 0 done, 1 anything else; then the old table is untouched.

\b
Examples:
  makedat -src=relays -file=relays.dat -tmp=relays.tmp
  makedat -src=access.d -file=access.dat -tmp=access.tmp -hup=esmtpd.pid -cidr
"""
)
def _makedat(
    src: Annotated[str, typer.Option("-src", metavar="S", help="Text file or directory.")],
    file: Annotated[str, typer.Option("-file", metavar="F", help="The table.")],
    tmp: Annotated[str, typer.Option("-tmp", metavar="T", help="Where it is built.")],
    hup: Annotated[
        str | None, typer.Option("-hup", metavar="H", help="Send SIGHUP to the pid in H.")
    ] = None,
    cidr: Annotated[bool, typer.Option("-cidr", help="Keys may be address ranges.")] = False,
) -> None:
    """Compile a text into a lookup table, which is replaced as a whole."""


@makedatprog.command(
    epilog="""
Exit codes: 0 done, 1 anything else; then the old table is untouched.

\b
Examples:
  printf 'key\\tvalue\\n.\\n' | makedatprog - table.tmp table.dat
"""
)
def _makedatprog(
    text: Annotated[str, typer.Argument(help="Lines that end with a `.`; - is standard input.")],
    tmpfile: Annotated[str, typer.Argument(help="Where it is built.")],
    datfile: Annotated[str, typer.Argument(help="The table.")],
) -> None:
    """Compile lines into a lookup table."""
