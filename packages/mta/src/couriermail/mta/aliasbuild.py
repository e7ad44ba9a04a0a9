"""Building the alias tables: members, nesting, programs, and the files on disk (spec mta 5.1-5.2).

`compile_aliases` is pure apart from reading sources: it answers an `AliasDatabase` or raises
every problem at once.  `install_aliases` puts it into effect: program files first, then the
table in one rename, then the removal of program files that nobody names any more.  So a lookup
sees the old aliases or the new ones, and an alias that it finds always has its program file.
"""

from __future__ import annotations

import fcntl
import os

import attrs

from couriermail.core import write_atomically
from couriermail.mta.addresses import AddressRules, quote_local_part
from couriermail.mta.aliases import alias_key
from couriermail.mta.aliasfile import AliasEntry, parse_aliases
from couriermail.mta.controlfiles import ConfigWarning, ControlFiles, Problems, list_entries
from couriermail.mta.domains import canonical_domain
from couriermail.mta.errors import AliasError, AliasErrors, MtaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from couriermail.mta.config import Config

__all__ = ["AliasDatabase", "build_aliases", "compile_aliases", "install_aliases"]

_ESCAPED = frozenset('/.-+"\\')  # characters that file names and dot files give a meaning
_MAX_NAME = 200  # octets of a program file's name; file systems end at 255


@attrs.frozen(kw_only=True)
class AliasDatabase:
    """Compiled aliases.

    Attributes:
        members: canonical alias, or `@domain` of a virtual domain, to its members in order.
        programs: name of a file in the xalias directory to its lines.
        warnings: what is odd: cycles, empty targets, quoted programs.
    """

    members: Mapping[str, tuple[str, ...]]
    programs: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    warnings: tuple[ConfigWarning, ...] = ()


class AliasesBusyError(MtaError):
    """Somebody else is building the same aliases.  Temporary."""

    is_temporary = True
    exit_code = 1


def build_aliases(config: Config, *, protocol: str | None = None) -> AliasDatabase:
    """Compile the configuration's sources and install the result (makealiases).

    Raises:
        AliasErrors: what is wrong with the sources; nothing was changed.
        AliasesBusyError: another build is under way.
        StorageError, TableError: the disk refused.
    """
    database = compile_aliases(config, protocol=protocol)
    install_aliases(config, database, protocol=protocol)
    return database


def compile_aliases(
    config: Config, *, source: str | None = None, protocol: str | None = None
) -> AliasDatabase:
    """Read alias sources and resolve what they say.

    Args:
        config: domains and rules of addresses.
        source: file or directory; None is `aliases`, or `aliases-PROTOCOL`.
        protocol: `esmtp`, `local` or `uucp` for aliases that only its submissions see.

    Raises:
        AliasErrors: all problems of all sources.
    """
    compiler = _Compiler(config, AddressRules.of(config), protocol)
    problems = Problems()
    files = ControlFiles(config.directory, problems=problems)
    for path in files.source_files(source or _product("aliases", protocol)):
        compiler.read(path, files.read(path) or "")
    errors = [*problems.errors, *compiler.errors]
    if errors:
        raise AliasErrors(errors)
    return compiler.finish()


def install_aliases(
    config: Config, database: AliasDatabase, *, protocol: str | None = None
) -> None:
    """Put compiled aliases into effect, durably; lookups see the old or the new ones.

    Raises:
        AliasesBusyError: another build is under way.
        StorageError, TableError: the disk refused.
    """
    from couriermail.table import build_table

    path = os.path.join(config.directory, _product("aliases", protocol) + ".dat")
    directory = os.path.join(config.aliasdir, _product(".courier-:xalias", protocol))
    lock = _lock(f"{path}.lock")
    try:
        if database.programs:
            os.makedirs(directory, mode=0o755, exist_ok=True)
        for name, lines in database.programs.items():
            text = "".join(f"{line}\n" for line in lines)
            write_atomically(os.path.join(directory, name), [text.encode()], mode=0o644)
        build_table(path, _pairs(database))
        _remove_stale(directory, database.programs)
    except OSError as error:
        from couriermail.core.durable import storage_error

        raise storage_error(error, "cannot write", directory) from error
    finally:
        os.close(lock)


def _pairs(database: AliasDatabase) -> Iterator[tuple[bytes, bytes]]:
    for name, members in database.members.items():
        yield name.encode(), "\n".join(members).encode()


def _product(name: str, protocol: str | None) -> str:
    return name if protocol is None else f"{name}-{protocol}"


