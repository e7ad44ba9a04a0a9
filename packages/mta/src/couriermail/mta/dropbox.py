"""Importing the messages that were left while no daemon ran (spec mta.md 8.5).

A drop file is a request like those of the submission socket; its owner is the submitter.

Each file becomes one message exactly once.  The queue sets a mark with the file's name in the
transaction that stores the message; a file whose mark is set is only removed, also when the
message was delivered long before.  The mark is cleared when the removal is durable.
"""

from __future__ import annotations

import logging
import os
import stat
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

import attrs

from couriermail.core import Reply, reach
from couriermail.core.durable import sync_directory
from couriermail.mta.submission import Submitter
from couriermail.mta.submitserver import Request, drop_mark, peer_of

__all__ = ["DropBox"]

log = logging.getLogger("couriermail.mta.drop")

CHUNK = 1 << 18
STALE_SECONDS = 36 * 3600.0  # a half-written file whose writer must be gone


@attrs.define(eq=False)
class DropBox:
    """The directories `tmp`, `new` and `bad` of one drop directory.

    Attributes:
        path: the drop directory.
        submitter: where the messages go.
    """

    path: str
    submitter: Submitter
    _in_progress: set[str] = attrs.field(factory=set, init=False)
    _removed: deque[str] = attrs.field(factory=deque, init=False)  # their marks are still set

    def recover(self, now: float) -> None:
        """Put right what a crash left; call it once, before the first import.

        Raises:
            QueueStorageError: the queue's marks cannot be read.
        """
        waiting = {drop_mark(name) for name in self._listed()}
        marks = [mark for mark in self.submitter.queue.marks() if mark.startswith(drop_mark(""))]
        self._forget([mark for mark in marks if mark not in waiting])
        self._remove_stale(now)

    def names(self) -> list[str]:
        """Complete files that wait, oldest first."""
        return sorted(name for name in self._listed() if name not in self._in_progress)

    def import_all(self) -> int:
        """Start importing every waiting file; how many.

        Raises:
            QueueStorageError: the queue's marks cannot be read.
        """
        removed = [drop_mark(self._removed.popleft()) for _ in range(len(self._removed))]
        self._forget(removed)
        count = 0
        for name in self.names():
            if self.submitter.queue.has_mark(drop_mark(name)):
                self._remove(name)
            else:
                count += self._import(name)
        return count

    def _listed(self) -> list[str]:
        try:
            found = os.listdir(f"{self.path}/new")
        except OSError as error:
            log.error("cannot read %s/new: %s", self.path, error.strerror)
            return []
        return [name for name in found if not name.startswith(".")]

    def _forget(self, marks: list[str]) -> None:
        """Clear the marks of files that are gone.

        The removals are made durable first: a file that comes back after a power failure must
        still find its mark.
        """
        if not marks:
            return
        try:
            sync_directory(f"{self.path}/new")
        except OSError as error:
            log.error("cannot sync %s/new: %s", self.path, error.strerror)
            return  # they stay, which costs a few bytes, until the next start
        self.submitter.queue.clear_mark(*marks)

    def _remove_stale(self, now: float) -> None:
        """Remove files in `tmp` whose writer died long ago."""
        try:
            with os.scandir(f"{self.path}/tmp") as entries:
                for entry in entries:
                    if now - entry.stat(follow_symlinks=False).st_mtime > STALE_SECONDS:
                        os.unlink(entry.path)
        except OSError as error:
            log.warning("cannot clean %s/tmp: %s", self.path, error.strerror)

    def _import(self, name: str) -> bool:
        """Start importing one file; False when there was nothing to import."""
        try:
            request = self._read(name)
        except FileNotFoundError:
            return False  # somebody took it away
        except OSError as error:
            log.error("cannot read drop file %s: %s", name, error.strerror)
            return False
        if request is None:
            log.error("drop file %s is no regular file that we may read", name)
            self._set_aside(name)
            return False
        self._in_progress.add(name)
        request.finish().add_done_callback(lambda future: self._imported(name, future))
        return True

    def _read(self, name: str) -> Request | None:
        """The file as a request; None when it is nothing that may be read.

        Raises:
            OSError: it vanished, or the disk failed.
        """
        try:
            # O_NONBLOCK: whoever leaves a FIFO here must not stop the daemon.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(f"{self.path}/new/{name}", flags)
        except FileNotFoundError:
            raise
        except OSError:
            return None  # a link, a socket, a file that keeps us out
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            request = Request(self.submitter, peer_of(status.st_uid), drop_name=name)
            try:
                for chunk in _chunks(descriptor):
                    request.feed(chunk)
            except OSError:
                request.discard()
                raise
            return request
        finally:
            os.close(descriptor)

    def _imported(self, name: str, future: Future[Reply]) -> None:
        error = future.exception()
        reply = Reply(451, "failed") if error is not None else future.result()
        if error is not None:
            log.error("cannot import drop file %s", name, exc_info=error)
        reach("drop.imported")
        if reply.is_success:
            self._remove(name)
        elif reply.is_permanent_failure or reply.code == 451:
            log.error("drop file %s refused: %s", name, reply)
            self._set_aside(name)
        self._in_progress.discard(name)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(f"{self.path}/new/{name}")
        except FileNotFoundError:
            pass
        except OSError as error:
            log.error("cannot remove drop file %s: %s", name, error.strerror)
            return
        self._removed.append(name)

    def _set_aside(self, name: str) -> None:
        """Keep a file that cannot be imported where the administrator finds it."""
        try:
            os.rename(f"{self.path}/new/{name}", f"{self.path}/bad/{name}")
        except OSError as error:
            log.error("cannot set drop file %s aside: %s", name, error.strerror)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, CHUNK):
        yield chunk
