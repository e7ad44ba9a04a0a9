"""The messages that are sent, and the comparison of what arrived with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

from couriermail.rfc822 import Headers

__all__ = ["Letter", "find_letters", "mismatch"]

MARK = b"X-Demo-Number"
ADDED_FIRST = (b"delivered-to", b"return-path", b"received")
ADDED_LAST = (b"message-id", b"date", b"to")
COMPLETED = frozenset({b"to", b"cc", b"from", b"reply-to", b"sender"})


@attrs.frozen
class Letter:
    """One message as it goes over the wire, with LF line ends here.

    Attributes:
        number: its mark; also a header field, so that it is found again.
        name: the file it came from.
        data: the message, mark included.
    """

    number: int
    name: str
    data: bytes

    @property
    def wire(self) -> bytes:
        """The message with CRLF line ends, as SMTP wants it (RFC 5321 2.3.8)."""
        return self.data.replace(b"\n", b"\r\n")


def find_letters(directory: Path) -> list[Letter]:
    """Every .eml file below a directory, in order of name."""
    letters = []
    for number, path in enumerate(sorted(directory.rglob("*.eml")), start=1):
        data = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not data.endswith(b"\n"):
            data += b"\n"
        mark = b"%s: %d\n" % (MARK, number)
        letters.append(Letter(number, str(path.relative_to(directory)), mark + data))
    return letters


def number_of(delivered: bytes) -> int | None:
    """The mark of a delivered message, or None for one that we did not send."""
    field = Headers(delivered).field(MARK.decode())
    return int(field.raw_value) if field is not None else None


def mismatch(letter: Letter, delivered: bytes) -> str:
    """What differs between a letter and its delivered copy, or "" if only transport's part does.

    Bodies are compared byte for byte.  Header fields too, except that transport puts
    `Delivered-To`, `Return-Path` and `Received` in front, appends what was missing, renames an
    old `Return-Path` and completes addresses without a domain.
    """
    sent, got = Headers(letter.data), Headers(delivered)
    sent_body = letter.data[len(sent.raw) :]
    got_body = delivered[len(got.raw) :]
    if sent_body != got_body:
        return f"body differs: {len(sent_body)} bytes sent, {len(got_body)} delivered"
    wanted = [field.raw for field in sent]
    found = [field.raw for field in got]
    if [_key(raw) for raw in found[: len(ADDED_FIRST)]] != list(ADDED_FIRST):
        return "transport's own fields are not in front"
    found = found[len(ADDED_FIRST) :]
    extra = found[len(wanted) :]
    if any(_key(raw) not in ADDED_LAST for raw in extra):
        return f"unexpected header {extra}"
    for before, after in zip(wanted, found, strict=False):
        if before != after and not _is_transports_change(before, after):
            return f"header changed: {before!r} became {after!r}"
    return "" if len(found) >= len(wanted) else "a header field is missing"


def _is_transports_change(before: bytes, after: bytes) -> bool:
    if not before.endswith(b"\n"):
        before += b"\n"  # a header without a body gets its last line end
    if before == after:
        return True
    if _key(before) == b"return-path":
        return after == b"Old-Return-Path" + before[len(b"Return-Path") :]
    if _key(before) not in COMPLETED or _key(after) != _key(before):
        return False
    return _words(before) <= _words(after) | {b""} or _domains_added(before, after)


def _domains_added(before: bytes, after: bytes) -> bool:
    return _squeezed([after]).replace(b"@demo.test", b"") == _squeezed([before])


def _words(raw: bytes) -> set[bytes]:
    return set(raw.replace(b",", b" ").replace(b"@demo.test", b"").split())


def _squeezed(lines: Iterable[bytes]) -> bytes:
    return b"".join(b"".join(lines).split())


def _key(raw: bytes) -> bytes:
    return raw.partition(b":")[0].strip().lower()
