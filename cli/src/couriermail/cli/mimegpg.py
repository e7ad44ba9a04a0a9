"""`mimegpg`: sign, encrypt, check and decrypt a MIME message with GnuPG.

The message comes on standard input, and nothing goes to standard output before GnuPG has
succeeded.  The command line is read here by a table; `--help` loads the typer app, and a test
keeps the two in step.  Exit codes: 0, also when a signature is bad or nothing could be
decrypted, which the message then says (`xpgpstatus`); 1 for bad arguments, and when signing,
encrypting, reading or writing fails.  Spec rfc822 2.5.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.message_io import CommandError, fail_line, map_input, run_filter, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from couriermail.rfc822.gpg import Gpg
    from couriermail.rfc822.message import Message

__all__ = ["OPTIONS_WITH_VALUE", "SWITCHES", "Request", "UsageError", "main", "read_command_line"]

SWITCHES = {
    "s": "sign", "E": "encrypt", "e": "encrypt_parts", "c": "check", "d": "decrypt",
}  # fmt: skip
OPTIONS_WITH_VALUE = {"p": "passphrase"}

_LONGEST_PASSPHRASE = 4096


class UsageError(CommandError):
    """A command line that cannot be understood."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}\nTry 'mimegpg --help'.", is_bare=True)


class Request:
    """One command line, understood.

    Attributes:
        flags: names of the switches that were given.
        descriptor: where the passphrase comes from, or None.
        gpg_options: what is handed to gpg as it is.
    """

    __slots__ = ("descriptor", "flags", "gpg_options")

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.descriptor: int | None = None
        self.gpg_options: list[str] = []


def read_command_line(argv: Sequence[str]) -> Request:
    """Reads the words after the command's name; what follows `--` is for gpg.

    Raises:
        UsageError: an unknown word, or nothing to do.
    """
    request = Request()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            request.gpg_options = rest
            break
        if word[:1] == "-" and word[1:] in SWITCHES:
            request.flags.add(SWITCHES[word[1:]])
        elif word[:1] == "-" and word[1:2] in OPTIONS_WITH_VALUE:
            request.descriptor = _read_descriptor(word[2:] or (rest.pop(0) if rest else ""))
        else:
            raise UsageError(f"Unknown option: {word}")
    if not request.flags:
        raise UsageError("mimegpg: one of -s, -E, -e, -c and -d is needed.")
    return request


def _read_descriptor(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or not 0 < int(value[:9]) == int(value):
        raise UsageError(f"mimegpg: -p takes the number of a descriptor that is not 0: {value!r}")
    return int(value)


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if "--help" in sys.argv[1:2]:
        from couriermail.cli.mimegpg_app import app

        app(["--help"], prog_name="mimegpg")
    run_filter("mimegpg", _run)


def _run() -> int:
    request = read_command_line(sys.argv[1:])
    from couriermail.rfc822.errors import PgpError
    from couriermail.rfc822.gpg import Gpg
    from couriermail.rfc822.message import Message

    gpg = Gpg(
        program=os.environ.get("GPG") or "gpg",
        options=tuple(request.gpg_options),
        passphrase=None if request.descriptor is None else _read_line(request.descriptor),
    )
    try:
        pieces = _process(Message(map_input()), gpg, request.flags)
    except PgpError as error:
        raise CommandError(f"ERROR: {error}".rstrip("\n"), is_bare=True) from error
    for piece in pieces:
        write_out(piece)
    return 0


def _process(message: Message, gpg: Gpg, flags: set[str]) -> Iterator[bytes]:
    """Making wins over opening, and encrypting over signing alone."""
    if flags & {"encrypt", "encrypt_parts"}:
        from couriermail.rfc822.pgp_protect import encrypt_message

        each_part = "encrypt" not in flags
        return encrypt_message(message, gpg, sign="sign" in flags, each_part=each_part)
    if "sign" in flags:
        from couriermail.rfc822.pgp_protect import sign_message

        return sign_message(message, gpg)
    from couriermail.rfc822.pgp_unlock import unlock_message

    return unlock_message(message, gpg, verify="check" in flags, decrypt="decrypt" in flags)


def _read_line(descriptor: int) -> bytes:
    """The first line that a descriptor gives."""
    line = b""
    try:
        while b"\n" not in line and len(line) <= _LONGEST_PASSPHRASE:
            piece = os.read(descriptor, _LONGEST_PASSPHRASE)
            if not piece:
                break
            line += piece
    except OSError as error:
        raise fail_line(f"descriptor {descriptor}", error) from error
    return line.partition(b"\n")[0]


if __name__ == "__main__":
    main()
