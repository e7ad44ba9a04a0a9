"""`python -m couriermail.rfc822 FILE...` draws messages as trees; `-` is the standard input."""

from __future__ import annotations

import os
import shutil
import sys

from couriermail.rfc822.errors import MessageFileError
from couriermail.rfc822.message import Message
from couriermail.rfc822.tree import draw_tree

_USAGE = """\
usage: python -m couriermail.rfc822 [--structure] [--color|--no-color] FILE...

Draws the parts of each message with sizes, encodings and defects; FILE may be `-`.
  --structure   do not read bodies: show only what is wrong with structure and headers
  --color       use colours also when the output is no terminal; --no-color never does
"""
_OPTIONS = ("--structure", "--color", "--no-color")


def main(arguments: list[str]) -> int:
    """Runs the command.

    Returns:
        0; 1 when a file could not be read; 2 for a wrong command line.
    """
    options = {word for word in arguments if word.startswith("--")}
    names = [word for word in arguments if not word.startswith("--")]
    if not names or not options.issubset(_OPTIONS):
        sys.stderr.write(_USAGE)
        return 0 if "--help" in options else 2
    is_terminal = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    color = "--color" in options or (is_terminal and "--no-color" not in options)
    status = 0
    for name in names:
        try:
            message = Message(sys.stdin.buffer.read()) if name == "-" else Message.open(name)
        except MessageFileError as error:
            sys.stderr.write(f"{name}: {error}\n")
            status = 1
            continue
        with message:
            _show(message, name if len(names) > 1 else "", options, color=color)
    return status


def _show(message: Message, title: str, options: set[str], *, color: bool) -> None:
    if title:
        sys.stdout.write(f"== {title}\n")
    width = shutil.get_terminal_size((100, 24)).columns
    with_content = "--structure" not in options
    for line in draw_tree(message, width=width, color=color, with_content=with_content):
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # the reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
