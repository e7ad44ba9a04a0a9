"""What submission does to a message's header, and nothing else (spec mta.md 6.3, 6.4).

In: the header block as the client sent it.  Out: our `Received:`, the client's fields in their
order, then what was missing: `Message-ID:`, `Date:`, `To:`.  Fields that need no change go
through byte for byte; an address field is rewritten only if one of its addresses lacks a
domain.  No clock, no random numbers, no configuration: all of it comes as arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from couriermail.core import Reply
from couriermail.rfc822.headers import Field, Headers

__all__ = ["AssembledHeader", "HeaderPolicy", "RefusedHeaderError", "Trace", "assemble"]

MAX_FIELDS = 500  # the 500th is refused (spec mta.md 6.3)
MAX_HEADER_BYTES = 100_000
MAX_RECEIVED = 100  # RFC 5321 6.3: loops are found by counting

ADDRESS_FIELDS = frozenset({b"to", b"cc", b"from", b"reply-to", b"sender"})
RECIPIENT_FIELDS = frozenset({b"to", b"cc", b"bcc"})

# An address list in which each entry plainly has a domain: nothing to do, and most are like this.
_WORD = rb"[^\s<>()@,:;\"\\]++"
_PLAIN_ENTRY = (
    rb"\s*+(?:"
    + _WORD
    + rb"@"
    + _WORD
    + rb"|[^<>()@,:;\"\\]*+<"
    + _WORD
    + rb"@"
    + _WORD
    + rb">)\s*+"
)  # possessive throughout: a hostile header must not make it backtrack
_PLAIN_LIST = re.compile(_PLAIN_ENTRY + rb"(?:," + _PLAIN_ENTRY + rb")*+\Z")


class RefusedHeaderError(Exception):
    """The header breaks a limit; carries the reply for the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@attrs.frozen(kw_only=True)
class Trace:
    """What `Received:` and a generated `Message-ID:` say (spec mta.md 6.4).

    Attributes:
        source: `dns; HELO (HOST [IP])`; only the part behind the semicolon is printed.
        ident: text for the parentheses on the second line, or "".
        me: this host's name, ACE form.
        protocol: `ESMTPS`, `local`, ...
        queue_id: the message's queue id.
        date: the submission's time, RFC 5322 form.
        message_id_host: right side of a generated Message-ID, ACE form.
    """

    source: str
    ident: str = ""
    me: str
    protocol: str
    queue_id: str
    date: str
    message_id_host: str

    def received(self) -> bytes:
        """The `Received:` field."""
        origin = _one_line(self.source.partition(";")[2].strip() or self.source)
        ident = f"\n  ({_one_line(self.ident)})" if self.ident else ""
        text = (
            f"Received: from {origin}{ident}\n  by {self.me} with {self.protocol}\n"
            f"  id {self.queue_id}; {self.date}\n"
        )
        return text.encode("utf-8", "surrogateescape")

    def message_id(self) -> bytes:
        """A `Message-ID:` field; unique because queue ids are."""
        _, time, number = self.queue_id.split(".")
        return f"Message-ID: <courier.{time}.{number}@{self.message_id_host}>\n".encode()


@attrs.frozen(kw_only=True)
class HeaderPolicy:
    """Which changes are wanted.

    Attributes:
        add_message_id: add a Message-ID where there is none.
        add_date: add a Date where there is none.
        drop_bcc: leave `Bcc` out (when it served as a list of recipients).
        rewrite: completes the addresses of one address field that lack a domain;
            None to rewrite nothing.
        max_bytes: limit for the whole header (BOFHHEADERLIMIT).
    """

    add_message_id: bool = True
    add_date: bool = True
    drop_bcc: bool = False
    rewrite: Callable[[Field], Field] | None = None
    max_bytes: int = MAX_HEADER_BYTES


@attrs.frozen
class AssembledHeader:
    """The header as it is queued.

    Attributes:
        data: the bytes, empty line included.
        is_eight_bit: True when a byte above 127 is among them.
    """

    data: bytes
    is_eight_bit: bool


def assemble(headers: Headers, trace: Trace, policy: HeaderPolicy) -> AssembledHeader:
    """Make the header that is queued from the one that came.

    Raises:
        RefusedHeaderError: too many fields or bytes (534), too many `Received:` (546).
    """
    fields = headers.fields
    if len(fields) >= MAX_FIELDS or len(headers.raw) > policy.max_bytes:
        raise RefusedHeaderError(
            Reply(534, "Message header size exceeds policy limit.", enhanced="5.3.4")
        )
    out = [trace.received()]
    seen: set[bytes] = set()
    received = 0
    for field in fields:
        key = field.key
        seen.add(key)
        if key == b"received":
            received += 1
        elif key in ADDRESS_FIELDS:
            field = _with_domains(field, policy)  # noqa: PLW2901 - the same field, rewritten
        elif key == b"return-path":
            field = field.renamed("Old-Return-Path")  # noqa: PLW2901
        elif key == b"bcc" and policy.drop_bcc:
            continue
        out.append(_with_lf(field.raw))
    if received > MAX_RECEIVED:
        raise RefusedHeaderError(
            Reply(
                546,
                "Routing loop detected -- too many Received: headers.",
                enhanced="5.4.6",
            )
        )
    out.extend(_missing(seen, trace, policy))
    out.append(b"\n")
    data = b"".join(out)
    return AssembledHeader(data, not data.isascii())


def _with_domains(field: Field, policy: HeaderPolicy) -> Field:
    if policy.rewrite is None or _PLAIN_LIST.match(field.raw_value):
        return field
    return policy.rewrite(field)


def _missing(seen: set[bytes], trace: Trace, policy: HeaderPolicy) -> list[bytes]:
    missing = []
    if policy.add_message_id and b"message-id" not in seen:
        missing.append(trace.message_id())
    if policy.add_date and b"date" not in seen:
        missing.append(f"Date: {trace.date}\n".encode())
    if b"to" not in seen and b"cc" not in seen:
        missing.append(b"To: undisclosed-recipients: ;\n")
    return missing


def _with_lf(raw: bytes) -> bytes:
    """A field with LF line ends, the last line ended too: mail inside the system has no CR."""
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n")
    return raw if raw.endswith(b"\n") else raw + b"\n"


def _one_line(text: str) -> str:
    """Text from a client without control characters: it must not start a field of its own."""
    return "".join(character if character.isprintable() else "_" for character in text)
