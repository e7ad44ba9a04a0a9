"""Listing the queue for whoever asks: all of it for the mail system's user, else one's own.

Who may open the queue reads it directly, also while nothing runs.  Everybody else asks the
daemon over the submission socket, which knows the caller's uid from the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from couriermail.mta.errors import MtaError
from couriermail.mta.services import open_queue
from couriermail.mta.statedir import StateDir
from couriermail.queue import QueueStorageError

if TYPE_CHECKING:
    from couriermail.mta.config import Config
    from couriermail.queue import Summary

__all__ = ["list_queue"]


def list_queue(config: Config) -> Iterator[Summary]:
    """Every message that the caller may see, in order of number.

    Raises:
        MtaError: there is no queue, or it may not be read.
    """
    path = StateDir(config.state).queue
    if not os.path.exists(path):
        raise MtaError(f"no queue in {path}: has the mail system been started once?")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise MtaError(f"{path}: only the mail system's user may read the queue")
    try:
        with open_queue(config) as queue:
            yield from queue.summaries()
    except QueueStorageError as error:
        raise MtaError(str(error)) from error
