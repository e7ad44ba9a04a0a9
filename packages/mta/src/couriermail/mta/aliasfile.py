"""Alias sources: from text to entries (spec mta 5.1).

    file   = *( entry / empty line )
    entry  = name ":" target *( LF blank text )     ; continued by lines that begin with a blank
    target = address list / ":include:" path / "/" path / "|" command / "" / virtual targets

`#` starts a comment anywhere in a line.  An empty line ends an entry.  The name ends at the
first colon.  What the target of a name is, is decided by `couriermail.mta.aliasbuild`.
"""

from __future__ import annotations

import attrs

from couriermail.mta.errors import AliasError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AliasEntry", "parse_aliases"]


@attrs.frozen(kw_only=True)
class AliasEntry:
    """One entry as it is written.

    Attributes:
        name: what stands before the colon.
        target: what stands behind it, continuation lines joined, without outer blanks.
        path: the file.
        line: 1-based line of the name.
    """

    name: str
    target: str
    path: str
    line: int


def parse_aliases(text: str, *, path: str, errors: list[AliasError]) -> Iterator[AliasEntry]:
    """Read a source's entries; lines that are none are added to `errors`.

    Args:
        text: the file's text.
        path: its name, for errors.
        errors: what is wrong, in order.
    """
    for line, logical in _logical_lines(text):
        name, colon, target = logical.partition(":")
        if not colon or not name.strip():
            errors.append(AliasError(f"syntax error, line {line}", path=path, line=line))
        else:
            yield AliasEntry(name=name.strip(), target=target.strip(), path=path, line=line)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Physical lines joined with their continuations, each with the number of its first."""
    pieces: list[str] = []
    start = 0
    for number, physical in enumerate(text.split("\n"), start=1):
        line = physical.partition("#")[0].rstrip()
        if line and pieces and line[0] in " \t":
            pieces.append(line)
            continue
        if pieces:
            yield start, "".join(pieces)
        pieces = [line] if line else []
        start = number
    if pieces:
        yield start, "".join(pieces)
