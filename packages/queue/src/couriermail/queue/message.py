"""What is queued: envelope, recipients, their states, and the outcomes that change them.

All of it is plain values without knowledge of mail formats.  Times are seconds since the
epoch (`float`); addresses are `str` as the caller canonicalised them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from couriermail.queue.bodies import BodyWriter

__all__ = [
    "Envelope",
    "Outcome",
    "OutcomeKind",
    "QueueId",
    "Recipient",
    "RecipientState",
    "RecipientStatus",
    "Submission",
    "Summary",
    "parse_number",
]

QueueId: TypeAlias = str
"""`%016X.%016X.%08X`: message number, submission epoch, random; unique forever (spec mta 8.2)."""

OutcomeKind: TypeAlias = Literal["success", "failure", "deferral"]
RecipientStatus: TypeAlias = Literal["pending", "success", "failure"]

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Recipient:
    """One envelope recipient.

    Attributes:
        address: where it goes, canonical.
        original: original recipient for reports (RFC 3461 4.2), or None.
        notify: NOTIFY (RFC 3461 4.1): empty, `N` (never) or letters of `SFD`.
    """

    address: str
    original: str | None = None
    notify: str = ""


@attrs.frozen(kw_only=True)
class Envelope:
    """Everything about a message but its body; never changes once queued.

    Attributes:
        sender: canonical reverse path; empty for the null sender.
        recipients: at least one, in the order that outcomes count them.
        source: `type; text` of the host that sent it.
        ident: identity for the Received header.
        label: where it came from (`local`, `smtp`, `authsmtp`, `local/dsn` ...).
        envid: ENVID (RFC 3461 4.4), xtext.
        ret: RET (RFC 3461 4.3): `F`, `H` or empty.
        auth: AUTH= of MAIL (RFC 4954 5).
        smtputf8: the headers or addresses need SMTPUTF8 (RFC 6531).
        eight_bit: the body has octets above 127.
        security: SECURITY level asked for.
        vhost: virtual host it was received on.
        verp: a variable envelope return path is wanted.
        expires: epoch after which the end of a round gives up.
        warn: epoch after which a delay is reported, or None.
        delay: seconds before the first attempt.
        user: login name of a local submitter.
        uid: its numeric id, or -1.
        options: saved `NAME=value` settings for the transports.
    """

    sender: str
    recipients: tuple[Recipient, ...]
    source: str = ""
    ident: str = ""
    label: str = "local"
    envid: str | None = None
    ret: str = ""
    auth: str | None = None
    smtputf8: bool = False
    eight_bit: bool = False
    security: str = ""
    vhost: str | None = None
    verp: bool = False
    expires: float = 0.0
    warn: float | None = None
    delay: float = 0.0
    user: str = ""
    uid: int = -1
    options: Mapping[str, str] = NO_OPTIONS


@attrs.frozen(kw_only=True)
class Outcome:
    """What one attempt did for one recipient.

    Attributes:
        index: position in `Envelope.recipients`.
        kind: `success` and `failure` are final; `deferral` leaves the recipient pending.
        flag: of a success: `l` local, `r` relayed to a peer without DSN.
        lines: replies or explanations; each is cut to 1024 characters.
        peer: who answered, or None.
        untracked: the caller's suppression list must not learn from this one; not stored.
        note: free text of the caller; the last one given is kept and given back.
    """

    index: int
    kind: OutcomeKind
    flag: str = ""
    lines: tuple[str, ...] = ()
    peer: str | None = None
    untracked: bool = False
    note: str = ""


@attrs.frozen
class Submission:
    """A message about to be queued.

    Attributes:
        id: from `Queue.new_id` or `Queue.new_ids`.
        envelope: who and how.
        body: a filled `BodyWriter`, or the octets themselves.  Several submissions of one
            call that hold the *same* object share one stored body.
        outcomes: of recipients that are done before the first attempt (an alias with several
            members); recorded with the message.  The message is due at once all the same.
        mark: a name of the caller's that is remembered in the same transaction (see
            `Queue.has_mark`), so that what the message was made of is not submitted twice;
            empty for none.
    """

    id: QueueId
    envelope: Envelope
    body: BodyWriter | bytes
    outcomes: tuple[Outcome, ...] = ()
    mark: str = ""


@attrs.frozen(kw_only=True)
class RecipientState:
    """Where one recipient stands.

    Attributes:
        recipient: who.
        state: `pending` until a success or failure was recorded.
        flag: the flag of the success.
        attempts: outcomes recorded so far.
        finished: epoch of the final outcome; 0.0 while pending.
        lines: of the last outcome.
        peer: of the last outcome.
        kind: of the last outcome; empty before the first.
        reported: letters for the kinds of report already sent, as told to `Queue.finish`.
        note: the caller's, see `Outcome.note`.
    """

    recipient: Recipient
    state: RecipientStatus = "pending"
    flag: str = ""
    attempts: int = 0
    finished: float = 0.0
    lines: tuple[str, ...] = ()
    peer: str | None = None
    kind: OutcomeKind | Literal[""] = ""
    reported: str = ""
    note: str = ""

    @property
    def is_finished(self) -> bool:
        """True after a success or failure."""
        return self.state != "pending"


@attrs.frozen(kw_only=True)
class Summary:
    """One message as an operator's list shows it.

    Attributes:
        id: queue id.
        arrival: epoch of submission.
        size: octets of the body.
        sender: envelope sender.
        user: login name of a local submitter.
        uid: its numeric id, or -1.
        label: where it came from.
        expires: epoch of expiry.
        options: the envelope's.
        next_due: epoch of the next attempt; None while held.
        rounds: rounds completed.
        states: every recipient.
        held: why it is on hold, or None.
        cancelled: the reasons given to `Queue.cancel`, or None when not cancelled.
    """

    id: QueueId
    arrival: float
    size: int
    sender: str
    user: str
    uid: int
    label: str
    expires: float
    options: Mapping[str, str]
    next_due: float | None
    rounds: int
    states: tuple[RecipientState, ...]
    held: str | None
    cancelled: tuple[str, ...] | None


def parse_number(queue_id: QueueId) -> int | None:
    """The message number that a queue id names, or None when the text is no queue id."""
    if len(queue_id) != 42 or queue_id[16] != "." or queue_id[33] != ".":
        return None
    digits = queue_id[:16] + queue_id[17:33] + queue_id[34:]
    if not all(digit in "0123456789ABCDEF" for digit in digits):
        return None
    return int(queue_id[:16], 16)
