"""A sample for pyfilter: limits how much mail one client relays in a sliding window (filter 4.24).

    echo couriermail.filter.courierfilter.relaylimit > /etc/courier/filters/pyfilter

The settings are lines `NAME=value` in `filters/perlfilter-ratelimit`, where the sample of Courier's
Perl host has them: WINDOW seconds (3600), MESSAGES that are remembered (1000), LIMIT (100), COUNT
`r` recipients or `m` messages (r), EXCLUDE clients, separated by commas (127.0.0.1), EXTERNAL 1:
clients that may not relay are limited as well (0).

A client is its login, else its IP address.  Mail that was refused does not count: whoever slows
down gets through again.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import Counter, deque

import attrs

from couriermail.core import Clock, SystemClock
from couriermail.filter.courierfilter.action import Action, accept, reject
from couriermail.filter.courierfilter.errors import FilterConfigError
from couriermail.filter.courierfilter.framework import default_places
from couriermail.filter.courierfilter.message import FilteredMessage
from couriermail.filter.courierfilter.places import FilterPlaces

__all__ = ["RelayLimiter", "check"]

SETTINGS = "perlfilter-ratelimit"
DUMP = "perlfilter-dump"
NUMBERS = ("WINDOW", "MESSAGES", "LIMIT", "EXTERNAL")
MAPPED = "::ffff:"  # in front of an IPv4 address on an IPv6 socket


async def check(message: FilteredMessage) -> Action:
    """What `pyfilter` asks."""
    return _configured().judge(message)


@functools.cache
def _configured() -> RelayLimiter:
    return RelayLimiter.configured(default_places())


@attrs.frozen
class _Passed:
    """One message that passed."""

    time: float
    key: str
    weight: int


@attrs.define(eq=False, kw_only=True)
class RelayLimiter:
    """Remembers what passed and refuses what is too much.

    Attributes:
        window: seconds that are looked back.
        messages: how many messages are remembered, of all clients.
        limit: recipients, or messages, of one client in the window.
        counts_messages: False counts recipients.
        exclude: clients that are not limited.
        external: also clients that may not relay.
        dump_path: an empty file of that name gets the counts; empty: none.
        clock: tells the time.
    """

    window: int = 3600
    messages: int = 1000
    limit: int = 100
    counts_messages: bool = False
    exclude: frozenset[str] = frozenset({"127.0.0.1"})
    external: bool = False
    dump_path: str = ""
    clock: Clock = attrs.field(factory=SystemClock)
    _passed: deque[_Passed] = attrs.field(factory=deque, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    @classmethod
    def configured(cls, places: FilterPlaces) -> RelayLimiter:
        """As the settings file says.

        Raises:
            FilterConfigError: it cannot be read, or a value cannot be used.
        """
        path = f"{places.settings}/{SETTINGS}"
        said = _read(path)
        for name in NUMBERS:
            if name in said and not (said[name].isascii() and said[name].isdigit()):
                raise FilterConfigError(f"{name} is no number", path=path)
        if said.get("COUNT", "r") not in ("r", "m"):
            raise FilterConfigError("COUNT is neither r nor m", path=path)
        return cls(
            window=int(said.get("WINDOW", "3600")),
            messages=int(said.get("MESSAGES", "1000")),
            limit=int(said.get("LIMIT", "100")),
            counts_messages=said.get("COUNT") == "m",
            exclude=frozenset(said.get("EXCLUDE", "127.0.0.1").split(",")),
            external=int(said.get("EXTERNAL", "0")) > 0,
            dump_path=f"{places.settings}/{DUMP}",
        )

    def judge(self, message: FilteredMessage) -> Action:
        """Whether a message is too much for its client."""
        envelope = message.envelope
        key = message.auth or envelope.remote_ip.removeprefix(MAPPED)
        if not key or key in self.exclude:
            return accept()
        if not (self.external or "RELAYCLIENT" in envelope.options):
            return accept()
        weight = 1 if self.counts_messages else len(message.recipients)
        with self._lock:
            is_too_much = not self._admit(_Passed(self.clock.now(), key, weight))
            self._dump()
        if is_too_much:
            return reject(552, f"{key} is sending too much mail, slow down.")
        return accept()

    def _admit(self, new: _Passed) -> bool:
        while self._passed and self._passed[0].time <= new.time - self.window:
            self._passed.popleft()
        if self._counts()[new.key] + new.weight > self.limit:
            return False
        self._passed.append(new)
        while len(self._passed) > self.messages:
            self._passed.popleft()
        return True

    def _counts(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for passed in self._passed:
            counts[passed.key] += passed.weight
        return counts

    def _dump(self) -> None:
        """Write the counts where an administrator has put an empty file."""
        try:
            if not self.dump_path or os.stat(self.dump_path).st_size:
                return
            with open(self.dump_path, "r+", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(f"{key} {count}\n" for key, count in self._counts().items())
        except OSError:
            return  # not asked for, or not ours to write: mail goes on


def _read(path: str) -> dict[str, str]:
    """The settings of a file; blanks and quotes are nothing."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = ["".join(line.replace('"', "").split()) for line in file]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FilterConfigError(f"cannot be read: {error.strerror}", path=path) from error
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}
