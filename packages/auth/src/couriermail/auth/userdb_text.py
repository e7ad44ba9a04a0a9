"""The userdb as text: a file, or a directory of files, read into an index.

    file    = *( blank | "#" text | record )          ; records: see `couriermail.auth.records`

A directory is walked recursively.  Names that begin with `.` or end with `~` are skipped, and
what a package manager left there (`*.rpmsave`, `*.rpmnew`, `*.dpkg-*`, a newer `*.dist`)
makes the userdb unusable until somebody has looked at it, as the makeuserdb manual has it.
Neither file nor directory may have permission bits for group or world: they hold passwords.

The index is one dict from name to the undecoded fields.  `refresh` compares the identity of
every file (device, inode, size, modification time) and reads all of them again when one
changed; files that change while they are read are read once more.

Standard: spec auth 3.1; spec maildir 4.16 (directory checks).
"""

from __future__ import annotations

import os
import stat

import attrs

from couriermail.auth.errors import UserdbError
from couriermail.auth.records import UserdbRecord
from couriermail.table.errors import TableSourceError
from couriermail.table.source import source_files

__all__ = ["UserdbText"]

_GROUP_AND_WORLD = 0o077
_READ_ATTEMPTS = 5  # an editor that saves this often in a row is still at work


@attrs.frozen
class _FileIdentity:
    path: str
    device: int
    inode: int
    size: int
    modified_ns: int


@attrs.define(eq=False)
class UserdbText:
    """A userdb in text form.  Nothing is read before the first `refresh` or `find`.

    Attributes:
        path: the file or directory.
    """

    path: str = attrs.field(converter=os.fspath)
    _files: tuple[_FileIdentity, ...] | None = attrs.field(default=None, init=False)
    _index: dict[bytes, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def refresh(self) -> bool:
        """Read the text again if a file changed, came or went.

        Raises:
            UserdbError: permissions, leftovers, a duplicate name, or the file system.
        """
        for _ in range(_READ_ATTEMPTS):
            files = _identify(self.path)
            if files == self._files:
                return False
            index = _read_index(files)
            if _identify(self.path) == files:
                self._files, self._index = files, index
                return True
        raise UserdbError("keeps changing while it is read", path=self.path)

    def find(self, name: bytes) -> UserdbRecord | None:
        """The record of exactly that name.

        Raises:
            UserdbError: the text was never read and cannot be read now.
        """
        if self._files is None:
            self.refresh()
        fields = self._index.get(name)
        return None if fields is None else UserdbRecord(fields)


def _identify(path: str) -> tuple[_FileIdentity, ...]:
    try:
        return tuple(_walk(path))
    except TableSourceError as error:
        raise UserdbError(str(error), path=path) from error
    except FileNotFoundError as error:
        raise UserdbError("not found", path=path) from error
    except (OSError, ValueError) as error:
        raise UserdbError(str(error), path=path) from error


def _walk(path: str) -> list[_FileIdentity]:
    status = os.stat(path)
    if status.st_mode & _GROUP_AND_WORLD:
        raise UserdbError("MAY NOT HAVE GROUP OR WORLD PERMISSIONS!!", path=path)
    if not stat.S_ISDIR(status.st_mode):
        return [
            _FileIdentity(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        ]
    found: list[_FileIdentity] = []
    for name in source_files(path):
        if not os.path.basename(name).startswith("."):
            found += _walk(name)
    for name in sorted(os.listdir(path)):
        below = f"{path}/{name}"
        if not name.startswith(".") and not name.endswith("~") and _is_real_directory(below):
            found += _walk(below)
    return found


def _is_real_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # links could lead in circles


def _read_index(files: tuple[_FileIdentity, ...]) -> dict[bytes, bytes]:
    index: dict[bytes, bytes] = {}
    for file in files:
        try:
            with open(file.path, "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise UserdbError(error.strerror or str(error), path=file.path) from error
        _add_records(index, data, file.path)
    return index


def _add_records(index: dict[bytes, bytes], data: bytes, path: str) -> None:
    for number, line in enumerate(data.split(b"\n"), 1):
        name, tab, fields = line.partition(b"\t")
        if not tab or not name or line.startswith(b"#"):
            continue
        if name in index:
            shown = name.decode("utf-8", "backslashreplace")
            # The same wording as when the userdb is compiled (spec auth 2.6).
            text = f"Cannot store record for {shown} - duplicate or out of disk space."
            raise UserdbError(text, path=path, line=number)
        index[name] = fields
