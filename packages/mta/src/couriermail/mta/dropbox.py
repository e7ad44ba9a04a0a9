"""Importing the messages that were left while no daemon ran (spec mta.md 8.5).

A drop file is a request like those of the submission socket; its owner is the submitter.  The
file's name travels with the message (`options["drop"]`), and what is in the queue already is not
imported again after a crash between the commit and the unlink.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from concurrent.futures import Future

import attrs

from couriermail.core import Reply, reach
from couriermail.mta.submission import Submitter
from couriermail.mta.submitserver import Request, peer_of

__all__ = ["DropBox"]

log = logging.getLogger("couriermail.mta.drop")

CHUNK = 1 << 18
STALE_SECONDS = 36 * 3600.0  # a half-written file whose writer must be gone


@attrs.define(eq=False)
class DropBox:
    """The directories `tmp`, `new` and `bad` of one drop directory."""

    path: str
    submitter: Submitter
    _in_progress: set[str] = attrs.field(factory=set, init=False)

    def names(self) -> list[str]:
        """Complete files that wait, oldest first."""
        try:
            found = os.listdir(f"{self.path}/new")
        except OSError as error:
            log.error("cannot read %s/new: %s", self.path, error.strerror)
            return []
        return sorted(
            name for name in found if not name.startswith(".") and name not in self._in_progress
        )

    def import_all(self, known: Collection[str]) -> int:
        """Start importing every waiting file; how many.

        Args:
            known: names whose message is in the queue already: their files are only removed.
        """
        count = 0
        for name in self.names():
            if name in known:
                self._remove(name)
            else:
                self._import(name)
                count += 1
        return count

    def remove_stale(self, now: float) -> None:
        """Remove files in `tmp` whose writer died long ago."""
        with os.scandir(f"{self.path}/tmp") as entries:
            for entry in entries:
                if now - entry.stat(follow_symlinks=False).st_mtime > STALE_SECONDS:
                    os.unlink(entry.path)

    def _import(self, name: str) -> None:
        path = f"{self.path}/new/{name}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            log.error("cannot open drop file %s: %s", name, error.strerror)
            self._set_aside(name)
            return
        try:
            status = os.fstat(descriptor)
            request = Request(self.submitter, peer_of(status.st_uid), drop_name=name)
            for chunk in _chunks(descriptor):
                request.feed(chunk)
        finally:
            os.close(descriptor)
        self._in_progress.add(name)
        request.finish().add_done_callback(lambda future: self._imported(name, future))

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
        except OSError as error:
            log.error("cannot remove drop file %s: %s", name, error.strerror)

    def _set_aside(self, name: str) -> None:
        """Keep a file that cannot be imported where the administrator finds it."""
        try:
            os.rename(f"{self.path}/new/{name}", f"{self.path}/bad/{name}")
        except OSError as error:
            log.error("cannot set drop file %s aside: %s", name, error.strerror)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, CHUNK):
        yield chunk
