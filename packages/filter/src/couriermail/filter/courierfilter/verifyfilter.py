"""verifyfilter: refuses mail whose sender could not be answered (spec filter 4.23).

`SenderVerifier` decides about one address: what was found lately (`VerificationCache`), else what
a *probe* finds.  The probe is the caller's: it asks the sender's mail server whether it would
take a message for the address, and knows about routes and DNS, which this room does not.

Trouble on the way is never held against the sender for longer than the answer to this message.
Courier: a connection that fails counts as a bad address and is remembered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from couriermail.filter.courierfilter.message import FilteredMessage
from couriermail.filter.courierfilter.verifycache import VerificationCache

__all__ = ["Finding", "Probe", "SenderVerifier", "VerifyJudge"]

log = logging.getLogger("couriermail.filter.verifyfilter")

OK = "200 Ok."
HARD_CODE = 530
SOFT_CODE = 430
KNOWN_BAD = "Cached verification status found (previously undeliverable)"
INVALID = "Invalid email address"


@attrs.frozen(kw_only=True)
class Finding:
    """What is known of an address.

    Attributes:
        is_good: mail for it is taken.
        is_hard: it is bad for good; False for trouble that may pass.
        server: who said so, `NAME [IP]`, or empty.
        command: the last command that was sent, or empty.
        lines: what the server answered, without codes.
    """

    is_good: bool
    is_hard: bool = False
    server: str = ""
    command: str = ""
    lines: tuple[str, ...] = ()

    def reply(self, address: str) -> str:
        """The SMTP-style reply for the sender's mail system."""
        if self.is_good:
            return OK
        code = HARD_CODE if self.is_hard else SOFT_CODE
        details = [f"{self.server}:"] if self.server else []
        details += [f">>> {self.command}"] if self.command else []
        text = "".join(f"{code}-{line}\n" for line in (*details, *self.lines))
        return f"{text}{code} <{address}> verification failed."


Probe = Callable[[str], Finding]
"""Asks the network about one address; never raises, trouble is a soft finding."""


@attrs.define(eq=False)
class SenderVerifier:
    """Verifies addresses, one probe per domain at a time.

    Attributes:
        probe: asks the network.
        cache: what was found lately; None remembers nothing.
        full: remember whole addresses; else the part behind the first `-` does not count, which
            lists put there for each recipient (VERP).
        skip: domains that are never asked about; their addresses are good.
    """

    probe: Probe
    cache: VerificationCache | None = None
    full: bool = False
    skip: frozenset[str] = frozenset()
    _busy: dict[str, tuple[threading.Lock, int]] = attrs.field(factory=dict, init=False)
    _guard: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def verify(self, address: str) -> Finding:
        """What is known of an address, asking about it if need be."""
        local, at, domain = address.rpartition("@")
        if not at or not local or not domain:
            return Finding(is_good=False, is_hard=True, lines=(INVALID,))
        domain = domain.lower()
        if domain in self.skip:
            return Finding(is_good=True)
        key = f"{local if self.full else local.partition('-')[0]}@{domain}"
        return self._cached(key) or self._ask(address, domain, key)

    def _cached(self, key: str) -> Finding | None:
        is_good = self.cache.look_up(key) if self.cache is not None else None
        if is_good is None:
            return None
        return Finding(is_good=is_good, is_hard=not is_good, server="" if is_good else KNOWN_BAD)

    def _ask(self, address: str, domain: str, key: str) -> Finding:
        with self._alone_with(domain):
            cached = self._cached(key)  # somebody may have asked while we waited
            if cached is not None:
                return cached
            finding = self.probe(address)
            if self.cache is not None and (finding.is_good or finding.is_hard):
                self.cache.remember(key, is_good=finding.is_good)
            return finding

    @contextmanager
    def _alone_with(self, domain: str) -> Iterator[None]:
        with self._guard:
            lock, users = self._busy.get(domain, (threading.Lock(), 0))
            self._busy[domain] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                users = self._busy[domain][1] - 1
                if users:
                    self._busy[domain] = lock, users
                else:
                    del self._busy[domain]


@attrs.define(eq=False)
class VerifyJudge:
    """Decides about messages by their envelope sender."""

    verifier: SenderVerifier

    def __call__(self, message: FilteredMessage) -> str:
        """The reply for a message; authenticated senders and reports are not verified."""
        control = message.controls[0] if message.controls else None
        if control is None or control.auth or not control.sender:
            return OK
        finding = self.verifier.verify(control.sender)
        if not finding.is_good:
            log.info("a sender could not be verified: %s", finding.server or finding.lines[:1])
        return finding.reply(control.sender)
