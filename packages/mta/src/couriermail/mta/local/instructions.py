r"""The grammar of dot-courier files: text in, typed instructions out.

The first character of a line decides (spec mta.md 11.3, verified against Courier):

    # or nothing     skipped
    . or /           a mailbox, the whole rest of the line
    |                a command for the shell; `\` at the line's end joins the next line
    ||               a command whose output is read as further instructions
    anything else    addresses to forward to, after one optional `&` or `!`

Courier: blanks and CR at the end of a mailbox's name belong to the name.  A file written by
an editor of another system would so deliver to `Maildir\r`; here CR and trailing blanks go,
and the file's owner is told in the log.

Nothing is executed, expanded or looked up here.
"""

from __future__ import annotations

import hashlib
import re

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Command",
    "Dynamic",
    "Forward",
    "Instruction",
    "Instructions",
    "Mailbox",
    "parse_instructions",
]

_TRAILING = re.compile(r"[ \t\r]+\Z")


@attrs.frozen
class Mailbox:
    """Deliver to a maildir or mbox file.

    Attributes:
        line: 1-based line number.
        name: as written, without trailing blanks and without the one trailing `/`.
        must_be_maildir: it was written with a trailing `/`.
    """

    line: int
    name: str
    must_be_maildir: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class Command:
    """Run a command with the message as its standard input."""

    line: int
    text: str


@attrs.frozen
class Dynamic:
    """Run a command and obey the instructions that it prints."""

    line: int
    text: str


@attrs.frozen
class Forward:
    """Forward to the addresses of an RFC 5322 address list, in order."""

    line: int
    addresses: tuple[str, ...]


Instruction = Mailbox | Command | Dynamic | Forward


@attrs.frozen
class Instructions:
    """A parsed file.

    Attributes:
        items: the instructions in order; none at all means that the message is discarded.
        digest: names exactly this text; the ledger uses it.
        warnings: (line, what) of things that were read leniently.
    """

    items: tuple[Instruction, ...]
    digest: str
    warnings: tuple[tuple[int, str], ...] = ()


def parse_instructions(text: str) -> Instructions:
    """Read a dot-courier file or the output of a `||` command.  Never fails."""
    warnings: list[tuple[int, str]] = []
    items = []
    lines = _NumberedLines(text.split("\n"))
    for number, line in lines:
        if not line or line == "\r" or line[0] == "#":
            continue
        items.append(_parse_line(number, line, lines, warnings))
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return Instructions(tuple(items), digest, tuple(warnings))


@attrs.define
class _NumberedLines:
    """The lines with their numbers; a continuation takes further ones from the same place."""

    lines: list[str]
    position: int = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while self.position < len(self.lines):
            self.position += 1
            yield self.position, self.lines[self.position - 1]

    def continued(self, line: str) -> list[str]:
        """The line and those that it continues with, each but the last ending in a backslash."""
        parts = [line.removesuffix("\r")]
        while parts[-1].endswith("\\") and self.position < len(self.lines):
            parts.append(self.lines[self.position].removesuffix("\r"))
            self.position += 1
        return parts


def _parse_line(
    number: int, line: str, lines: _NumberedLines, warnings: list[tuple[int, str]]
) -> Instruction:
    if line[0] in "./":
        return _parse_mailbox(number, line, warnings)
    if line[0] == "|":
        return _parse_command(number, "\n".join(lines.continued(line)))
    parts = lines.continued(line)
    joined = " ".join([*(part[:-1] for part in parts[:-1]), parts[-1]])
    return Forward(number, _addresses(joined))


def _parse_mailbox(number: int, line: str, warnings: list[tuple[int, str]]) -> Mailbox:
    name = _TRAILING.sub("", line)
    if name != line:
        warnings.append((number, "blanks or CR at the end of a mailbox name"))
    is_maildir = name.endswith("/") and len(name) > 1
    return Mailbox(number, name[:-1] if is_maildir else name, must_be_maildir=is_maildir)


def _parse_command(number: int, text: str) -> Command | Dynamic:
    if text.startswith("||"):
        return Dynamic(number, text[2:].lstrip(" \t"))
    return Command(number, text[1:].lstrip(" \t"))


def _addresses(text: str) -> tuple[str, ...]:
    from couriermail.rfc822 import parse_addresses

    if text[:1] in ("&", "!"):
        text = text[1:]
    return tuple(address.addr_spec for address in parse_addresses(text) if address.addr_spec)
