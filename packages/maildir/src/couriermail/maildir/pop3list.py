"""The messages of a maildir as POP3 shows them: `courierpop3dsizelist` (spec maildir 3.10, pop3 5).

    /3 NEXT UIDVALIDITY
    FILENAME SIZE NUMBER:UIDVALIDITY:EIGHTBIT
    ...

A message keeps its unique id (UIDL, RFC 1939 7) as long as its base name is in the maildir,
whatever becomes of its flags, and the file travels with the maildir.  Sizes are kept because
they count CRLF line ends, for which a message must be read.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, BinaryIO

import attrs

from couriermail.maildir.errors import MaildirMissingError
from couriermail.maildir.maintenance import accept_new
from couriermail.maildir.names import MaildirKey, arrival_order, key_of
from couriermail.maildir.scanning import scan
from couriermail.maildir.textfiles import read_text_file, store_text_file, taking_turns
from couriermail.maildir.virtualsize import VirtualSize

if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.maildir.entries import Entry

__all__ = ["POP3_FILE", "Pop3List", "Pop3Message", "list_for_pop3", "measure", "read_pop3_list"]

POP3_FILE = "courierpop3dsizelist"
_PIECE = 65536
_ESCAPED = frozenset("'\"+")


@attrs.frozen(kw_only=True)
class Pop3Message:
    """A message as POP3 shows it.

    Attributes:
        name: its file name in `cur`, flags included.
        size: octets with CRLF line ends.
        number: its own number, 0 in lists of very old servers.
        uidvalidity: goes with the number, 0 in old lists.
        is_eight_bit: its header has raw 8-bit octets, which a client must ask for.
    """

    name: str
    size: int
    number: int
    uidvalidity: int
    is_eight_bit: bool = False

    @property
    def key(self) -> MaildirKey:
        """What names the message whatever its flags are."""
        return key_of(self.name)

    @property
    def unique_id(self) -> str:
        """What UIDL reports (RFC 1939 7: printable ASCII without blanks)."""
        if not self.number:
            octets = os.fsencode(self.key)
            return "".join(chr(octet) if _is_plain(octet) else f"+{octet:02X}" for octet in octets)
        return f"UID{self.number}" + (f"-{self.uidvalidity}" if self.uidvalidity else "")


@attrs.frozen(kw_only=True)
class Pop3List:
    """What the file says.

    Attributes:
        uidvalidity: of messages that get their number now.
        next_number: the number that the next new message gets.
        messages: in order of arrival.
    """

    uidvalidity: int
    next_number: int = 1
    messages: tuple[Pop3Message, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Pop3List | None:
        """Read a list of version 2 or 3; None when it is neither.

        Lines that are not understood are passed over: their messages get new numbers.
        """
        header, *lines = data.decode("utf-8", "surrogateescape").split("\n")
        words = header.split()
        if len(words) != 3 or words[0] not in {"/2", "/3"} or not _are_numbers(words[1:]):
            return None
        found = (_message(line) for line in lines)
        return cls(
            next_number=int(words[1]),
            uidvalidity=int(words[2]),
            messages=tuple(message for message in found if message is not None),
        )

    def to_bytes(self) -> bytes:
        """The file's text, version 3."""
        lines = [f"/3 {self.next_number} {self.uidvalidity}"]
        lines += [
            f"{each.name} {each.size} {each.number}:{each.uidvalidity}:{int(each.is_eight_bit)}"
            for each in self.messages
        ]
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def read_pop3_list(directory: str | os.PathLike[str]) -> Pop3List | None:
    """The stored list, or None without one that can be used.

    Raises:
        MaildirStorageError: the file cannot be read.
    """
    data = read_text_file(f"{os.fspath(directory)}/{POP3_FILE}")
    return None if data is None else Pop3List.parse(data)


def measure(file: BinaryIO) -> tuple[int, bool]:
    """The octets of a message with CRLF line ends, and whether its header is 8-bit.

    Only the header of the whole message is looked at, not those of its parts.
    """
    size = VirtualSize()
    header: bytes | None = b"\n"  # so that a header of no lines ends as others do
    is_eight_bit = False
    while piece := file.read(_PIECE):
        size.feed(piece)
        if header is not None:
            header += piece
            end = _header_end(header)
            is_eight_bit = is_eight_bit or not header[:end].isascii()
            header = header[-2:] if end is None else None
    return size.octets, is_eight_bit


def list_for_pop3(
    directory: str | os.PathLike[str],
    *,
    now: float | None = None,
    measured: Callable[[BinaryIO], tuple[int, bool]] = measure,
) -> Pop3List:
    """Every message of a maildir with size and unique id; the stored list is brought up to date.

    New mail moves to `cur` first.  The file is written when something was added or vanished; a
    maildir without messages keeps none.

    Args:
        directory: the maildir.
        now: seconds since the epoch, the first uidvalidity; the system's clock when None.
        measured: size and 8-bit header of a message that is not on the list yet.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be read.
        MaildirError: the list cannot be stored; `read_pop3_list` gives the last good one.
    """
    path = os.fspath(directory)
    with taking_turns(path):
        accept_new(path)
        entries = [entry for entry in scan(path).values() if "\n" not in entry.name]
        entries.sort(key=lambda entry: arrival_order(entry.key))
        stored = read_pop3_list(path) if entries else None
        base = stored or Pop3List(uidvalidity=int(time.time() if now is None else now))
        current = _updated(base, entries, measured)
        before = {message.key for message in base.messages}
        if entries and before != {message.key for message in current.messages}:
            store_text_file(path, f"{path}/{POP3_FILE}", current.to_bytes(), unique="pop3")
    return current


def _updated(
    base: Pop3List, entries: list[Entry], measured: Callable[[BinaryIO], tuple[int, bool]]
) -> Pop3List:
    known = {message.key: message for message in base.messages}
    messages: list[Pop3Message] = []
    number = base.next_number
    for entry in entries:
        message = known.get(entry.key)
        if message is not None:
            messages.append(attrs.evolve(message, name=entry.name))
            continue
        try:
            with entry.open() as file:
                size, is_eight_bit = measured(file)
        except MaildirMissingError:
            continue  # gone since the scan
        message = Pop3Message(
            name=entry.name,
            size=size,
            number=number,
            uidvalidity=base.uidvalidity,
            is_eight_bit=is_eight_bit,
        )
        messages.append(message)
        number += 1
    return attrs.evolve(base, next_number=number, messages=tuple(messages))


def _message(line: str) -> Pop3Message | None:
    """One line, read from its right end: file names may hold blanks."""
    name, _, rest = line.rpartition(" ")
    name, _, size = name.rpartition(" ")
    numbers = rest.split(":")
    if not name or len(numbers) not in {2, 3} or not _are_numbers([size, *numbers]):
        return None
    return Pop3Message(
        name=name,
        size=int(size),
        number=int(numbers[0]),
        uidvalidity=int(numbers[1]),
        is_eight_bit=len(numbers) == 3 and numbers[2] != "0",
    )


def _are_numbers(words: list[str]) -> bool:
    return all(word.isascii() and word.isdecimal() and len(word) <= 19 for word in words)


def _is_plain(octet: int) -> bool:
    return 0x21 <= octet <= 0x7E and chr(octet) not in _ESCAPED


def _header_end(data: bytes) -> int | None:
    """Where the header ends, or None as long as its empty line has not come."""
    ends = [found for mark in (b"\n\n", b"\n\r\n") if (found := data.find(mark)) >= 0]
    return min(ends, default=None)
