"""`reformime -m`: a multipart/digest of message files (spec rfc822 2.2.10)."""

from __future__ import annotations

import os

from couriermail.cli.message_io import fail_line, map_input, read_pieces, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from mmap import mmap

__all__ = ["make_digest"]


def make_digest(names: Sequence[str]) -> int:
    """Writes the digest of the files, or of those named on standard input, one per line.

    Raises:
        CommandError: a file cannot be read; nothing was written then.
    """
    if not names:
        lines = b"".join(read_pieces()).split(b"\n")
        names = [os.fsdecode(line) for line in lines if line]
    if not names:
        return 0
    from couriermail.rfc822.sections import digest_pieces

    stable = "SOURCE_DATE_EPOCH" in os.environ
    for piece in digest_pieces([_open(name) for name in names], stable=stable):
        write_out(piece)
    return 0


def _open(name: str) -> bytes | mmap:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise fail_line(name, error) from error
    try:
        return map_input(descriptor)
    finally:
        os.close(descriptor)
