"""The text that tables are made from (makedat, hosteddomains, userdb and their like).

Grammar, line by line (spec maildir 4.16):

    file    = *( line LF ) [ line ]
    line    = "" / "#" text             ; ignored
            / "."                       ; ends the input
            / TAB text                  ; empty key: ignored
            / key [ TAB value ]         ; no or empty value: "1"; further TABs belong to it

A source is one file or a directory of files (spec mta 3.9).  In a directory, what package
managers leave beside a configuration file stops the compilation: somebody has to look at it.
"""

from __future__ import annotations

import os
import stat

import attrs

from couriermail.table.errors import TableSourceError
from couriermail.table.ranges import expand_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SourceRecord", "read_source", "read_terminated", "source_files"]


@attrs.frozen(kw_only=True)
class SourceRecord:
    """One record of a source.

    Attributes:
        key: the key; never empty.
        value: the value; never empty.
        path: the file it stands in.
        line: its 1-based line there.
    """

    key: bytes
    value: bytes
    path: str
    line: int


def read_source(path: str | os.PathLike[str], *, cidr: bool = False) -> Iterator[SourceRecord]:
    """Read the records of a source file or directory, in file name order.

    Args:
        path: the file or directory.
        cidr: expand lines that begin with an address range into one record per key
            (`expand_range`).

    Raises:
        TableSourceError: a file cannot be read or should not be there, or a line's range is
            no range.
    """
    for name in source_files(path):
        for number, line in _numbered_lines(name):
            if line == b".":
                return
            if line and not line.startswith(b"#"):
                yield from _records_of(line, name, number, cidr=cidr)


def read_terminated(text: bytes, name: str) -> Iterator[SourceRecord]:
    """Read the records of a text that must end with a line of one `.` (makedatprog).

    Args:
        text: the text; what follows the `.` does not count.
        name: what it is called in errors.

    Raises:
        TableSourceError: the text ends without the `.`: it may have been cut short.
    """
    for number, line in enumerate(text.split(b"\n"), 1):
        if line == b".":
            return
        if line and not line.startswith(b"#"):
            yield from _records_of(line, name, number, cidr=False)
    raise TableSourceError("no line with a single dot at the end", path=name)


def source_files(path: str | os.PathLike[str]) -> list[str]:
    """The files that a source consists of: itself, or a directory's plain files, sorted.

    Names that end in `~` are skipped, also a `X.dist` that is older than its `X`.

    Raises:
        TableSourceError: the source cannot be read, or a package manager left `*.rpmsave`,
            `*.rpmnew`, `*.dpkg-*` or a newer `*.dist` there (spec mta 3.9).
    """
    source = os.fspath(path)
    try:
        if not os.path.isdir(source):
            os.stat(source)
            return [source]
        names = [entry.path for entry in os.scandir(source) if _is_plain(entry)]
    except OSError as error:
        raise TableSourceError(error.strerror or str(error), path=source) from error
    return [name for name in sorted(names) if _is_wanted(name)]


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_file() and not entry.name.endswith("~")


def _is_wanted(name: str) -> bool:
    """Tell whether a file is part of the source; False is a `.dist` file that is outdated."""
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        return True
    if suffix in {"rpmsave", "rpmnew"} or (suffix.startswith("dpkg-") and suffix[5:].isalpha()):
        raise TableSourceError(f"inspect this file and {stem}, then remove it", path=name)
    if suffix == "dist":
        if _modified(stem) > _modified(name):
            return False
        raise TableSourceError(f"newer than {stem}: bring that file up to date", path=name)
    return True


def _modified(path: str) -> int:
    try:
        status = os.stat(path)
    except OSError:
        return -1
    return status.st_mtime_ns if stat.S_ISREG(status.st_mode) else -1


def _numbered_lines(path: str) -> Iterator[tuple[int, bytes]]:
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield number, line.removesuffix(b"\n")
    except OSError as error:
        raise TableSourceError(error.strerror or str(error), path=path) from error


def _records_of(line: bytes, path: str, number: int, *, cidr: bool) -> Iterator[SourceRecord]:
    if cidr:
        word, _, rest = line.replace(b"\t", b" ", 1).partition(b" ")
        try:
            keys = expand_range(word)
        except TableSourceError as error:
            raise TableSourceError(str(error), path=path, line=number) from error
        if keys is not None:
            value = rest.strip(b" \t") or b"1"
            for key in keys:
                yield SourceRecord(key=key, value=value, path=path, line=number)
            return
    key, _, value = line.partition(b"\t")
    if key:
        yield SourceRecord(key=key, value=value or b"1", path=path, line=number)
