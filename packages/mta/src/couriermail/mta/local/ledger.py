"""What a delivery has done already, so that a retry does not do it again (spec mta.md 11.7).

An entry names one mailbox instruction of one exact text: the digest of the instruction file
and the instruction's number.  For instructions that a `||` command printed, the digest covers
the command's own place as well, so that two commands which print the same text are told
apart.  When the file changes, old entries match nothing.

The text form is entries separated by blanks; the scheduler stores it without reading it.
"""

from __future__ import annotations

import hashlib

import attrs

__all__ = ["Ledger", "nested_digest"]

_MAX_ENTRIES = 1000  # a file with more mailboxes delivers the rest again after a deferral


@attrs.define
class Ledger:
    """The finished mailbox deliveries of one recipient."""

    _entries: dict[str, None] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str) -> Ledger:
        """Read the text form; what is no entry of ours matches nothing."""
        return cls(dict.fromkeys(text.split()[:_MAX_ENTRIES]))

    def is_done(self, digest: str, number: int) -> bool:
        """True when this instruction of this text was finished by an earlier attempt."""
        return f"{digest}:{number}" in self._entries

    def record(self, digest: str, number: int) -> None:
        """Note that an instruction is finished; its mail is durable."""
        if len(self._entries) < _MAX_ENTRIES:
            self._entries[f"{digest}:{number}"] = None

    def __str__(self) -> str:
        return " ".join(self._entries)


def nested_digest(parent: str, number: int, digest: str) -> str:
    """The digest for a text that the `number`th instruction of the text `parent` printed."""
    return hashlib.sha256(f"{parent}:{number}:{digest}".encode()).hexdigest()[:16]
