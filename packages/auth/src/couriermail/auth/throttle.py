"""Failed logins per client address: who guesses too fast waits.

Theory of operation.  Each address has a bucket into which every failed login puts one drop, and
which empties evenly.  While it is full, logins from there are not even tried: a guesser gets
`failures` guesses at once and then one in every `seconds / failures`.  A successful login
empties nothing, or one account would buy guesses at all others.

An IPv6 customer has at least a /64, so that counts as one address.  Loopback and unix sockets
are never held up: behind them are servers, whose clients are many.

Memory is bounded: of more than `max_addresses`, those that failed longest ago are forgotten.

Standard: spec auth 7 (rate limiting per TCPREMOTEIP).
"""

from __future__ import annotations

import ipaddress
import logging
from itertools import islice

import attrs

from couriermail.core.clock import SystemClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock

__all__ = ["LoginThrottle"]

_log = logging.getLogger("couriermail.auth")


@attrs.frozen
class _Bucket:
    """How full it was, and when (seconds of the monotonic clock)."""

    level: float
    at: float


@attrs.define(eq=False, kw_only=True)
class LoginThrottle:
    """Counts failed logins.  For one thread, such as an event loop's.

    Attributes:
        failures: failed logins that an address may have at once.
        seconds: time in which as many are forgiven.
        max_addresses: how many are remembered.
        clock: measures the time.
    """

    failures: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    seconds: float = attrs.field(default=300.0, validator=attrs.validators.gt(0))
    max_addresses: int = 10_000
    clock: Clock = attrs.field(factory=SystemClock)
    _buckets: dict[str, _Bucket] = attrs.field(factory=dict, init=False, repr=False)

    def is_blocked(self, address: str | None) -> bool:
        """Tell whether logins from an address are to be refused unasked for now.

        Args:
            address: an IP address as text; None or empty for a unix socket.
        """
        key = _key(address)
        return key is not None and self._level(key) > self.failures - 1

    def record_failure(self, address: str | None) -> None:
        """Count a failed login; says once in the log when that was the last for a while."""
        key = _key(address)
        if key is None:
            return
        level = self._level(key)
        self._buckets.pop(key, None)  # the newest are last
        self._buckets[key] = _Bucket(min(level + 1, self.failures), self.clock.monotonic())
        if level <= self.failures - 1 < level + 1:
            _log.warning("%s: too many failed logins, refused for a while", key)
        self._make_room()

    def _level(self, key: str) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        drained = (self.clock.monotonic() - bucket.at) * self.failures / self.seconds
        return max(0.0, bucket.level - drained)

    def _make_room(self) -> None:
        """Forget the oldest that are empty, and the oldest anyway where there are too many."""
        for key in list(islice(self._buckets, 2)):  # one comes, two may go
            if self._level(key) == 0 or len(self._buckets) > self.max_addresses:
                del self._buckets[key]


def _key(address: str | None) -> str | None:
    """What failures of an address count under; None: they do not count."""
    if not address:
        return None
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif not found.is_loopback:
            network = ipaddress.IPv6Network((int(found), 64), strict=False)
            return str(network)
    return None if found.is_loopback else str(found)
