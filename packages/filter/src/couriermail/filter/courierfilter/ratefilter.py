"""ratefilter: limits how many recipients one sender writes to (spec filter 4.22).

Who sends is the authenticated login, or the uid of a local submission that our own Received
header names; mail of others passes.  Time goes in halves of the interval; the recipients of the
half that runs and of the one before it count.

Courier: forgets the half before (verified), so that a burst around the border passes; here both
count as its manual says.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

import attrs

from couriermail.core import Clock, SystemClock
from couriermail.filter.courierfilter.message import FilteredMessage

__all__ = ["RateJudge", "local_submitter"]

log = logging.getLogger("couriermail.filter.ratefilter")

OK = "200 Ok."
TOO_MANY = "Number of messages exceeded administrative limit."
DEFAULT_CODE = "450 4.7.1"  # the sender may go on later; Courier says 500
MIN_INTERVAL = 60
HEADER_LINES = 2000  # the field is near the top


@attrs.define(eq=False)
class RateJudge:
    """Decides about messages by how much their sender sent lately.

    Attributes:
        interval: seconds, at least 60.
        max_recipients: recipients per sender and interval.
        min_uid: local senders below it are not limited.
        exempt: logins that are not limited.
        code: what the refusal begins with.
        clock: tells the time.
    """

    interval: int = 60
    max_recipients: int = 100
    min_uid: int = 100
    exempt: frozenset[str] = frozenset()
    code: str = DEFAULT_CODE
    clock: Clock = attrs.field(factory=SystemClock)
    _half: int = attrs.field(default=0, init=False)
    _current: dict[str, int] = attrs.field(factory=dict, init=False)
    _previous: dict[str, int] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __call__(self, message: FilteredMessage) -> str:
        """The reply for a message."""
        sender = message.auth or self._local_sender(message)
        if not sender or sender in self.exempt:
            return OK
        recipients = len(message.recipients)
        with self._lock:
            total = self._add(sender, recipients)
        if total <= self.max_recipients:
            return OK
        log.warning("a sender's %d recipients are more than %d", total, self.max_recipients)
        return f"{self.code} {TOO_MANY}"

    def _local_sender(self, message: FilteredMessage) -> str:
        try:
            with message.open() as file:
                return local_submitter(file, self.min_uid)
        except OSError:
            return ""

    def _add(self, sender: str, recipients: int) -> int:
        """Count what was sent, refused mail as well; the total of both halves."""
        half = int(self.clock.now() // (max(self.interval, MIN_INTERVAL) / 2))
        if half != self._half:
            self._previous = self._current if half == self._half + 1 else {}
            self._current = {}
            self._half = half
        self._current[sender] = self._current.get(sender, 0) + recipients
        return self._current[sender] + self._previous.get(sender, 0)


def local_submitter(lines: Iterable[bytes], min_uid: int) -> str:
    """The `(uid N)` line below the first Received header; empty if there is none that counts."""
    is_received = False
    for number, line in enumerate(lines):
        if is_received:
            return _uid_line(line, min_uid)
        is_received = line[:9].lower() == b"received:"
        if not line.strip(b"\r\n") or number > HEADER_LINES:
            break
    return ""


def _uid_line(line: bytes, min_uid: int) -> str:
    text = line.strip()
    digits = text.removeprefix(b"(uid ").rstrip(b")")
    if line[:1] not in (b" ", b"\t") or not text.startswith(b"(uid "):
        return ""
    is_limited = digits.isdigit() and len(digits) < 20 and int(digits) >= min_uid
    return text.decode("ascii") if is_limited else ""
