"""The typer app of `makemime`: its help, and the declaration of its options.

The command itself reads its command line without typer (`couriermail.cli.makemime`); a test
keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
One of -c, -m and -j comes first. A file is a name, - for standard input, &n for descriptor n,
or a group: ( and ) around the arguments for another section. With -j the first file follows
the option at once. `makemime @FILE` reads the arguments from a file, one a line; a line - ends
them, and what follows is the input &n of the file's descriptor.

Exit codes: 0 done; 1 bad arguments or a failure.

Examples:

  makemime -c auto report.txt                     a text part, encoded as its content needs
  makemime -c image/png -N plot.png plot.png      an attachment
  makemime -j \\( -m multipart/mixed -a "Mime-Version: 1.0" \\( -c auto text \\) \\) \\
      \\( -c image/png plot.png \\)                 a message of two parts
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def makemime(
    section: Annotated[
        str | None, typer.Option("-c", metavar="[TYPE]", help="Make one section from FILE.")
    ] = None,
    multipart: Annotated[
        str | None, typer.Option("-m", metavar="[TYPE]", help="Make a multipart with FILE in it.")
    ] = None,
    join: Annotated[
        str | None, typer.Option("-j", metavar="FILE1", help="Add section FILE to FILE1.")
    ] = None,
    output: Annotated[
        str, typer.Option("-o", metavar="FILE", help="Write there instead of standard output.")
    ] = "-",
    encoding: Annotated[
        str | None,
        typer.Option("-e", help="7bit, 8bit, quoted-printable or base64; chosen if not given."),
    ] = None,
    charset: Annotated[
        str | None, typer.Option("-C", metavar="CHARSET", help="The charset parameter.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("-N", metavar="NAME", help="The name parameter.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option("-a", metavar="'H: V'", help="A header field put first.")
    ] = None,
    boundary: Annotated[
        str | None, typer.Option("--boundary", help="Try this boundary first.")
    ] = None,
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE")] = None,
) -> None:
    """Build MIME sections from files, and put them together."""
