"""The FIFO by which producers wake the scheduler (spec mta 8.5).

A lost octet delays a message until the scheduler looks by itself, it never strands one; so
a missing reader or a full pipe is no error.
"""

from __future__ import annotations

import os

from couriermail.queue.errors import disk_error

__all__ = ["Trigger"]

NAME = "trigger"
FIFO_MODE = 0o660
BUFFER = 65536


class Trigger:
    """Both ends of the FIFO `<queue>/trigger`.

    Args:
        directory: the queue's directory.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, NAME)
        self._reader = -1
        self._rest = b""

    def notify(self, command: str = "") -> bool:
        """Write one line, empty for "new mail"; False when nobody listens or the pipe is full."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # ENXIO: no reader; ENOENT: no scheduler ever ran
            return False
        try:
            os.write(descriptor, f"{command}\n".encode())
        except OSError:  # EAGAIN: it has plenty to read already; EPIPE: it just went
            return False
        finally:
            os.close(descriptor)
        return True

    def open_reader(self) -> int:
        """The reading descriptor, for an event loop or `select`; made on first use.

        Raises:
            QueueStorageError: the FIFO cannot be made or opened.
        """
        if self._reader < 0:
            try:
                self._make()
                # Read-write, so that the end of the last writer is no end of file.
                flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
                self._reader = os.open(self._path, flags)
            except OSError as error:
                raise disk_error(error, "cannot open", self._path) from error
        return self._reader

    def drain(self) -> tuple[str, ...]:
        """The complete lines that arrived, oldest first; never blocks."""
        try:
            data = os.read(self.open_reader(), BUFFER)
        except BlockingIOError:
            return ()
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:BUFFER]
        return tuple(line.decode("utf-8", "replace") for line in lines)

    def close(self) -> None:
        """Close the reading end."""
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1

    def _make(self) -> None:
        try:
            os.mkfifo(self._path, FIFO_MODE)
        except FileExistsError:
            return
        os.chmod(self._path, FIFO_MODE)  # whatever the umask took
