"""`python -m couriermail.rfc822 FILE...` draws messages as trees; `-` is the standard input."""

from __future__ import annotations

import os
import shutil
import sys

from couriermail.rfc822.errors import MessageFileError
from couriermail.rfc822.message import Message
from couriermail.rfc822.tree import draw_tree, printable

_USAGE = "usage: python -m couriermail.rfc822 [--structure] [--color|--no-color] FILE...\n"
_HELP = f"""\
{_USAGE}
Draws the parts of each message with sizes, encodings and defects; FILE may be `-`, the
standard input.

  --structure   do not read bodies: show only what is wrong with structure and headers
  --color       use colours also when the output is no terminal
  --no-color    use none; so does a NO_COLOR in the environment
  --            what follows are names of files

The numbers in brackets are offsets: of the part, of its body, and behind it.
Exit codes: 0; 1 when a file could not be read; 2 for a wrong command line.

Example: python -m couriermail.rfc822 mail.eml
"""
_OPTIONS = ("--structure", "--color", "--no-color", "--help")


def main(arguments: list[str]) -> int:
    """Runs the command.

    Returns:
        0; 1 when a file could not be read; 2 for a wrong command line.
    """
    options, names = _read_words(arguments)
    if "--help" in options:
        sys.stdout.write(_HELP)
        return 0
    unknown = sorted(options.difference(_OPTIONS))
    if unknown or not names:
        problem = f"unknown option: {printable(unknown[0])}" if unknown else "no FILE was given"
        sys.stderr.write(f"{problem}\n{_USAGE}")
        return 2
    is_terminal = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    color = "--color" in options or (is_terminal and "--no-color" not in options)
    status = 0
    for name in names:
        try:
            message = Message(sys.stdin.buffer.read()) if name == "-" else Message.open(name)
        except MessageFileError as error:
            sys.stderr.write(f"{printable(name)}: {printable(str(error))}\n")
            status = 1
            continue
        with message:
            _show(message, name if len(names) > 1 else "", options, color=color)
    return status


def _read_words(arguments: list[str]) -> tuple[set[str], list[str]]:
    """The options, and the names of files."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = {word for word in arguments[:end] if word.startswith("-") and word != "-"}
    names = [word for word in arguments[:end] if word not in options]
    return options, names + arguments[end + 1 :]


def _show(message: Message, title: str, options: set[str], *, color: bool) -> None:
    if title:
        sys.stdout.write(f"== {printable(title)}\n")
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
