r"""Virtual shared folders: index files that list other people's maildirs (spec maildir 4.10).

    alice  <TAB> 1001 <TAB> 1001 <TAB> /home/alice <TAB> Maildir      an account
    sales  <TAB> *    <TAB> indexsales                                a group: one more index

An index is a tree; a group names a file in the same directory.  Accounts appear to a mail
reader as `#shared.alice` or `#shared.sales.bob`, so a name becomes one component of a folder
name first (`SharedNames`).  Nothing promises that the tree has no circle: a group that leads
back to an index on its own path is passed over.
"""

from __future__ import annotations

import logging
import os
import re
from enum import Enum

import attrs

from couriermail.maildir.errors import InvalidNameError, MaildirMissingError, maildir_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

__all__ = [
    "SHARED_ROOT",
    "ParsedIndex",
    "SharedAccount",
    "SharedGroup",
    "SharedIndex",
    "SharedNames",
    "parse_index",
]

SHARED_ROOT = "#shared"

_log = logging.getLogger("couriermail.maildir")


class SharedNames(Enum):
    r"""How the name of an account or group becomes one component of a folder name.

    The web server and the IMAP server of one site must agree.

    * `BLANKS`: `.` and `/` become blanks.  Two names may become the same; the first counts.
    * `ESCAPED`: `.` becomes `\:`, `/` becomes `\;` and a backslash is doubled; nothing is lost.
      This is what `IMAP_SHAREDMUNGENAMES=1` chooses.
    """

    BLANKS = "blanks"
    ESCAPED = "escaped"

    def to_component(self, name: str) -> str:
        """The component that stands for a name."""
        return name.translate(_TO_BLANKS if self is SharedNames.BLANKS else _TO_ESCAPES)

    def to_name(self, component: str) -> str:
        r"""The name that an escaped component stands for; with `BLANKS` the component itself.

        Raises:
            InvalidNameError: a backslash that `:`, `;` or a backslash does not follow.
        """
        if self is SharedNames.BLANKS:
            return component
        return _ESCAPE.sub(lambda found: _unescaped(found[1], component), component)


_TO_BLANKS = str.maketrans("./", "  ")
_TO_ESCAPES = str.maketrans({".": "\\:", "/": "\\;", "\\": "\\\\"})
_FROM_ESCAPES = {":": ".", ";": "/", "\\": "\\"}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


def _unescaped(letter: str, component: str) -> str:
    if letter not in _FROM_ESCAPES:
        raise InvalidNameError(f"not an escaped name: {component!r}")
    return _FROM_ESCAPES[letter]


@attrs.frozen(kw_only=True)
class SharedAccount:
    """An account in an index.

    Attributes:
        name: the account's name, as it authenticates.
        uid: its user number, never 0.
        gid: its group number, never 0.
        home: its home directory.
        maildir: its maildir as the index names it, absolute or below `home`.
    """

    name: str
    uid: int
    gid: int
    home: str
    maildir: str = "./Maildir"

    @property
    def path(self) -> str:
        """Its maildir."""
        return os.path.join(self.home, self.maildir)


@attrs.frozen(kw_only=True)
class SharedGroup:
    """A group in an index: the accounts of another index.

    Attributes:
        name: the group's name.
        file: the other index, a file in the same directory.
    """

    name: str
    file: str


if TYPE_CHECKING:
    IndexEntry: TypeAlias = SharedAccount | SharedGroup


@attrs.frozen(kw_only=True)
class ParsedIndex:
    """What an index file says.

    Attributes:
        entries: accounts and groups in the order of their lines.
        bad_lines: numbers, from 1, of lines that are neither.
    """

    entries: tuple[IndexEntry, ...]
    bad_lines: tuple[int, ...]


@attrs.frozen(kw_only=True)
class _LoadedIndex:
    stamp: tuple[int, int, int]  # inode, time of change and size of the file
    entries: tuple[IndexEntry, ...]
    by_component: dict[str, IndexEntry]  # of two names with one component the first counts


_NOTHING = _LoadedIndex(stamp=(0, 0, 0), entries=(), by_component={})


def parse_index(data: bytes) -> ParsedIndex:
    """Read an index; `#` starts a comment anywhere in a line, blank lines mean nothing."""
    entries: list[IndexEntry] = []
    bad_lines: list[int] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.partition(b"#")[0].decode("utf-8", "surrogateescape")
        if not text.strip():
            continue
        entry = _parse_line(text.split("\t"))
        if entry is None:
            bad_lines.append(number)
        else:
            entries.append(entry)
    return ParsedIndex(entries=tuple(entries), bad_lines=tuple(bad_lines))


