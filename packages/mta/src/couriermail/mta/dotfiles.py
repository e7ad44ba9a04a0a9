"""Finding the dot-courier file of an extension (spec mta 11.1).

Shared by the account search, which only asks whether there is one, and by local delivery,
which reads it.  No `attrs` here: delivery programs start often.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "XALIAS_PREFIXES",
    "DotFile",
    "dot_file_names",
    "find_dot_file",
    "is_internal_extension",
    "is_safe_extension",
]

XALIAS_PREFIXES = (".xalias/", ".xalias-esmtp/", ".xalias-local/", ".xalias-uucp/")
"""Starts of the extension of an alias that is a program or a file (spec mta 5.1, 5.2)."""

_MISSING = frozenset({errno.ENOENT, errno.ENAMETOOLONG})  # no file can have such a name


class DotFile:
    """A dot-courier file that exists.  Never changed.

    Attributes:
        path: the file.
        default_part: what `default` in its name stands for (`DEFAULT` of commands), or None
            when the name matches the whole extension.
    """

    __slots__ = ("default_part", "path")

    def __init__(self, path: str, default_part: str | None = None) -> None:
        self.path = path
        self.default_part = default_part

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DotFile):
            return NotImplemented
        return (self.path, self.default_part) == (other.path, other.default_part)

    def __hash__(self) -> int:
        return hash((self.path, self.default_part))

    def __repr__(self) -> str:
        return f"DotFile({self.path!r}, {self.default_part!r})"


def find_dot_file(
    home: str,
    extension: str,
    *,
    base: str = "courier",
    lstat: Callable[[str], object] = os.lstat,
) -> DotFile | None:
    """Find the file with the delivery instructions for an extension.

    Args:
        home: the account's home directory.
        extension: what follows the account's name in the address; "" for the account itself.
        base: value of `dotextension`: `courier` for `.courier`, `.courier-EXT`.
        lstat: asks whether a path exists; a dangling symbolic link does.

    Returns:
        The file, or None when there is none: default instructions for an empty extension,
        an unknown user otherwise.

    Raises:
        OSError: whether a file exists cannot be told.
    """
    if not is_safe_extension(extension):
        return None
    for name, default_part in dot_file_names(extension, base):
        path = f"{home}/{name}"
        try:
            lstat(path)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
        else:
            return DotFile(path, default_part)
    return None


def dot_file_names(extension: str, base: str = "courier") -> Iterator[tuple[str, str | None]]:
    """The names to try in order, each with what `default` in it stands for.

    `foo-bar` gives `.courier-foo-bar`, `.courier-foo-default` and `.courier-default`.
    """
    stem = f".{base}"
    if not extension:
        yield stem, None
        return
    mapped = extension.replace(".", ":")
    yield f"{stem}-{mapped}", None
    end = len(extension)
    while (end := extension.rfind("-", 0, end)) >= 0:
        yield f"{stem}-{mapped[:end]}-default", extension[end + 1 :]
    yield f"{stem}-default", extension


def is_safe_extension(extension: str) -> bool:
    """False for extensions that could name files elsewhere than in the home itself.

    Courier: allows names in subdirectories; here only the internal `.xalias/NAME` may.
    """
    name = extension.partition("/")[2] if is_internal_extension(extension) else extension
    return "/" not in name and "\0" not in name


def is_internal_extension(extension: str) -> bool:
    """True for the extensions of aliases that are programs or files."""
    return extension.startswith(XALIAS_PREFIXES)
