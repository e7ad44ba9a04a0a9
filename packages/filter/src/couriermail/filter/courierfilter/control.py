r"""Control files: what a filter learns about a message's envelope (spec filter 3.8, mta 8.1).

One record per line, its first octet is its type:

    >>> file = ControlFile.parse(b"sann@example.com\nM1.2.3\nrbob@example.com\nR\nN\n")
    >>> file.sender, file.queue_id, [recipient.address for recipient in file.recipients]
    ('ann@example.com', '1.2.3', ['bob@example.com'])

A filter may append records: a recipient (`r`, `R`, `N`), or that one is done
(`I0 R text`, `S0 1790000000`).  `added` makes them, whoever reads the file finds them in it.
Reading never fails: unknown types are kept, what makes no sense counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

__all__ = ["ControlFile", "ControlRecipient", "ControlRecord"]

SENDER, SOURCE, ENVID, RET, QUEUE_ID = "s", "f", "e", "t", "M"
RECIPIENT, ORIGINAL, NOTIFY = "r", "R", "N"
AUTH, OPTION, LABEL, EXPIRES, WARN = "i", "O", "u", "E", "W"
ATTEMPT, SUCCESS, FAILURE = "I", "S", "F"


@attrs.frozen
class ControlRecord:
    """One line: its type (one character) and the rest."""

    type: str
    text: str = ""


@attrs.frozen(kw_only=True)
class ControlRecipient:
    """One recipient.

    Attributes:
        address: where it goes.
        original: original recipient for reports (RFC 3461 4.2), or empty.
        notify: NOTIFY flags: letters of `SFD`, or `N`.
        is_finished: True when a record says that it is done.
        failed: True when it is done because it failed.
        lines: what was said about it (`I<n> R` records).
    """

    address: str
    original: str = ""
    notify: str = ""
    is_finished: bool = False
    failed: bool = False
    lines: tuple[str, ...] = ()


@attrs.frozen
class ControlFile:
    """The records of one control file, in their order."""

    records: tuple[ControlRecord, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> ControlFile:
        """Read a control file; a last line without its line end counts (spec filter 3.8)."""
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        return cls(tuple(ControlRecord(line[0], line[1:]) for line in lines if line))

    def to_bytes(self) -> bytes:
        """The file's octets.  A line end within a record would begin another: it is a blank."""
        return "".join(
            f"{record.type}{record.text.translate(_LINE_ENDS)}\n" for record in self.records
        ).encode("utf-8", "surrogateescape")

    def first(self, record_type: str) -> str | None:
        """The text of the first record of a type, or None."""
        return next(self.all(record_type), None)

    def all(self, record_type: str) -> Iterator[str]:
        """The texts of all records of a type."""
        return (record.text for record in self.records if record.type == record_type)

    @property
    def sender(self) -> str:
        """The envelope sender; empty for the null sender."""
        return self.first(SENDER) or ""

    @property
    def source(self) -> str:
        """`dns; HELO (HOST [IP])` of the client."""
        return self.first(SOURCE) or ""

    @property
    def queue_id(self) -> str:
        """The message's queue id, or empty."""
        return self.first(QUEUE_ID) or ""

    @property
    def auth(self) -> str:
        """The authenticated identity, or empty."""
        return self.first(AUTH) or ""

    @property
    def label(self) -> str:
        """The message source label, such as `smtp`."""
        return self.first(LABEL) or ""

    @property
    def options(self) -> Mapping[str, str]:
        """The saved environment (`O` records): `RELAYCLIENT`, `TCPREMOTEIP`, ..."""
        pairs = (text.partition("=") for text in self.all(OPTION))
        return {name: value for name, _, value in pairs}

    @property
    def remote_ip(self) -> str:
        """The client's IP address, or empty."""
        return self.options.get("TCPREMOTEIP", "")

    @property
    def recipients(self) -> tuple[ControlRecipient, ...]:
        """The recipients in the order that counts them, with what is said of each."""
        found: list[ControlRecipient] = []
        for record in self.records:
            if record.type == RECIPIENT:
                found.append(ControlRecipient(address=record.text))
            elif found and record.type == ORIGINAL:
                found[-1] = attrs.evolve(found[-1], original=record.text)
            elif found and record.type == NOTIFY:
                found[-1] = attrs.evolve(found[-1], notify=record.text)
            elif record.type in (ATTEMPT, SUCCESS, FAILURE):
                _note_outcome(found, record)
        return tuple(found)

    def added(self, records: Iterable[ControlRecord]) -> ControlFile:
        """The same file with more records at its end."""
        return ControlFile((*self.records, *records))


_LINE_ENDS = {ord("\n"): " "}


def _note_outcome(found: list[ControlRecipient], record: ControlRecord) -> None:
    """Take in one record about a recipient that was named before it."""
    word, _, rest = record.text.partition(" ")
    if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) < len(found)):
        return
    index = int(word)
    if record.type == ATTEMPT:
        kind, _, text = rest.partition(" ")
        if kind == "R":
            found[index] = attrs.evolve(found[index], lines=(*found[index].lines, text))
        return
    failed = record.type == FAILURE
    found[index] = attrs.evolve(found[index], is_finished=True, failed=failed)
