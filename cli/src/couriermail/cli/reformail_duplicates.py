"""`reformail -D`: whether a message was seen before (spec rfc822 2.4.7)."""

from __future__ import annotations

import os

from couriermail.cli.message_io import CommandError

__all__ = ["check_duplicate"]

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_MOST_BYTES = 64 << 20  # a larger file is no list of ids


def check_duplicate(header: bytes, limit: int, path: str) -> int:
    """Notes the Message-ID of a message.

    Args:
        header: its header, edited.
        limit: octets the list may have.
        path: the list; made when it is missing.

    Returns:
        The exit code: 0 for a duplicate, 1 for a new message or one without identifier.

    Raises:
        CommandError: the list cannot be used; exit code 75.
    """
    message_id = _message_id(header)
    if not message_id:
        return 1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, path)
            return 0 if _note(descriptor, message_id, limit) else 1
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", os.EX_TEMPFAIL) from error


def _message_id(header: bytes) -> bytes:
    from couriermail.rfc822.header_edits import field_key, raw_fields

    for raw in raw_fields(header):
        if field_key(raw) == b"message-id:":
            return raw.partition(b":")[2].strip().replace(b"\0", b"")
    return b""


def _lock(descriptor: int, path: str) -> None:
    import fcntl
    import time

    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= deadline:
                raise CommandError(f"{path}: locked by another program", os.EX_TEMPFAIL) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _note(descriptor: int, message_id: bytes, limit: int) -> bool:
    """Reads and rewrites the list in place: others wait for the lock on this very file."""
    from couriermail.rfc822.seen_ids import SeenIds

    seen = SeenIds(os.pread(descriptor, min(os.fstat(descriptor).st_size, _MOST_BYTES), 0))
    is_known = seen.see(message_id, limit)
    data = bytes(seen)
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], written)
    os.ftruncate(descriptor, len(data))
    return is_known
