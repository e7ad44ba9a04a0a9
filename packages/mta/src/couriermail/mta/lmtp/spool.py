"""A message between its client and its delivery agents: in memory, or in an unlinked file."""

from __future__ import annotations

import os
import tempfile

import attrs

from couriermail.core.durable import storage_error, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

__all__ = ["MEMORY_BYTES", "Spool"]

MEMORY_BYTES = 256 * 1024  # most mail is smaller; a hundred clients at once then hold 25 MB


@attrs.define(eq=False)
class Spool:
    """One message as it arrives.

    Nothing here is synced: the client keeps the message until its delivery was answered.

    Attributes:
        memory: octets that are held in memory; a larger message goes into a file without a
            name in the system's directory for temporary files.
        size: octets so far.
    """

    memory: int = MEMORY_BYTES
    size: int = attrs.field(default=0, init=False)
    _chunks: list[bytes] = attrs.field(factory=list, init=False)
    _file: IO[bytes] | None = attrs.field(default=None, init=False)

    def write(self, data: bytes) -> None:
        """Take some octets.

        Raises:
            StorageError: the file cannot be written.
        """
        self.size += len(data)
        if self._file is None:
            self._chunks.append(data)
            if self.size > self.memory:
                self._move_to_file()
        else:
            self._append(data)

    def body(self) -> bytes | int:
        """All of it: octets, or a new descriptor for reading that the caller must close.

        Raises:
            StorageError: the file cannot be opened again.
        """
        if self._file is None:
            if len(self._chunks) > 1:
                self._chunks = [b"".join(self._chunks)]
            return self._chunks[0] if self._chunks else b""
        path = f"/proc/self/fd/{self._file.fileno()}"
        try:  # a new open file: its offset is its own, and whoever gets it cannot write
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise storage_error(error, "cannot open", path) from error

    def close(self) -> None:
        """Forget it; descriptors given away live on."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _move_to_file(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - close() does
        except OSError as error:
            raise storage_error(error, "cannot make a file in", tempfile.gettempdir()) from error
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            self._append(chunk)

    def _append(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker: callers made it
        try:
            write_all(self._file.fileno(), data)
        except OSError as error:
            raise storage_error(error, "cannot write to", tempfile.gettempdir()) from error
