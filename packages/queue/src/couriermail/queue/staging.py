"""From submissions to finished records: everything that can be done before the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from couriermail.queue.bodies import BodyStore, BodyWriter
from couriermail.queue.errors import QueueError, RecordTooLargeError
from couriermail.queue.records import (
    INLINE,
    SHARED,
    BodyRef,
    encode_message,
    first_due,
    mark_key,
    micros,
)
from couriermail.queue.rows import NewMessage
from couriermail.queue.state import Change, StoredState, encode_state
from couriermail.queue.works import NewBody, SubmitWork

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from couriermail.core.clock import Clock
    from couriermail.queue.message import Submission
    from couriermail.queue.numbers import Numbers
    from couriermail.queue.settings import QueueSettings
    from couriermail.queue.store import Store

    Placed: TypeAlias = tuple[BodyRef, bytes, NewBody | None, BodyWriter | None]

__all__ = ["Stager", "seal_all"]


class Stager:
    """Makes `SubmitWork` of submissions.

    Args:
        store: where the work will be applied.
        bodies: makes files of `bytes` that are too large for the database.
        numbers: numbers for bodies in rows or files of their own.
        settings: limits.
        clock: the arrival time.
    """

    def __init__(
        self,
        store: Store,
        bodies: BodyStore,
        numbers: Numbers,
        settings: QueueSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._numbers = numbers
        self._settings = settings
        self._clock = clock

    def prepare(self, submissions: Sequence[Submission]) -> tuple[SubmitWork, list[BodyWriter]]:
        """The work, and the file bodies to seal before it may be committed.

        Raises:
            RecordTooLargeError: an envelope is larger than `max_record`.
            QueueError: a body was used before, an id is none, an envelope has no recipient, an
            outcome is for none of them, or a mark is too long.
            QueueStorageError: a body file cannot be written.
        """
        arrival = micros(self._clock.now())
        if len(submissions) == 1:
            return self._prepare_one(submissions[0], arrival)
        placed = self._place_bodies(submissions)
        messages = [self._message(s, arrival, *placed[id(s.body)][:2]) for s in submissions]
        extra = [body for _, _, body, _ in placed.values() if body is not None]
        writers = [writer for _, _, _, writer in placed.values() if writer is not None]
        files = [writer for writer in writers if writer.is_file]
        return SubmitWork(self._store, messages, extra, writers, arrival=arrival), files

    def _prepare_one(
        self, submission: Submission, arrival: int
    ) -> tuple[SubmitWork, list[BodyWriter]]:
        reference, data, body, writer = self._place(submission.body, 1)
        message = self._message(submission, arrival, reference, data)
        writers = [] if writer is None else [writer]
        bodies = [] if body is None else [body]
        files = [] if body is None else writers
        return SubmitWork(self._store, [message], bodies, writers, arrival=arrival), files

    def _place_bodies(self, submissions: Sequence[Submission]) -> dict[int, Placed]:
        """Where each distinct body of the call goes, by its identity."""
        counts: dict[int, int] = {}
        for submission in submissions:
            counts[id(submission.body)] = counts.get(id(submission.body), 0) + 1
        placed: dict[int, Placed] = {}
        for submission in submissions:
            key = id(submission.body)
            if key not in placed:
                placed[key] = self._place(submission.body, counts[key])
        return placed

    def _place(self, body: BodyWriter | bytes, count: int) -> Placed:
        """Reference, inline octets, row of its own, and writer of a body used `count` times."""
        writer = body if isinstance(body, BodyWriter) else None
        if isinstance(body, bytes) and len(body) > self._settings.inline_max:
            writer = BodyWriter(self._bodies)
            writer.write(body)
        if writer is not None and writer.is_file:
            reference = writer.assign(writer.number or self._numbers.take(1)[0])
            return reference, b"", NewBody(reference, b"", count), writer
        data = body if isinstance(body, bytes) else body.inline_bytes()
        if count == 1:
            return BodyRef(INLINE, 0, len(data), crc32(data)), data, None, writer
        reference = BodyRef(SHARED, self._numbers.take(1)[0], len(data), crc32(data))
        return reference, b"", NewBody(reference, data, count), writer

    def _message(
        self, submission: Submission, arrival: int, body: BodyRef, data: bytes
    ) -> NewMessage:
        if not submission.envelope.recipients:
            raise QueueError("a message without recipients cannot be queued")
        number, id_epoch, id_random = _parse_id(submission.id)
        record = encode_message(id_epoch, id_random, arrival, submission.envelope, body)
        due = first_due(record)
        state = self._state(submission, arrival, due) if submission.outcomes else b""
        limit = self._settings.max_record
        if len(record) > limit or len(state) > limit:
            raise RecordTooLargeError("envelope too large", limit="max_record", maximum=limit)
        return NewMessage(number, record + data, due, state, mark_key(submission.mark))

    def _state(self, submission: Submission, arrival: int, due: int) -> bytes:
        """The state record of a message that comes with outcomes."""
        count = len(submission.envelope.recipients)
        if any(not 0 <= outcome.index < count for outcome in submission.outcomes):
            raise QueueError("an outcome for a recipient that the message does not have")
        state = StoredState(due)
        change = Change(
            now=arrival,
            outcomes=submission.outcomes,
            log_records=self._settings.log_records,
            log_octets=self._settings.log_octets,
        )
        change.apply_to(state, was_cancelled=False)
        return encode_state(state)


def seal_all(writers: Sequence[BodyWriter]) -> None:
    """Sync and name the file bodies; must be over before the commit that refers to them."""
    for writer in writers:
        writer.seal()


def _parse_id(text: str) -> tuple[int, int, int]:
    try:
        parts = int(text[:16], 16), int(text[17:33], 16), int(text[34:], 16)
    except ValueError:
        parts = (0, 0, 0)
    if "{:016X}.{:016X}.{:08X}".format(*parts) != text:
        raise QueueError("not a queue id")
    return parts