def _lock(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        from couriermail.core.durable import storage_error

        raise storage_error(error, "cannot lock", path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AliasesBusyError(f"another build holds {path}") from error
    return descriptor


def _remove_stale(directory: str, wanted: Mapping[str, object]) -> None:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        if name not in wanted:
            os.unlink(os.path.join(directory, name))


@attrs.define
class _Frame:
    """A name that is being resolved."""

    name: str
    members: Iterator[str]
    found: dict[str, None] = attrs.field(factory=dict)
    is_certain: bool = True


@attrs.define
class _Compiler:
    """Collects entries, then resolves their nesting."""

    config: Config
    rules: AddressRules
    protocol: str | None
    errors: list[AliasError] = attrs.field(factory=list)
    _warnings: list[ConfigWarning] = attrs.field(factory=list)
    _entries: dict[str, list[str]] = attrs.field(factory=dict)
    _places: dict[str, AliasEntry] = attrs.field(factory=dict)
    _programs: dict[str, list[str]] = attrs.field(factory=dict)
    _resolved: dict[str, tuple[str, ...]] = attrs.field(factory=dict)

    def read(self, path: str, text: str) -> None:
        for entry in parse_aliases(text, path=path, errors=self.errors):
            try:
                self._add(entry)
            except AliasError as error:
                self.errors.append(error)

    def finish(self) -> AliasDatabase:
        members = {}
        for name in self._entries:
            resolved = self._resolve(name)
            if resolved:
                members[name] = resolved
            else:
                self._warn(self._places[name], f"{name} has no members and is left out")
        return AliasDatabase(
            members=members,
            programs={name: tuple(lines) for name, lines in self._programs.items()},
            warnings=tuple(self._warnings),
        )

    def _add(self, entry: AliasEntry) -> None:
        if not entry.target:
            self._warn(entry, f"{entry.name} has an empty target and is left out")
            return
        if entry.name.startswith("@"):
            name, members = self._virtual(entry)
        else:
            name = self._name(entry)
            members = self._members(entry, name)
        if len(name.encode()) > 511:
            raise _error(entry, f"{name[:40]}...: longer than 511 octets")
        self._entries.setdefault(name, []).extend(members)
        self._places.setdefault(name, entry)

    def _name(self, entry: AliasEntry) -> str:
        name = self._address(entry, entry.name)
        if any(char.isspace() for char in name):
            raise _error(entry, f"{entry.name}: 553 Syntax error: {name}")
        return alias_key(name, self.config)

    def _virtual(self, entry: AliasEntry) -> tuple[str, list[str]]:
        """`@domain: target, ...`: targets stay as they are (spec mta 5.1)."""
        targets = [target.strip() for target in entry.target.split(",")]
        for target in targets:
            if not target or "@" in target or any(char.isspace() for char in target):
                raise _error(entry, f"{target!r} is no target of a virtual domain")
        return f"@{canonical_domain(entry.name[1:])}", targets

    def _members(self, entry: AliasEntry, name: str) -> list[str]:
        if entry.target[0] in "|/":
            return [self._program(entry, name)]
        if entry.target.startswith(":include:"):
            return self._included(entry, entry.target.removeprefix(":include:").strip())
        return self._address_list(entry, entry.target)

    def _address_list(self, entry: AliasEntry, text: str) -> list[str]:
        from couriermail.rfc822 import parse_addresses

        members = []
        for address in parse_addresses(text):
            if address.addr.startswith(('"|', '"/')):
                self._warn(entry, f"{address.addr} is an address; take its quotes off")
            members.append(self._address(entry, address.addr))
        return members

    def _included(self, entry: AliasEntry, path: str) -> list[str]:
        if not path.startswith("/"):
            raise _error(entry, f"Absolute pathname is required: {path}")
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise _error(entry, f"cannot read {path}: {error}") from error
        lists = [self._address_list(entry, line) for _, line in list_entries(text)]
        return [member for members in lists for member in members]

    def _program(self, entry: AliasEntry, name: str) -> str:
        """Keep a program or file for the xalias directory, and name the address that runs it."""
        name = name.lower() if self.config.locallowercase else name  # as its address will be
        file_name = "".join(f"+{ord(char):02x}" if char in _ESCAPED else char for char in name)
        if len(file_name.encode()) > _MAX_NAME or "\0" in file_name:
            raise _error(entry, f"{entry.name}: too long a name for a program")
        lines = self._programs.setdefault(file_name, [])
        lines.append(entry.target)
        local = f"{_product('.xalias', self.protocol)}/{file_name}"
        return f"{quote_local_part(local)}@{self.config.defaultdomain}"

    def _address(self, entry: AliasEntry, text: str) -> str:
        canonical = self.rules.recipient(text, "local")
        if isinstance(canonical, str):
            return canonical
        raise _error(entry, f"{text}: {canonical.code} {canonical.text}")

    def _resolve(self, name: str) -> tuple[str, ...]:
        """All members of a name, names among them replaced by theirs, first place kept.

        Depth first without recursion.  What a name stands for is kept once it is known for
        sure, which it is not while a cycle below it leads to a name that is still open.
        """
        if name in self._resolved:
            return self._resolved[name]
        frames = [_Frame(name, iter(self._entries[name]))]
        seen = {name}
        while True:
            frame = frames[-1]
            member = next(frame.members, None)
            if member is not None:
                self._follow(member, frames, seen)
                continue
            frames.pop()
            if frame.is_certain or not frames:
                self._resolved[frame.name] = tuple(frame.found)
            if not frames:
                return self._resolved[name]
            frames[-1].found.update(frame.found)
            frames[-1].is_certain &= frame.is_certain

    def _follow(self, member: str, frames: list[_Frame], seen: set[str]) -> None:
        """Take one member in: an address, a name that is known, or one to be opened."""
        frame = frames[-1]
        key = member if frame.name.startswith("@") else alias_key(member, self.config)
        if frame.name.startswith("@") or key not in self._entries or key == frame.name:
            frame.found[member] = None  # a name that lists itself stays
        elif key in self._resolved:
            frame.found.update(dict.fromkeys(self._resolved[key]))
        elif key not in seen:
            seen.add(key)
            frames.append(_Frame(key, iter(self._entries[key])))
        else:
            frame.is_certain = False
            if key == frames[0].name:
                self._warn(self._places[key], f"{key} leads back to itself by {frame.name}")

    def _warn(self, entry: AliasEntry, message: str) -> None:
        self._warnings.append(ConfigWarning(message, path=entry.path, line=entry.line))


def _error(entry: AliasEntry, message: str) -> AliasError:
    return AliasError(message, path=entry.path, line=entry.line)
