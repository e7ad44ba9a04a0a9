"""The userdb as text: a file, or a directory of files, read into an index.

    file    = *( blank | "#" text | record )          ; records: see `couriermail.auth.records`

The index is one dict from name to the undecoded fields.  `refresh` compares the identity of
every file (device, inode, size, modification time) and reads all of them again when one
changed; files that change while they are read are read once more.

Standard: spec auth 3.1.
"""

from __future__ import annotations

import os

import attrs

from couriermail.auth.errors import DuplicateNameError, UserdbError
from couriermail.auth.records import UserdbRecord, is_reverse_entry
from couriermail.auth.userdb_files import UserdbFile, read_file, userdb_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UserdbText"]

_READ_ATTEMPTS = 5  # an editor that saves this often in a row is still at work


@attrs.define(eq=False)
class UserdbText:
    """A userdb in text form.  Nothing is read before the first `refresh` or `find`.

    Attributes:
        path: the file or directory.
    """

    path: str = attrs.field(converter=os.fspath)
    _files: tuple[UserdbFile, ...] | None = attrs.field(default=None, init=False)
    _index: dict[bytes, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def refresh(self) -> bool:
        """Read the text again if a file changed, came or went.

        Raises:
            UserdbError: permissions, leftovers, a duplicate name, or the file system.
        """
        for _ in range(_READ_ATTEMPTS):
            files = userdb_files(self.path)
            if files == self._files:
                return False
            index = _read_index(files)
            if userdb_files(self.path) == files:
                self._files, self._index = files, index
                return True
        raise UserdbError("keeps changing while it is read", path=self.path)

    def find(self, name: bytes) -> UserdbRecord | None:
        """The record of exactly that name.

        Raises:
            UserdbError: the text was never read and cannot be read now.
        """
        self._require_read()
        fields = self._index.get(name)
        return None if fields is None else UserdbRecord(fields)

    def records(self) -> Iterator[tuple[bytes, UserdbRecord]]:
        """Every record but the reverse entries, sorted by name.

        Raises:
            UserdbError: as for `find`.
        """
        self._require_read()
        for name, fields in sorted(self._index.items()):
            if not is_reverse_entry(name):
                yield name, UserdbRecord(fields)

    def _require_read(self) -> None:
        if self._files is None:
            self.refresh()


def _read_index(files: tuple[UserdbFile, ...]) -> dict[bytes, bytes]:
    index: dict[bytes, bytes] = {}
    for file in files:
        _add_records(index, read_file(file.path), file.path)
    return index


def _add_records(index: dict[bytes, bytes], data: bytes, path: str) -> None:
    for number, line in enumerate(data.split(b"\n"), 1):
        name, tab, fields = line.partition(b"\t")
        if not tab or not name or line.startswith(b"#"):
            continue
        if name in index:
            raise DuplicateNameError(name, path=path, line=number)
        index[name] = fields
