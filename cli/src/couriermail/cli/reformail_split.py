"""`reformail -s`: one command for each message of a mail file (spec rfc822 2.4.8)."""

from __future__ import annotations

import os
import sys

from couriermail.cli.message_io import CommandError, read_pieces
from couriermail.cli.programs import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["split_mail_file"]

_MARK = b"\nFrom "


def split_mail_file(command: list[str]) -> None:
    """Runs a command for each message on standard input, until one fails."""
    environment = dict(os.environ)
    number = environment.get("FILENO", "000")
    program: Program | None = None
    for piece, is_first in _messages():
        if is_first:
            if program is not None and program.finish() != 0:
                return
            environment["FILENO"] = number
            number = _next_number(number)
            try:
                program = Program(command, environment)
            except CommandError as error:
                print(f"reformail: {error}", file=sys.stderr)
                return
        if program is not None:
            program.write(piece)
    if program is not None:
        program.finish()


def _messages() -> Iterator[tuple[bytes, bool]]:
    """Pieces of messages, and whether each is the first one of its message.

    The line end before the next `From ` line, or at the end, belongs to no message.
    """
    held = b""
    is_first = True
    for piece in _lines_with_lf():
        held += piece
        if is_first:
            held = held.lstrip(b"\n")
        start = 0
        while (found := held.find(_MARK, start)) >= 0:
            yield held[start:found], is_first
            is_first = True
            start = found + 1
        stop = max(len(held) - len(_MARK), start)
        if stop > start:
            yield held[start:stop], is_first
            is_first = False
        held = held[stop:]
    if held and (held != b"\n" or not is_first):
        yield held.removesuffix(b"\n"), is_first


def _lines_with_lf() -> Iterator[bytes]:
    from couriermail.rfc822.line_filter import LineFilter

    lines = LineFilter()
    for piece in read_pieces():
        yield lines.feed(piece)
    yield lines.close()


def _next_number(number: str) -> str:
    """The next FILENO, with at least as many digits; what is no number stays."""
    if not (number.isascii() and number.isdigit()):
        return number
    return str(int(number) + 1).zfill(len(number))
