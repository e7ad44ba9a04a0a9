"""The queue for whoever asks: all of it for the mail system's user, else one's own mail.

Who may open the queue uses it directly, also while nothing runs.  Everybody else asks the
daemon over the submission socket, which knows the caller's uid from the kernel
(`couriermail.mta.queuecontrol`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from couriermail.mta.errors import MtaError
from couriermail.mta.queueaccess import open_queue
from couriermail.mta.queuecontrol import cancel, decode_summary
from couriermail.mta.statedir import StateDir
from couriermail.mta.submitclient import ask
from couriermail.queue import MessageNotFoundError, QueueStorageError

if TYPE_CHECKING:
    from couriermail.mta.config import Config
    from couriermail.queue import Summary

__all__ = ["cancel_message", "list_queue"]


def list_queue(config: Config) -> Iterator[Summary]:
    """Every message that the caller may see, in order of number.

    Raises:
        MtaError: there is no queue, or its answer makes no sense.
        ServiceUnavailableError: the caller must ask the daemon, which does not run.
    """
    state = StateDir(config.state)
    if not _may_open(state):
        yield from _asked(state)
        return
    try:
        with open_queue(config) as queue:
            yield from queue.summaries()
    except QueueStorageError as error:
        raise MtaError(str(error)) from error


def cancel_message(config: Config, queue_id: str, reasons: Iterable[str] = ()) -> bool:
    """Cancel a message; False when the caller has no such message or did it before.

    Raises:
        MtaError: there is no queue, or it refuses.
        ServiceUnavailableError: the caller must ask the daemon, which does not run.
    """
    state = StateDir(config.state)
    if _may_open(state):
        with open_queue(config) as queue:
            try:
                cancel(queue, queue_id, reasons)
            except MessageNotFoundError:
                return False
        return True
    fields = [("request", "cancel"), ("id", queue_id), *(("reason", line) for line in reasons)]
    _, reply = ask(state.path, fields)
    if not reply.startswith(("2", "550")):
        raise MtaError(reply)
    return reply.startswith("2")


def _may_open(state: StateDir) -> bool:
    if not os.path.exists(state.queue):
        raise MtaError(f"no queue in {state.queue}: has the mail system been started once?")
    return os.access(state.queue, os.R_OK | os.W_OK | os.X_OK)


def _asked(state: StateDir) -> Iterator[Summary]:
    items, reply = ask(state.path, [("request", "list")])
    if not reply.startswith("2"):
        raise MtaError(reply)
    try:
        yield from map(decode_summary, items)
    except ValueError as error:
        raise MtaError(f"the mail system's answer: {error}") from error
