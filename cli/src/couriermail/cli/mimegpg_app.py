"""The typer app of `mimegpg`: its help, and the declaration of its options.

The command itself reads its command line without typer (`couriermail.cli.mimegpg`); a test
keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input. Making (-s, -E, -e) wins over opening (-c, -d).
What follows -- is handed to gpg as it is. GPG names the program, GNUPGHOME the keys.

-c and -d replace what is signed or encrypted by a multipart/x-mimegpg with the parameter
xpgpstatus: 0 when the signature is good or the text was decrypted. Its first part has the
words of gpg, its second part the content.

Exit codes: 0 done, also with a bad signature: look at xpgpstatus; 1 bad arguments, or
signing, encrypting, reading or writing failed. Then nothing was written.

Examples:

  mimegpg -s -- --local-user me@example.com < message          sign
  mimegpg -s -E -- --recipient bob@example.com < message       sign, then encrypt
  mimegpg -s -p 3 3< passphrase < message                      the passphrase comes from a file
  mimegpg -c -d < message                                      check and decrypt
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def mimegpg(
    sign: Annotated[bool, typer.Option("-s", help="Sign.")] = False,
    encrypt: Annotated[bool, typer.Option("-E", help="Encrypt the content as one.")] = False,
    encrypt_parts: Annotated[
        bool, typer.Option("-e", help="Encrypt each part where it is; with -s the same as -E.")
    ] = False,
    check: Annotated[bool, typer.Option("-c", help="Check signatures.")] = False,
    decrypt: Annotated[bool, typer.Option("-d", help="Decrypt.")] = False,
    passphrase: Annotated[
        int | None, typer.Option("-p", metavar="FD", help="Read the passphrase there.")
    ] = None,
    gpg_options: Annotated[list[str] | None, typer.Argument(metavar="[-- GPG OPTION...]")] = None,
) -> None:
    """Sign, encrypt, check and decrypt a MIME message with GnuPG."""
