"""The typer app of `reformime`: its help, and the declaration of its options.

The command itself reads its command line without typer (`couriermail.cli.reformime`); a test
keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input. Without options the numbers of its sections are
listed. A value of -s, -c, -h, -H, -o and -O may be glued to the option; that of -x and -r must.

Exit codes: 0 done; 1 bad arguments, a failure, a message with fatal defects (unless --lenient
is given), or -d for what is no report; 20+n when a program of -X exits with n.

Examples:

  reformime -i < message                           what sections are there?
  reformime -s 1.2 -e < message > photo.jpg        one decoded body
  reformime -xincoming/ < message                  all leaves into files
  reformime -s 1.1 -X sh -c 'wc -c; echo $FILENAME' < message
  reformime -r7 < message                          nothing but 7-bit
  reformime -d < bounce                            which recipients failed?
  reformime -h '=?utf-8?q?h=C3=A9?='               decode a header
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

Text = str | None


@app.command(epilog=EXAMPLES)
def reformime(
    info: Annotated[bool, typer.Option("-i", help="Describe each section.")] = False,
    sections: Annotated[
        Text, typer.Option("-s", metavar="N[,N]...", help="Only these sections: 1.2,1.3")
    ] = None,
    extract: Annotated[bool, typer.Option("-e", help="Write decoded bodies.")] = False,
    save: Annotated[
        Text, typer.Option("-x", metavar="[PREFIX]", help="Save to files; without PREFIX ask.")
    ] = None,
    command: Annotated[
        Text, typer.Option("-X", metavar="PROG...", help="Run a program for each; comes last.")
    ] = None,
    validate: Annotated[bool, typer.Option("-V", help="Say what is wrong.")] = False,
    rewrite: Annotated[
        Text,
        typer.Option(
            "-r",
            metavar="[7|8|U]",
            help="Add MIME fields; 7: make it 7-bit; 8: undo quoted-printable; U: always.",
        ),
    ] = None,
    digest: Annotated[bool, typer.Option("-m", help="Make a digest of FILEs.")] = False,
    report: Annotated[bool, typer.Option("-d", help="Read a delivery report.")] = False,
    report_original: Annotated[
        bool, typer.Option("-D", help="The same, with the original recipients.")
    ] = False,
    text: Annotated[bool, typer.Option("-u", help="The whole message as UTF-8 text.")] = False,
    decode: Annotated[Text, typer.Option("-h", metavar="TEXT", help="Decode a header.")] = None,
    decode_addresses: Annotated[
        Text, typer.Option("-H", metavar="TEXT", help="Decode an address list.")
    ] = None,
    encode: Annotated[Text, typer.Option("-o", metavar="TEXT", help="Encode a header.")] = None,
    encode_addresses: Annotated[
        Text, typer.Option("-O", metavar="TEXT", help="Encode an address list.")
    ] = None,
    charset: Annotated[
        Text, typer.Option("-c", metavar="CHARSET", help="Character set of texts and new fields.")
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Go on with a message that is badly broken.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The structure, for programs.")] = False,
    unicode_names: Annotated[
        bool, typer.Option("--unicode-names", help="Keep letters of all scripts in file names.")
    ] = False,
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...")] = None,
) -> None:
    """Look at a MIME message, take it apart, rewrite it."""
