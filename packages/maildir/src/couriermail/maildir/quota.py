"""Quota values and texts (spec maildir 4.6): what a limit is, and how full a mailbox is.

Pure values; the file that stores them is the subject of `maildirsize`.
"""

from __future__ import annotations

from couriermail.maildir.errors import QuotaTextError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

__all__ = ["Quota", "Usage", "bounded_number", "parse_quota"]

# Not attrs: these values are on the way of every delivery that a command makes, and attrs
# costs more to import than all the rest of such a command.

_LARGE_LIMIT = 20_000_000  # spec maildir 4.6: above it, percentages are reckoned in units of 1024
_DIGITS = "0123456789"
_LARGEST = 2**63 - 1  # what other Maildir++ programs can hold


class Usage:
    """How much a maildir holds, or a message adds.

    Attributes:
        size: octets.
        messages: number of messages.
    """

    __slots__ = ("messages", "size")

    def __init__(self, size: int = 0, messages: int = 0) -> None:
        self.size: Final = size
        self.messages: Final = messages

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.size + other.size, self.messages + other.messages)

    def __neg__(self) -> Usage:
        return Usage(-self.size, -self.messages)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Usage):
            return NotImplemented
        return (self.size, self.messages) == (other.size, other.messages)

    def __hash__(self) -> int:
        return hash((self.size, self.messages))

    def __repr__(self) -> str:
        return f"Usage(size={self.size}, messages={self.messages})"


class Quota:
    """The limits of a maildir; 0 means no limit of that kind.

    Attributes:
        size: octets.
        messages: number of messages.
    """

    __slots__ = ("messages", "size")

    def __init__(self, size: int = 0, messages: int = 0) -> None:
        self.size: Final = size
        self.messages: Final = messages

    @classmethod
    def parse(cls, text: str) -> Quota:
        """Read a text such as `10000000S,1000C` that must name a limit.

        Raises:
            QuotaTextError: a part is not a limit, or none is.
        """
        refused: list[str] = []
        quota = parse_quota(text, refused.append)
        if refused or not quota.is_limited:
            raise QuotaTextError(f"not a quota: {text!r}")
        return quota

    @property
    def is_limited(self) -> bool:
        """True when there is a limit of either kind."""
        return bool(self.size or self.messages)

    def admits(self, usage: Usage) -> bool:
        """True when this usage is within the limits; reaching one exactly is allowed."""
        return not (
            (self.size and usage.size > self.size)
            or (self.messages and usage.messages > self.messages)
        )

    def percent(self, usage: Usage) -> int:
        """How full a maildir is, 0 to 100: the larger of the two shares, 100 when over."""
        if not self.admits(usage):
            return 100
        return max(_share(usage.size, self.size), _share(usage.messages, self.messages))

    def __str__(self) -> str:
        """The canonical text: octets first, then messages; `0` when there is no limit."""
        parts = []
        if self.size:
            parts.append(f"{self.size}S")
        if self.messages:
            parts.append(f"{self.messages}C")
        return ",".join(parts) or "0"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quota):
            return NotImplemented
        return (self.size, self.messages) == (other.size, other.messages)

    def __hash__(self) -> int:
        return hash((self.size, self.messages))

    def __repr__(self) -> str:
        return f"Quota(size={self.size}, messages={self.messages})"


def parse_quota(text: str, refuse: Callable[[str], object] | None = None) -> Quota:
    """Read a quota text the lenient way: what is no limit is passed over.

    Runs of digits followed by `S` (octets) or `C` (messages) count, later ones win, and
    anything between runs is skipped.

    Args:
        text: such as `10000000S,1000C` or `NOQUOTA`.
        refuse: called with the rest of the text at each run that has no such letter.
    """
    size = messages = at = 0
    while at < len(text):
        end = at
        while end < len(text) and text[end] in _DIGITS:
            end += 1
        if end == at:
            at += 1
            continue
        letter = text[end : end + 1]
        if letter == "S":
            size = bounded_number(text[at:end])
        elif letter == "C":
            messages = bounded_number(text[at:end])
        elif refuse is not None:
            refuse(text[at:])
        at = end + 1
    return Quota(size, messages)


def bounded_number(digits: str) -> int:
    """The value of a run of digits, at most what 64 bits hold, however long the run is."""
    return min(int(digits), _LARGEST) if len(digits) < 20 else _LARGEST


def _share(used: int, limit: int) -> int:
    unit = 1024 if limit > _LARGE_LIMIT else 1
    return used // unit * 100 // (limit // unit) if limit else 0
