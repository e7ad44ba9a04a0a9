"""Leaving a message while no daemon runs: one complete, synced file (spec mta.md 8.5).

`couriermail.mta.dropbox` imports it when the daemon starts.
"""

from __future__ import annotations

import os
import time

from couriermail.core.durable import (
    create_exclusive,
    storage_error,
    sync_directory,
    write_all,
)
from couriermail.core.faults import reach
from couriermail.mta.submitclient import Answer, ServiceUnavailableError
from couriermail.mta.submitwire import CHUNK_END, encode_chunk, encode_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["submit_to_drop"]


def submit_to_drop(drop: str, fields: Sequence[tuple[str, str]], chunks: Iterable[bytes]) -> Answer:
    """Leave the message for a daemon that does not run now; durable when it returns.

    The daemon checks the recipients when it imports the file, and reports failures by mail.

    Raises:
        ServiceUnavailableError: there is no drop directory: no mail system is set up here.
        StorageError: the disk refused; nothing was left behind.
    """
    name = f"{int(time.time())}.{os.urandom(6).hex()}.{os.getpid()}"
    temporary, final = f"{drop}/tmp/{name}", f"{drop}/new/{name}"
    try:
        descriptor = create_exclusive(temporary, 0o640)
    except FileNotFoundError as error:
        raise ServiceUnavailableError(f"no mail system is running and {drop} is missing") from error
    except OSError as error:
        raise storage_error(error, "cannot create", temporary) from error
    try:
        try:
            write_all(descriptor, encode_head(fields))
            for chunk in chunks:
                write_all(descriptor, encode_chunk(chunk))
            write_all(descriptor, CHUNK_END)
            reach("drop.before-sync")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        reach("drop.before-rename")
        os.rename(temporary, final)
        reach("drop.after-rename")
        sync_directory(f"{drop}/new")
    except OSError as error:
        for path in (temporary, final):
            try:
                os.unlink(path)
            except OSError:
                pass
        raise storage_error(error, "cannot write", temporary) from error
    return Answer([], "250 Ok. Kept until the mail system starts.")
