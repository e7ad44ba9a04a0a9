r"""Reader of the "rc with marker" files: authldaprc, authmysqlrc, authpgsqlrc, authsqliterc.

    file    = *( blank line | "#" ... | setting )
    setting = NAME blanks value             ; trailing blanks are not part of the value
    a line that ends in "\" goes on in the next one; the break is one blank
    a comment line that begins "##NAME: MARKER:" must be somewhere in the file

The first definition of a name wins.  Without the marker the file is an old one that lacks
settings, or one that somebody is still writing: it is refused.

Standard: spec auth 3.4.
"""

from __future__ import annotations

import logging
import os
import stat
from typing import Generic, TypeVar

import attrs

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["RcFile", "RcFileError", "RcSettings", "parse_rc"]

MARKER = "##NAME: MARKER:"
MAX_RC_BYTES = 1_000_000  # a hundred times the largest template
Meaning = TypeVar("Meaning")
_BLANKS = " \t\r\v\f"

_log = logging.getLogger("couriermail.auth")


class RcFileError(DirectoryError):
    """A settings file cannot be used.

    Attributes:
        path: the file, for the log.
        line: 1-based line, or None where the whole file is meant.
    """

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        super().__init__(f"{path}: {message}" if line is None else f"{path}:{line}: {message}")
        self.path = path
        self.line = line


@attrs.frozen(kw_only=True)
class RcSettings:
    """What a settings file says.  Values may hold passwords: they are in no `repr`.

    Attributes:
        path: the file they were read from.
        values: name -> value.
        lines: name -> the 1-based line on which its value begins.
    """

    path: str
    values: Mapping[str, str] = attrs.field(repr=False)
    lines: Mapping[str, int] = attrs.field(repr=False)

    def get(self, *names: str, default: str = "") -> str:
        """The value of the first of these names that is set and not empty."""
        return next((self.values[name] for name in names if self.values.get(name)), default)

    def require(self, name: str) -> str:
        """The value of a setting that must be there.

        Raises:
            RcFileError: it is missing or empty.
        """
        value = self.get(name)
        if not value:
            raise self.error(f"{name} is not set", name)
        return value

    def number(self, name: str, *, default: int = 0) -> int:
        """A setting that is a number of decimal digits.

        Raises:
            RcFileError: it is something else.
        """
        text = self.get(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self.error(f"{name} is not a number", name)
        return int(text)

    def error(self, message: str, name: str = "") -> RcFileError:
        """An error that names the file, and the line of the setting where it has one."""
        return RcFileError(message, path=self.path, line=self.lines.get(name))


def parse_rc(text: str, *, path: str) -> RcSettings:
    """Read the text of a settings file.

    Args:
        text: the whole file.
        path: its name, for errors.

    Raises:
        RcFileError: the marker is missing, or a setting has no value at all.
    """
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    has_marker = False
    for number, line in _logical_lines(text):
        if line.startswith("#"):
            has_marker = has_marker or line.startswith(MARKER)
            continue
        name, *rest = line.split(None, 1)
        if name not in values:
            values[name] = rest[0].rstrip(_BLANKS) if rest else ""
            lines[name] = number
    if not has_marker:
        raise RcFileError(
            f"marker line not found in {path} "
            "(probably forgot to run sysconftool after an upgrade)",
            path=path,
        )
    return RcSettings(path=path, values=values, lines=lines)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with continuations joined, and where each begins."""
    found: list[tuple[int, str]] = []
    start, joined = 0, ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_BLANKS)
        is_comment = not joined and line.startswith("#")
        start = start if joined else number
        if line.endswith("\\") and not is_comment:
            joined += line[:-1] + " "
            continue
        found.append((start, joined + line))
        joined = ""
    found.append((start, joined))
    return [(start, line) for start, line in found if line.strip(_BLANKS)]


@attrs.define(eq=False)
class RcFile(Generic[Meaning]):
    """A settings file that is read again when it changes.

    A change that cannot be used is logged once, and what was read before stays in use.

    Attributes:
        path: the file.
        interpret: makes of the settings what their user needs; raises `RcFileError` for
            settings that make no sense.
        has_secrets: refuse the file when everybody may read it.
    """

    path: str
    interpret: Callable[[RcSettings], Meaning]
    has_secrets: bool = attrs.field(default=True, kw_only=True)
    _meaning: Meaning | None = attrs.field(default=None, init=False, repr=False)
    _seen: tuple[int, ...] = attrs.field(default=(), init=False)

    def load(self) -> Meaning:
        """What the file means now: the same object as long as the file is unchanged.

        Raises:
            RcFileError: the file cannot be used and never could.
        """
        seen: tuple[int, ...] = ()
        try:
            state = os.stat(self.path)
            seen = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_mode)
            if self._meaning is None or seen != self._seen:
                self._meaning = self.interpret(self._read())
        except OSError as error:
            self._keep_old(RcFileError(_reason(error), path=self.path), is_new=seen != self._seen)
        except RcFileError as error:
            self._keep_old(error, is_new=seen != self._seen)
        self._seen = seen
        if self._meaning is None:
            raise RcFileError("cannot be read", path=self.path)
        return self._meaning

    def _keep_old(self, error: RcFileError, *, is_new: bool) -> None:
        if self._meaning is None:
            raise error
        if is_new:
            _log.error("%s; what was read before stays in use, will try again later", error)

    def _read(self) -> RcSettings:
        with open(self.path, "rb") as file:
            if self.has_secrets and os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise RcFileError(
                    "holds passwords and must not be readable for everybody", path=self.path
                )
            data = file.read(MAX_RC_BYTES + 1)
        if len(data) > MAX_RC_BYTES:
            raise RcFileError("is too large for a settings file", path=self.path)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise RcFileError("is not UTF-8", path=self.path, line=line) from error
        return parse_rc(text, path=self.path)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
