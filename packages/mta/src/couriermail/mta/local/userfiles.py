"""Opening files that a user controls: never waiting for one, never reading without a bound."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_FILE_BYTES", "open_user_file", "read_user_file"]

MAX_FILE_BYTES = 1024 * 1024  # of an instruction file or recipe; thousands of times what is usual


@contextlib.contextmanager
def open_user_file(path: str) -> Iterator[int]:
    """A descriptor for reading; a FIFO without a writer opens at once too.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_user_file(descriptor: int) -> bytes | None:
    """All of a regular file, or None when it is larger than `MAX_FILE_BYTES`.

    Raises:
        OSError: it cannot be read.
    """
    data = bytearray()
    while len(data) <= MAX_FILE_BYTES:
        piece = os.read(descriptor, MAX_FILE_BYTES + 1 - len(data))
        if not piece:
            return bytes(data)
        data += piece
    return None