class SharedIndex:
    """The accounts that one user may see, read from the index files of a directory.

    Files are read when they are needed and again when they were replaced, so that an object
    may live as long as a session.

    Attributes:
        path: the index file at the root of the tree.
        names: how names become components.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        group: str = "",
        *,
        names: SharedNames = SharedNames.BLANKS,
    ) -> None:
        """Describe the tree; nothing is read yet.

        Args:
            directory: where the index files lie, such as `/etc/courier/shared`.
            group: the account option `sharedgroup`; the root is `index` followed by it.
            names: how names become components.

        Raises:
            InvalidNameError: a group that would name a file in another directory.
        """
        if not _is_file_name(f"index{group}"):
            raise InvalidNameError(f"not a shared group: {group!r}")
        self._directory = os.fspath(directory)
        self.path = f"{self._directory}/index{group}"
        self.names = names
        self._loaded: dict[str, _LoadedIndex] = {}

    def children(self, components: Sequence[str] = ()) -> tuple[IndexEntry, ...]:
        """The accounts and groups directly below the root or below a group.

        Raises:
            MaildirMissingError: there is no such group.
            MaildirStorageError: an index cannot be read.
        """
        if not components:
            return self._load(self.path).entries
        entry, _ = self.lookup(components)
        if not isinstance(entry, SharedGroup):
            raise MaildirMissingError(f"no shared group {'.'.join(components)!r}")
        return self._load(f"{self._directory}/{entry.file}").entries

    def lookup(self, components: Sequence[str]) -> tuple[IndexEntry, tuple[str, ...]]:
        """The account or group that a folder name behind `#shared` leads to.

        Returns:
            The entry and the components behind it; a group has none behind it.

        Raises:
            MaildirMissingError: there is neither.
            MaildirStorageError: an index cannot be read.
        """
        file = self.path
        seen = {file}
        entry: IndexEntry | None = None
        for depth, component in enumerate(components):
            entry = self._load(file).by_component.get(component)
            if isinstance(entry, SharedAccount):
                return entry, tuple(components[depth + 1 :])
            file = f"{self._directory}/{entry.file}" if entry else file
            if entry is None or file in seen:
                raise MaildirMissingError(f"nothing shared as {'.'.join(components)!r}")
            seen.add(file)
        if entry is None:
            raise MaildirMissingError("the root of shared folders is neither account nor group")
        return entry, ()

    def accounts(
        self, *, own_maildir: str | os.PathLike[str] | None = None
    ) -> Iterator[tuple[str, SharedAccount]]:
        """Every account whose maildir can be entered, with its folder name, in index order.

        Args:
            own_maildir: the caller's own maildir, which is left out under whatever name.

        Raises:
            MaildirStorageError: an index cannot be read.
        """
        own = None if own_maildir is None else _identity(os.fspath(own_maildir))
        for name, account in self._walk(self.path, SHARED_ROOT, (self.path,)):
            identity = _identity(account.path)
            if identity is not None and identity != own:
                yield name, account

    def _walk(
        self, file: str, prefix: str, above: tuple[str, ...]
    ) -> Iterator[tuple[str, SharedAccount]]:
        for entry in self._load(file).entries:
            name = f"{prefix}.{self.names.to_component(entry.name)}"
            if isinstance(entry, SharedAccount):
                yield name, entry
                continue
            below = f"{self._directory}/{entry.file}"
            if below in above:
                _log.warning("%s: group %r leads back to itself", file, entry.name)
                continue
            yield from self._walk(below, name, (*above, below))

    def _load(self, file: str) -> _LoadedIndex:
        try:
            with open(file, "rb") as opened:
                facts = os.fstat(opened.fileno())
                stamp = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
                known = self._loaded.get(file)
                if known is not None and known.stamp == stamp:
                    return known
                parsed = parse_index(opened.read())
        except FileNotFoundError:
            return _NOTHING
        except OSError as error:
            raise maildir_error(error, "cannot read", file) from error
        for number in parsed.bad_lines:
            _log.warning("ERR: %s(%d): syntax error.", file, number)
        by_component: dict[str, IndexEntry] = {}
        for entry in parsed.entries:
            by_component.setdefault(self.names.to_component(entry.name), entry)
        loaded = _LoadedIndex(stamp=stamp, entries=parsed.entries, by_component=by_component)
        self._loaded[file] = loaded
        return loaded


def _parse_line(fields: list[str]) -> IndexEntry | None:
    name, *rest = fields
    if not name or any(char < " " for char in name):
        return None
    match rest:
        case ["*", file, *_] if _is_file_name(file.strip()):
            return SharedGroup(name=name, file=file.strip())
        case [uid, gid, home, *more] if _is_number(uid) and _is_number(gid) and "\0" not in home:
            maildir = more[0].strip() if more else ""
            return SharedAccount(
                name=name,
                uid=int(uid),
                gid=int(gid),
                home=home.rstrip(),
                maildir=maildir or "./Maildir",
            )
        case _:
            return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) > 0


def _is_file_name(name: str) -> bool:
    return name not in ("", ".", "..") and not any(char in "/\0\n" for char in name)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(f"{path}/.")
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino
