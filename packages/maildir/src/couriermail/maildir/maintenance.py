"""What a program does on opening a folder: old scratch files go, new mail moves to `cur`.

Spec maildir 4.3.  Both are safe while other programs do the same: a file that is gone
already was moved or removed by one of them.
"""

from __future__ import annotations

import logging
import os
import time

from couriermail.maildir.errors import maildir_error
from couriermail.maildir.names import SEPARATOR, is_hidden, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TMP_LIFETIME", "accept_new", "purge_tmp"]

TMP_LIFETIME = 36 * 3600  # seconds; a delivery that takes longer has failed

_log = logging.getLogger("couriermail.maildir")


def purge_tmp(directory: str, *, now: float | None = None) -> int:
    """Delete files in `tmp` that nobody has touched for 36 hours, and count them.

    Args:
        directory: a maildir or folder.
        now: seconds since the epoch; the system's clock when None.

    Raises:
        MaildirError: `tmp` cannot be read.
    """
    limit = (time.time() if now is None else now) - TMP_LIFETIME
    removed = 0
    for entry in _visible(f"{directory}/tmp"):
        try:
            if entry.stat(follow_symlinks=False).st_ctime < limit:
                os.unlink(entry.path)
                removed += 1
        except OSError:
            continue  # gone, or a directory: neither is ours to remove
    return removed


def accept_new(directory: str) -> int:
    """Move the messages in `new` to `cur`, without flags, and count them.

    A message that cannot be moved stays; that is logged, because the mail is still there to
    be read.

    Raises:
        MaildirError: `new` cannot be read.
    """
    moved = 0
    for entry in [*_visible(f"{directory}/new")]:
        base, colon, info = entry.name.partition(SEPARATOR)
        has_flags = colon and info.startswith("2,")
        name = entry.name if has_flags else f"{base}{SEPARATOR}2,"
        try:
            os.rename(entry.path, f"{directory}/cur/{name}")
        except FileNotFoundError:
            continue  # another program was faster
        except OSError as error:
            _log.warning("cannot move %s to cur: %s", key_of(entry.name), error.strerror)
            break
        moved += 1
    return moved


def _visible(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from (entry for entry in entries if not is_hidden(entry.name))
    except OSError as error:
        raise maildir_error(error, "cannot list", path) from error
