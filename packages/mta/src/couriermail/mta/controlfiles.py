"""Reading control files: one function per kind of file (spec mta 3.1).

A *one-line file* counts with its first line, a *flag file* by existing, a *list file* with
all its lines, a *time* is a sum such as `1w2d`, a *count* the leading integer of line 1.
With a virtual host active, `name.VHOST` is taken instead of `name` where it exists (3.6).

`ControlFiles` reads them from one directory and collects what is wrong instead of stopping
at the first problem: an administrator sees everything in one go.
"""

from __future__ import annotations

import os

import attrs

from couriermail.mta.errors import MtaConfigError
from couriermail.table import TableSourceError, source_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_LINE",
    "ConfigWarning",
    "ControlFiles",
    "Problems",
    "list_entries",
    "parse_count",
    "parse_time",
]

MAX_LINE = 255
"""Bytes of a one-line file that count (spec mta 3.1)."""

_DIGITS = frozenset("0123456789")
_MAX_DIGITS = 18  # more is a mistake, and must not become a number of any size
_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


@attrs.frozen
class ConfigWarning:
    """Something odd that does not stop the mail system.

    Attributes:
        message: what is odd and what was made of it.
        path: the file.
        line: 1-based line, or None.
    """

    message: str
    path: str = attrs.field(kw_only=True)
    line: int | None = attrs.field(default=None, kw_only=True)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


@attrs.define
class Problems:
    """What one reading of the configuration found wrong or odd."""

    errors: list[MtaConfigError] = attrs.field(factory=list)
    warnings: list[ConfigWarning] = attrs.field(factory=list)

    def error(
        self, message: str, *, path: str, line: int | None = None, column: int | None = None
    ) -> None:
        """Note an error: the configuration will not be used."""
        self.errors.append(MtaConfigError(message, path=path, line=line, column=column))

    def warn(self, message: str, *, path: str, line: int | None = None) -> None:
        """Note a warning: the configuration is used."""
        self.warnings.append(ConfigWarning(message, path=path, line=line))


def parse_time(text: str) -> tuple[int, str]:
    """Read a time such as `1w2d`, `90` or `1h 30m`.

    Returns:
        seconds, and what could not be read ("" when all was): an unknown letter ends the
        time and the sum so far counts (spec mta 3.1).
    """
    total = 0
    digits = ""
    compact = "".join(text.split())
    for position, char in enumerate(compact):
        if char in _DIGITS and len(digits) < _MAX_DIGITS:
            digits += char
            continue
        unit = _UNITS.get(char.lower())
        if unit is None or not digits:
            return total + int(digits or 0), compact[position:]
        total += int(digits) * unit
        digits = ""
    return total + int(digits or 0), ""


def parse_count(text: str) -> tuple[int, str]:
    """Read the leading integer of a line; a line without one counts as 0 (spec mta 17).

    Returns:
        the number, and the text behind it without blanks ("" when there is none).
    """
    stripped = text.strip()
    end = 0
    while stripped[end : end + 1] in _DIGITS and end < min(len(stripped), _MAX_DIGITS):
        end += 1
    return int(stripped[:end] or 0), stripped[end:].strip()


def list_entries(text: str) -> Iterator[tuple[int, str]]:
    """The entries of a list file with their line numbers; `#` starts a comment anywhere."""
    for number, line in enumerate(text.split("\n"), start=1):
        for part in line.partition("#")[0].split("\r"):  # entries end at CR or LF
            if entry := part.strip():
                yield number, entry


@attrs.frozen
class ControlFiles:
    """The control files of one directory, as one virtual host sees them.

    Attributes:
        directory: the configuration directory; need not exist, then all defaults hold.
        problems: where errors and warnings are collected.
        vhost: label of the active virtual host, or None.
    """

    directory: str
    problems: Problems = attrs.field(kw_only=True)
    vhost: str | None = attrs.field(default=None, kw_only=True)

    def path(self, name: str) -> str:
        """The file that counts for `name`: `name.VHOST` where it exists, else `name`."""
        plain = os.path.join(self.directory, name)
        if self.vhost is not None and os.path.lexists(f"{plain}.{self.vhost}"):
            return f"{plain}.{self.vhost}"
        return plain

    def exists(self, name: str) -> bool:
        """A flag file: its existence is the value."""
        return os.path.exists(self.path(name))

    def text(self, name: str) -> str | None:
        """A whole file, or None when there is none."""
        return self.read(self.path(name))

    def read(self, path: str) -> str | None:
        """The text of one path; trouble is collected and answers None."""
        try:
            with open(path, "rb") as file:
                return file.read().decode("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.problems.error(f"cannot read: {error.strerror or error}", path=path)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self.problems.error("is not UTF-8", path=path, line=line)
        return None

    def line(self, name: str) -> str | None:
        """A one-line file; an empty one is the empty string, a missing one None."""
        text = self.text(name)
        if text is None:
            return None
        first = text.partition("\n")[0]
        return first.encode()[:MAX_LINE].decode("utf-8", "ignore")

    def name_line(self, name: str, default: str) -> str:
        """A one-line file that holds a name; a blank one counts as missing, with a warning."""
        line = self.line(name)
        if line is None:
            return default
        if not (stripped := line.strip()):
            self.problems.warn(f"is empty; {default!r} is used", path=self.path(name), line=1)
            return default
        return stripped

    def entries(self, name: str) -> tuple[str, ...] | None:
        """A list file, or None when there is none."""
        text = self.text(name)
        return None if text is None else tuple(entry for _, entry in list_entries(text))

    def seconds(self, name: str, default: int) -> int:
        """A time in seconds; text that is no time is warned about."""
        line = self.line(name)
        if line is None:
            return default
        seconds, rest = parse_time(line)
        if rest:
            self.problems.warn(
                f"{rest!r} is not part of a time; {seconds} seconds are used",
                path=self.path(name),
                line=1,
            )
        return seconds

    def count(self, name: str, default: int) -> int:
        """The leading integer of line 1; other text is warned about."""
        line = self.line(name)
        if line is None:
            return default
        number, rest = parse_count(line)
        if rest or not line.strip():
            self.problems.warn(
                f"{line.strip()!r} is not a number; {number} is used", path=self.path(name), line=1
            )
        return number

    def source_files(self, name: str) -> tuple[str, ...]:
        """The plain files of a file-or-directory source, sorted by name (spec mta 3.9).

        Names that end in `~` are skipped.  What package managers leave behind
        (`.rpmsave`, `.rpmnew`, `.dpkg-...`) is an error: somebody must look at it.
        """
        path = self.path(name)
        if not os.path.exists(path):
            return ()
        try:
            files = source_files(path)
        except TableSourceError as error:
            place = error.path or path
            self.problems.error(str(error).removeprefix(f"{place}: "), path=place)
            return ()
        return tuple(file for file in files if not os.path.basename(file).startswith("."))
