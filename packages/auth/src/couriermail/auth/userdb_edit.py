"""Edit the text of a userdb: one record at a time, under the lock of the `userdb` command.

What is not changed stays as it is, byte for byte: comments, blank and malformed lines, the
order of records and of fields.  New fields come last, new records at the end.

A file is locked through `.lock.<file>` beside it, written as `.tmp.<file>`, synced, renamed,
and the directory is synced.  It keeps its mode and owner; a new one is 0600.  A symbolic link
is followed, so that it stays one.

Standard: spec auth 2.5 (write protocol), 3.1 (grammar).
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager

from couriermail.auth.errors import UserdbError, UserdbInputError
from couriermail.core.durable import create_exclusive, sync_directory, sync_file, write_all
from couriermail.core.faults import reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["UserdbDocument", "edit_userdb", "hold_lock", "read_userdb_document", "write_userdb"]

NEW_FILE_MODE = 0o600

_NO_FIELD = frozenset(b"|\n")


class UserdbDocument:
    """The text of one userdb file, line by line.

    No attrs class: scripts run `userdb` once per account, and attrs would double its start.

    Attributes:
        lines: the lines without their ends; an empty last one means that the text ends well.
    """

    __slots__ = ("lines",)

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    @classmethod
    def parse(cls, text: bytes) -> UserdbDocument:
        """Split a text into lines; `to_bytes` gives it back unchanged."""
        return cls(text.split(b"\n"))

    def to_bytes(self) -> bytes:
        """The text."""
        return b"\n".join(self.lines)

    def names(self) -> list[bytes]:
        """The names of all records, in order."""
        return [line.partition(b"\t")[0] for line in self.lines if _is_record(line)]

    def fields(self, name: bytes) -> list[bytes] | None:
        """The fields of a record as they stand (`field=value` or `field`), or None."""
        place = self._place(name)
        return None if place is None else _fields_of(self.lines[place])

    def set(self, name: bytes, values: Mapping[bytes, bytes | None]) -> None:
        """Set fields of a record, which is created when there is none of that name.

        Args:
            name: the record's name.
            values: new values by field name; None is a field without `=`.

        Raises:
            UserdbInputError: a name or value that the text cannot hold, or no field at all.
        """
        _require_name(name)
        if not values:
            raise UserdbInputError("no field to set")
        for field, value in values.items():
            _require_field(field, value)
        place = self._place(name)
        if place is None:
            place = self._append()
        fields = _with_values(_fields_of(self.lines[place]), values)
        self.lines[place] = name + b"\t" + b"|".join(fields)

    def unset(self, name: bytes, fields: Sequence[bytes]) -> None:
        """Remove fields of a record; what is not there is no error."""
        place = self._place(name)
        if place is None:
            return
        kept = [field for field in _fields_of(self.lines[place]) if _name_of(field) not in fields]
        self.lines[place] = name + b"\t" + b"|".join(kept)

    def delete(self, name: bytes) -> None:
        """Remove a record; what is not there is no error."""
        place = self._place(name)
        if place is not None:
            del self.lines[place]

    def _place(self, name: bytes) -> int | None:
        start = name + b"\t"
        return next(
            (at for at, line in enumerate(self.lines) if line.startswith(start) and line[0] != 35),
            None,
        )

    def _append(self) -> int:
        """Make room for one more line, behind the last and before the end of the text."""
        if self.lines[-1]:
            self.lines.append(b"")  # the text did not end with a newline: now it does
        self.lines.insert(-1, b"")
        return len(self.lines) - 2


@contextmanager
def edit_userdb(path: str | os.PathLike[str]) -> Iterator[UserdbDocument]:
    """Lock a userdb file, give its text, and write it back when it was changed.

    Durable when the block is left.  A block that ends with an exception changes nothing.
    Fault points: `userdb.before-sync`, `userdb.before-rename`, `userdb.after-rename`.

    Args:
        path: the file; created when it does not exist.

    Raises:
        UserdbError: it is no file, or cannot be locked, read or written.
    """
    target = os.path.realpath(path)
    with hold_lock(_beside(target, ".lock."), mode=0o600):
        text = _read(target)
        document = UserdbDocument.parse(text)
        yield document
        changed = document.to_bytes()
        if changed != text:
            write_userdb(target, changed)


def read_userdb_document(path: str | os.PathLike[str]) -> UserdbDocument:
    """Read a userdb file without locking it; a file that is replaced is old or new.

    Raises:
        UserdbError: missing, no file, or unreadable.
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise UserdbError(os.strerror(2), path=name)
    return UserdbDocument.parse(_read(name))


