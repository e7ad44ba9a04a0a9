"""A new message as files that global filters read, and may change (spec filter 3.8, 4.19).

Filters get a copy: the queue's own body is never in their hands.  What they changed is seen
afterwards and becomes part of the queued message.  `control_file` and `with_changes` are the two
directions between queue records and control files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from couriermail.core.durable import create_exclusive, write_all
from couriermail.filter.courierfilter import ControlFile, ControlRecord, FilterRequest
from couriermail.queue import Outcome, Recipient
from couriermail.queue import Submission as NewMessage

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import ControlRecipient

__all__ = ["MessageCopy", "control_file", "with_changes"]

IN_MEMORY = 1 << 18  # octets of a message that are kept until it is complete
CHUNK = 1 << 18
FILE_MODE = 0o660  # filters run as the mail system's user or in its group
UNTOUCHED = 1_000_000_000  # nanoseconds of the epoch: a time that no write of today leaves


@attrs.define(eq=False)
class MessageCopy:
    """The copy of one message; at most `IN_MEMORY` octets in memory, the rest in its file.

    `write` never raises: a disk that is full must not break the reading of a message.  What went
    wrong is raised by `publish`.

    Attributes:
        stem: path and beginning of the names of its files.
    """

    stem: str
    _chunks: list[bytes] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)
    _descriptor: int = attrs.field(default=-1, init=False)
    _error: OSError | None = attrs.field(default=None, init=False)
    _paths: list[str] = attrs.field(factory=list, init=False)

    def write(self, chunk: bytes) -> None:
        """Take the next octets of the message."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > IN_MEMORY:
            self._flush()

    def publish(self, controls: Sequence[ControlFile]) -> FilterRequest:
        """Write what is left of the body, and its control files; what filters are asked.

        Raises:
            OSError: a file cannot be written.
        """
        self._flush()
        if self._error is not None:
            raise self._error
        os.close(self._descriptor)
        self._descriptor = -1
        body = self._paths[0]
        # File times are too coarse to show a change that follows at once: ours is far away.
        os.utime(body, ns=(UNTOUCHED, UNTOUCHED))
        for number, control in enumerate(controls):
            descriptor = self._create(f"{self.stem}.C{number}")
            try:
                write_all(descriptor, control.to_bytes())
            finally:
                os.close(descriptor)
        return FilterRequest(body, tuple(self._paths[1:]))

    @property
    def is_changed(self) -> bool:
        """True when a filter wrote to the body since `publish`.

        Raises:
            OSError: it is gone.
        """
        return os.stat(self._paths[0]).st_mtime_ns != UNTOUCHED

    def body(self) -> Iterator[bytes]:
        """The body as it is now, in pieces.

        Raises:
            OSError: it cannot be read.
        """
        with open(self._paths[0], "rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def controls(self) -> list[ControlFile]:
        """The control files as they are now.

        Raises:
            OSError: one cannot be read.
        """
        found = []
        for path in self._paths[1:]:
            with open(path, "rb") as file:
                found.append(ControlFile.parse(file.read()))
        return found

    def discard(self) -> None:
        """Remove the files and forget the rest."""
        self._chunks = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        paths, self._paths = self._paths, []
        for path in paths:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def _flush(self) -> None:
        """Move what is in memory to the file."""
        chunks, self._chunks = self._chunks, []
        if self._error is not None:
            return
        try:
            if self._descriptor < 0:
                self._descriptor = self._create(f"{self.stem}.D")
            write_all(self._descriptor, b"".join(chunks))
        except OSError as error:
            self._error = error

    def _create(self, path: str) -> int:
        descriptor = create_exclusive(path, FILE_MODE)
        self._paths.append(path)
        return descriptor


def control_file(message: NewMessage, options: Sequence[str] = ()) -> ControlFile:
    """A message that is about to be queued, as filters see it.

    Args:
        message: the message.
        options: saved environment, `NAME=value` (records of type `O`).
    """
    envelope = message.envelope
    records = [
        ControlRecord("s", envelope.sender),
        ControlRecord("f", envelope.source),
        ControlRecord("e", envelope.envid or ""),
        ControlRecord("t", envelope.ret),
        ControlRecord("M", message.id),
    ]
    for recipient in envelope.recipients:
        records.append(ControlRecord("r", recipient.address))
        records.append(ControlRecord("R", recipient.original or ""))
        records.append(ControlRecord("N", recipient.notify))
    records.extend(ControlRecord("O", option) for option in options)
    records.extend(
        ControlRecord(kind, text)
        for kind, text, is_there in (
            ("u", envelope.label, True),
            ("E", f"{envelope.expires:.0f}", True),
            ("W", f"{envelope.warn or 0:.0f}", envelope.warn is not None),
            ("w", "", envelope.warn is None),
            ("i", envelope.auth or "", envelope.auth),
            ("U", envelope.security, envelope.security),
            ("V", "", envelope.verp),
            ("v", envelope.vhost or "", envelope.vhost),
            ("L", f"{envelope.delay:.0f}", envelope.delay),
            ("8", "", envelope.eight_bit),
            ("m", "", envelope.smtputf8),
        )
        if is_there
    )
    done = f"{envelope.expires:.0f}"
    records.extend(ControlRecord("S", f"{outcome.index} {done}") for outcome in message.outcomes)
    return ControlFile(tuple(records))


def with_changes(message: NewMessage, control: ControlFile) -> NewMessage:
    """The message with what filters appended to its control file.

    Recipients behind ours are new ones; recipients that are said to be done get no mail.
    """
    envelope = message.envelope
    known = len(envelope.recipients)
    named = control.recipients
    fresh = tuple(_recipient(found) for found in named[known:] if found.address)
    settled = {outcome.index for outcome in message.outcomes}
    outcomes = tuple(
        Outcome(index=index, kind="failure" if found.failed else "success", lines=found.lines)
        for index, found in enumerate(named[:known])
        if found.is_finished and index not in settled
    )
    if not fresh and not outcomes:
        return message
    return attrs.evolve(
        message,
        envelope=attrs.evolve(envelope, recipients=envelope.recipients + fresh),
        outcomes=message.outcomes + outcomes,
    )


def _recipient(found: ControlRecipient) -> Recipient:
    notify = "".join(letter for letter in "SFD" if letter in found.notify)
    return Recipient(
        address=found.address,
        original=found.original or None,
        notify="N" if "N" in found.notify else notify,
    )
