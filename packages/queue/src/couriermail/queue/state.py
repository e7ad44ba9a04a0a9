"""The part of a message that changes: rounds, next attempt, recipients, hold, cancellation.

Pure values and rules; `Change.apply_to` is the one place where an outcome becomes a state.
A message that nothing happened to yet has no state record at all: that saves a third of the
writes for mail that is delivered at the first attempt.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.message import (
    Outcome,
    OutcomeKind,
    Recipient,
    RecipientState,
    RecipientStatus,
)
from couriermail.queue.records import VERSION, micros, read_packed, seconds, write_packed

__all__ = ["Attempt", "Change", "Progress", "StoredState", "decode_state", "encode_state"]

LINE_MAX = 1024  # characters of one line of a reply that are kept (spec mta 8.2)
LINES_MAX = 64  # lines of one outcome that are kept
ERRORS_MAX = 3  # unexpected failures in a row before a message is held (spec mta 8.7)

HEAD = struct.Struct("<BBHIq")  # version, flags, errors, rounds, next due
NEXT_OFFSET = 8
WARNED, HELD, CANCELLED = 1, 2, 4

StatusLetter: TypeAlias = str
_STATUS: dict[StatusLetter, RecipientStatus] = {"P": "pending", "S": "success", "F": "failure"}
_KIND: dict[str, OutcomeKind | Literal[""]] = {"S": "success", "F": "failure", "D": "deferral"}


@attrs.frozen
class Progress:
    """A `RecipientState` without the recipient, as it is stored."""

    state: RecipientStatus = "pending"
    flag: str = ""
    attempts: int = 0
    finished: float = 0.0
    lines: tuple[str, ...] = ()
    peer: str | None = None
    kind: OutcomeKind | Literal[""] = ""
    reported: str = ""
    note: str = ""

    def after(self, outcome: Outcome, now: float) -> Progress:
        """This recipient after one more outcome; a finished one stays as it is."""
        if self.state != "pending":
            return self
        is_final = outcome.kind != "deferral"
        return Progress(
            state=outcome.kind if outcome.kind != "deferral" else "pending",
            flag=outcome.flag if outcome.kind == "success" else "",
            attempts=self.attempts + 1,
            finished=now if is_final else 0.0,
            lines=tuple(line[:LINE_MAX] for line in outcome.lines[:LINES_MAX]),
            peer=outcome.peer,
            kind=outcome.kind,
            reported=self.reported,
            note=outcome.note or self.note,
        )


FRESH = Progress()


@attrs.frozen
class Attempt:
    """One record of a message's log.

    Attributes:
        round: how many rounds were complete when it happened.
        index: the recipient.
        time: epoch.
        kind: of the outcome.
        text: its last line.
    """

    round: int
    index: int
    time: float
    kind: str
    text: str


@attrs.define
class StoredState:
    """What changes about a message.

    Attributes:
        next: microseconds of the next attempt.
        rounds: completed rounds.
        errors: unexpected failures in a row.
        warned: the delay was reported.
        held: why it is on hold, or None.
        cancelled: reasons, or None.
        recipients: index -> progress, for those that have any.
        log: attempts, oldest first.
    """

    next: int
    rounds: int = 0
    errors: int = 0
    warned: bool = False
    held: str | None = None
    cancelled: tuple[str, ...] | None = None
    recipients: dict[int, Progress] = attrs.Factory(dict)
    log: list[Attempt] = attrs.Factory(list)

    @property
    def due(self) -> int | None:
        """Its place in the due index, or None when it has none."""
        return None if self.held is not None else self.next

    def copy(self) -> StoredState:
        """A copy that may be changed."""
        return StoredState(
            self.next,
            self.rounds,
            self.errors,
            self.warned,
            self.held,
            self.cancelled,
            dict(self.recipients),
            list(self.log),
        )

    def states(self, recipients: tuple[Recipient, ...]) -> tuple[RecipientState, ...]:
        """The public form, in recipient order."""
        return tuple(
            _public(recipient, self.recipients.get(index, FRESH))
            for index, recipient in enumerate(recipients)
        )

    def is_finished(self, count: int) -> bool:
        """True when all `count` recipients have a final outcome."""
        done = sum(progress.state != "pending" for progress in self.recipients.values())
        return done >= count


@attrs.frozen(kw_only=True)
class Change:
    """What `Queue.finish` or `Queue.release` does to a state.

    Attributes:
        now: microseconds.
        outcomes: what happened.
        next_due: epoch of the next attempt, or None to leave it.
        warned: the delay was reported.
        reported: recipient index -> letters of reports sent.
        is_round: a round of attempts is complete.
        error: text of an unexpected failure while handling the message.
        log_records: attempt records kept.
        log_octets: characters of text in them.
    """

    now: int
    outcomes: tuple[Outcome, ...] = ()
    next_due: float | None = None
    warned: bool = False
    reported: Mapping[int, str] = attrs.Factory(dict)
    is_round: bool = False
    error: str = ""
    log_records: int = 200
    log_octets: int = 65536

    def apply_to(self, state: StoredState, *, was_cancelled: bool) -> None:
        """Change `state`.

        A message that was cancelled while its attempts ran (`was_cancelled` tells whether
        they knew) is due again at once (spec mta 9.5).
        """
        self._record_outcomes(state)
        self._record_reports(state)
        state.warned = state.warned or self.warned
        if self.next_due is not None:
            is_news = state.cancelled is not None and not was_cancelled
            state.next = self.now if is_news else micros(self.next_due)
        if self.is_round:
            state.rounds += 1
        self._count_errors(state)

    def _record_outcomes(self, state: StoredState) -> None:
        now = seconds(self.now)
        for outcome in self.outcomes:
            before = state.recipients.get(outcome.index, FRESH)
            if before.state != "pending":
                continue  # final is final: a replayed outcome changes nothing
            after = before.after(outcome, now)
            state.recipients[outcome.index] = after
            text = after.lines[-1] if after.lines else ""
            state.log.append(Attempt(state.rounds, outcome.index, now, outcome.kind, text))
        trim_log(state.log, self.log_records, self.log_octets)

    def _record_reports(self, state: StoredState) -> None:
        for index, letters in self.reported.items():
            before = state.recipients.get(index, FRESH)
            known = before.reported + "".join(x for x in letters if x not in before.reported)
            state.recipients[index] = attrs.evolve(before, reported=known)

    def _count_errors(self, state: StoredState) -> None:
        if not self.error:
            if self.outcomes:
                state.errors = 0
            return
        state.errors += 1
        if state.errors >= ERRORS_MAX and state.held is None:
            state.held = self.error


def trim_log(log: list[Attempt], records: int, octets: int) -> None:
    """Drop the middle: the first and last rounds and last words of each recipient stay longest."""
    if len(log) <= records and sum(len(attempt.text) for attempt in log) <= octets:
        return
    first, last = log[0].round, log[-1].round
    final = {attempt.index: position for position, attempt in enumerate(log)}
    keep = set(final.values())
    expendable = [p for p, a in enumerate(log) if a.round not in {first, last} and p not in keep]
    # When even the precious ones are too many, the older half goes first.
    expendable += [p for p, a in enumerate(log) if a.round in {first, last} or p in keep]
    excess_text = sum(len(attempt.text) for attempt in log) - octets
    excess = len(log) - records
    dropped = set()
    for position in expendable:
        if excess <= 0 and excess_text <= 0:
            break
        dropped.add(position)
        excess -= 1
        excess_text -= len(log[position].text)
    log[:] = [attempt for position, attempt in enumerate(log) if position not in dropped]


def encode_state(state: StoredState) -> bytes:
    """A state as a record."""
    flags = (
        WARNED * state.warned
        | HELD * (state.held is not None)
        | CANCELLED * (state.cancelled is not None)
    )
    head = HEAD.pack(VERSION, flags, min(state.errors, 65535), state.rounds, state.next)
    rows = [_row(index, progress) for index, progress in state.recipients.items()]
    log = [[a.round, a.index, a.time, a.kind[:1].upper(), a.text] for a in state.log]
    fields = {"r": rows, "l": log, "h": state.held, "x": state.cancelled}
    return write_packed(head, {name: value for name, value in fields.items() if value is not None})


def next_due(record: bytes | memoryview) -> int | None:
    """The due index place that a state record claims; reads the fixed part only.

    Raises:
        CorruptMessageError: the record is too short.
    """
    if len(record) < HEAD.size:
        raise CorruptMessageError("record cut short")
    _, flags, _, _, when = HEAD.unpack_from(record)
    return None if flags & HELD else when


def decode_state(record: bytes | memoryview) -> StoredState:
    """Read a state record.

    Raises:
        CorruptMessageError: it is not what `encode_state` wrote.
    """
    try:
        _, flags, errors, rounds, when = HEAD.unpack_from(record)
        text = read_packed(record, HEAD.size, len(record))
        fields = json.loads(text.decode("utf-8", "surrogatepass"))
        cancelled = fields.get("x")
        return StoredState(
            next=when,
            rounds=rounds,
            errors=errors,
            warned=bool(flags & WARNED),
            held=fields.get("h"),
            cancelled=None if cancelled is None else tuple(cancelled),
            recipients=dict(map(_progress, fields["r"])),
            log=[Attempt(r, i, t, _KIND.get(k, ""), x) for r, i, t, k, x in fields["l"]],
        )
    except (struct.error, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise CorruptMessageError(f"state record: {type(error).__name__}") from error


ProgressRow: TypeAlias = "tuple[int, str, str, int, float, list[str], str | None, str, str, str]"


def _row(index: int, progress: Progress) -> tuple[object, ...]:
    return (
        index,
        progress.state[0].upper(),
        progress.flag,
        progress.attempts,
        progress.finished,
        progress.lines,
        progress.peer,
        progress.kind[:1].upper(),
        progress.reported,
        progress.note,
    )


def _progress(row: ProgressRow) -> tuple[int, Progress]:
    index, status, flag, attempts, finished, lines, peer, kind, reported, note = row
    return index, Progress(
        _STATUS[status],
        flag,
        attempts,
        finished,
        tuple(lines),
        peer,
        _KIND.get(kind, ""),
        reported,
        note,
    )


def _public(recipient: Recipient, progress: Progress) -> RecipientState:
    return RecipientState(
        recipient=recipient,
        state=progress.state,
        flag=progress.flag,
        attempts=progress.attempts,
        finished=progress.finished,
        lines=progress.lines,
        peer=progress.peer,
        kind=progress.kind,
        reported=progress.reported,
        note=progress.note,
    )