@contextmanager
def hold_lock(path: str, *, mode: int) -> Iterator[None]:
    """Hold an exclusive lock on a lock file, which is created and stays.

    Raises:
        UserdbError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _error(error, os.path.dirname(path)) from error
    except (OSError, ValueError) as error:
        raise _error(error, path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_userdb(target: str, text: bytes) -> None:
    """Replace the text of a file whose lock is held.

    Raises:
        UserdbError: nothing was replaced.
    """
    temporary = _beside(target, ".tmp.")
    try:
        _write_temporary(temporary, text, _status(target))
        reach("userdb.before-rename")
        os.rename(temporary, target)
        reach("userdb.after-rename")
        sync_directory(os.path.dirname(target))
    except OSError as error:
        _unlink_quietly(temporary)
        raise _error(error, target) from error


def _write_temporary(temporary: str, text: bytes, old: os.stat_result | None) -> None:
    _unlink_quietly(temporary)  # what a killed command left; nobody else is here
    mode = NEW_FILE_MODE if old is None else stat.S_IMODE(old.st_mode)
    descriptor = create_exclusive(temporary, mode & 0o600)
    try:
        if old is not None and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            _keep_owner(descriptor, old)
        os.fchmod(descriptor, mode)
        write_all(descriptor, text)
        reach("userdb.before-sync")
        sync_file(descriptor)
    finally:
        os.close(descriptor)


def _keep_owner(descriptor: int, old: os.stat_result) -> None:
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        pass  # who is not root makes it their own, as every editor does


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _read(path: str) -> bytes:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a fifo would wait for ever
            raise UserdbError("not a file.", path=path)
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise _error(error, path) from error


def _error(error: OSError | ValueError, path: str) -> UserdbError:
    reason = error.strerror if isinstance(error, OSError) else None
    return UserdbError(reason or str(error), path=path)


def _beside(target: str, prefix: str) -> str:
    directory, name = os.path.split(target)
    return f"{directory}/{prefix}{name}"


def _is_record(line: bytes) -> bool:
    name, tab, _ = line.partition(b"\t")
    return bool(tab and name) and not line.startswith(b"#")


def _fields_of(line: bytes) -> list[bytes]:
    fields = line.partition(b"\t")[2]
    return fields.split(b"|") if fields else []


def _name_of(field: bytes) -> bytes:
    return field.partition(b"=")[0]


def _with_values(fields: list[bytes], values: Mapping[bytes, bytes | None]) -> list[bytes]:
    left = dict(values)
    result = []
    for field in fields:
        name = _name_of(field)
        result.append(_field(name, left.pop(name)) if name in left else field)
    return result + [_field(name, value) for name, value in left.items()]


def _field(name: bytes, value: bytes | None) -> bytes:
    return name if value is None else name + b"=" + value


def _require_name(name: bytes) -> None:
    has_control = any(byte < 32 or byte == 127 for byte in name)
    if not name or has_control or b"|" in name or name.startswith(b"#"):
        raise UserdbInputError("invalid record name")


def _require_field(name: bytes, value: bytes | None) -> None:
    whole = _field(name, value)
    if not name or b"=" in name or not _NO_FIELD.isdisjoint(whole) or b"\0" in whole:
        raise UserdbInputError("Invalid field or value.")
