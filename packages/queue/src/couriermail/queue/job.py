"""A leased message in the hands of the scheduler."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import attrs

from couriermail.queue.message import Envelope, Outcome, QueueId, RecipientState
from couriermail.queue.records import BodyRef, MessageRecord, micros, seconds
from couriermail.queue.state import Change, StoredState

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Job"]


@attrs.define(eq=False, repr=False)
class Job:
    """A message that is due, leased until `Queue.finish` or `Queue.release`.

    It shows what is durable: after a `finish` that keeps the lease, the new states appear
    when its future is resolved.
    """

    _record: MessageRecord
    stored: StoredState  # this and the next belong to the queue
    raw_state: bytes | None
    _read_body: Callable[[MessageRecord], bytes | BinaryIO]

    def __repr__(self) -> str:
        return f"Job({self.id})"  # no addresses in logs

    @property
    def id(self) -> QueueId:
        """The queue id."""
        return self._record.id

    @property
    def number(self) -> int:
        """Its first part."""
        return self._record.number

    @property
    def envelope(self) -> Envelope:
        """Who and how."""
        return self._record.envelope

    @property
    def size(self) -> int:
        """Octets of the body."""
        return self._record.body.size

    @property
    def arrival(self) -> float:
        """Epoch of the submission."""
        return seconds(self._record.arrival)

    @property
    def states(self) -> tuple[RecipientState, ...]:
        """Every recipient, in envelope order."""
        return self.stored.states(self._record.envelope.recipients)

    @property
    def rounds(self) -> int:
        """Completed rounds of attempts."""
        return self.stored.rounds

    @property
    def warned(self) -> bool:
        """The delay was reported already."""
        return self.stored.warned

    @property
    def cancelled(self) -> tuple[str, ...] | None:
        """The reasons given to `Queue.cancel`; None when it was not cancelled."""
        return self.stored.cancelled

    def states_after(self, outcomes: tuple[Outcome, ...], now: float) -> tuple[RecipientState, ...]:
        """What `states` would be after `outcomes`; records nothing.

        For building a report that goes into the same transaction as the outcomes.
        """
        state = self.stored.copy()
        change = Change(now=micros(now), outcomes=outcomes)
        change.apply_to(state, was_cancelled=state.cancelled is not None)
        return state.states(self._record.envelope.recipients)

    def body_bytes(self) -> bytes | None:
        """The body, if it lies in the database; None when it is a file (see `open_body`).

        Raises:
            CorruptMessageError: it does not match its checksum; the message is quarantined.
        """
        body = self._read_body(self._record)
        if isinstance(body, bytes):
            return body
        body.close()
        return None

    def open_body(self) -> BinaryIO:
        """The body for reading; a file stays readable after the message was removed.

        Raises:
            CorruptMessageError: it is missing or damaged; the message is quarantined.
        """
        body = self._read_body(self._record)
        return io.BytesIO(body) if isinstance(body, bytes) else body

    @property
    def body(self) -> BodyRef:
        """Where the body lies."""
        return self._record.body

    def update(self, stored: StoredState, raw_state: bytes) -> None:
        """Show what was committed; called by the queue."""
        self.stored, self.raw_state = stored, raw_state
