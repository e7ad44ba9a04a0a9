"""Message bodies: small ones in memory and then in the database, large ones in files.

A `BodyWriter` gathers up to `inline_max` octets in memory; what goes beyond is written to
`bodies/tmp/` while it arrives.  Before the message is committed the file is synced, renamed
to `bodies/NN/<number>` and its directory synced (spec mta 8.3).  The writer keeps an
exclusive `flock` on its file until the commit, so that recovery can tell a file whose owner
died from one that is about to be committed, in whichever process.

Fault points: `queue.body-write`, `queue.body-written`, `queue.body-before-rename`,
`queue.body-after-rename`.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING
from zlib import crc32

from couriermail.core.durable import create_exclusive, sync_directory, sync_file, write_all
from couriermail.core.faults import reach
from couriermail.queue.errors import QueueError, disk_error
from couriermail.queue.records import FILE, BodyRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.queue.settings import QueueSettings

__all__ = ["BodyStore", "BodyWriter"]

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
FAN_OUT = 100


class BodyStore:
    """The directory of body files.

    Args:
        path: the queue's directory.
        settings: `inline_max`, `sync_directories`.
    """

    def __init__(self, path: str, settings: QueueSettings) -> None:
        self.root = os.path.join(path, "bodies")
        self.temporary = os.path.join(self.root, "tmp")
        self.inline_max = settings.inline_max
        self.sync_directories = settings.sync_directories

    def path_of(self, number: int) -> str:
        """Where body file `number` lies."""
        return os.path.join(self.root, f"{number % FAN_OUT:02d}", f"{number:016X}")

    def make_directory(self, path: str) -> None:
        """Make a directory below `bodies` whose name survives power loss."""
        if os.path.isdir(path):
            return
        os.makedirs(path, DIRECTORY_MODE, exist_ok=True)
        if self.sync_directories:
            sync_directory(self.root)
            sync_directory(os.path.dirname(self.root))

    def remove(self, number: int) -> None:
        """Remove a body file; it may be gone already."""
        _unlink_quietly(self.path_of(number))

    @staticmethod
    def remove_path(path: str) -> None:
        """Remove an orphan; it may be gone already."""
        _unlink_quietly(path)

    def files(self) -> Iterator[tuple[int, str]]:
        """Every body file with its number."""
        for directory in _names(self.root):
            for name in _names(os.path.join(self.root, directory)) if directory != "tmp" else ():
                if len(name) == 16 and all(digit in "0123456789ABCDEF" for digit in name):
                    yield int(name, 16), os.path.join(self.root, directory, name)

    def temporary_files(self) -> Iterator[str]:
        """Every file that was still being written."""
        for name in _names(self.temporary):
            yield os.path.join(self.temporary, name)


class BodyWriter:
    """Takes a body in pieces; memory stays below `inline_max` whatever the size.

    Not thread-safe.  A writer belongs to its caller until the submission succeeded: after a
    failure it may be submitted again or discarded.  `discard` after success does nothing.

    Attributes:
        size: octets written so far.
    """

    __slots__ = (
        "_chunks", "_descriptor", "_is_sealed", "_is_spent", "_path", "_store", "crc", "number",
        "size",
    )  # fmt: skip

    def __init__(self, store: BodyStore) -> None:
        self._store = store
        self._chunks: list[bytes] = []
        self._descriptor = -1
        self._path = ""
        self._is_sealed = False
        self._is_spent = False
        self.size = 0
        self.crc = 0
        self.number = 0

    @property
    def is_file(self) -> bool:
        """True once the body was too large for memory."""
        return self._descriptor >= 0

    def write(self, data: bytes) -> None:
        """Add octets.

        Raises:
            QueueStorageError: the disk refused; discard the writer.
            QueueError: the body was submitted already.
        """
        if self._is_sealed or self._is_spent:
            raise QueueError("this body was submitted or discarded already")
        self.size += len(data)
        if self._descriptor >= 0:
            self._append(data)
            return
        self._chunks.append(data)
        if self.size > self._store.inline_max:
            self._spill()

    def inline_bytes(self) -> bytes:
        """The whole body, if it is still in memory."""
        if self._is_spent:
            raise QueueError("this body was submitted or discarded already")
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]

    def open(self) -> int:
        """A descriptor that reads a file body from its beginning; the caller closes it.

        Raises:
            OSError: there is none to be had.
            QueueError: the body is in memory, or was submitted or discarded already.
        """
        if self._is_spent or self._descriptor < 0:
            raise QueueError("this body is in no file")
        return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def assign(self, number: int) -> BodyRef:
        """Give a file body its number, unless it has one; how a record refers to it."""
        if self._is_spent:
            raise QueueError("this body was submitted or discarded already")
        self.number = self.number or number
        return BodyRef(FILE, self.number, self.size, self.crc)

    def seal(self) -> None:
        """Make a file body durable under its final name; later calls do nothing.

        Raises:
            QueueStorageError: the disk refused.
        """
        if self._is_sealed:
            return
        try:
            self._make_durable()
        except OSError as error:
            raise disk_error(error, "cannot store", self._path) from error
        self._is_sealed = True

    def stored(self) -> None:
        """The database refers to the body now: let go of it."""
        self._is_spent = True
        self._chunks = []
        self._close()

    def discard(self) -> None:
        """Forget the body, unless it was stored."""
        if self._is_spent:
            return
        self._is_spent = True
        self._chunks = []
        if self._descriptor >= 0:
            _unlink_quietly(self._path)
            self._close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self.discard()

    def _spill(self) -> None:
        try:
            self._store.make_directory(self._store.temporary)
            name = f"{os.getpid()}.{os.urandom(8).hex()}"
            self._path = os.path.join(self._store.temporary, name)
            self._descriptor = create_exclusive(self._path, FILE_MODE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # recovery tries it for a moment
        except OSError as error:
            raise disk_error(error, "cannot create", self._path) from error
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            self._append(chunk)

    def _append(self, data: bytes) -> None:
        try:
            write_all(self._descriptor, data)
            reach("queue.body-write")
        except OSError as error:
            raise disk_error(error, "cannot write", self._path) from error
        self.crc = crc32(data, self.crc)

    def _make_durable(self) -> None:
        sync_file(self._descriptor)
        reach("queue.body-written")
        final = self._store.path_of(self.number)
        directory = os.path.dirname(final)
        self._store.make_directory(directory)
        reach("queue.body-before-rename")
        os.rename(self._path, final)
        self._path = final
        reach("queue.body-after-rename")
        if self._store.sync_directories:
            sync_directory(directory)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # gone already, or left to recovery


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
