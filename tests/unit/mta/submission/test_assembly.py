"""The header that is queued (spec mta.md 6.3, 6.4, 19.1 P8)."""

from __future__ import annotations

import attrs
import pytest

from couriermail.mta.assembly import HeaderPolicy, RefusedHeaderError, Trace, assemble
from couriermail.rfc822 import Headers

TRACE = Trace(
    source="dns; localhost (localhost [127.0.0.1])",
    ident="uid 2001",
    me="mx.example.com",
    protocol="local",
    queue_id="000000000023A519.000000006B02A08C.000000BD",
    date="Sun, 22 Nov 2026 07:58:04 +0000",
    message_id_host="mx.example.com",
)
RECEIVED = (
    b"Received: from localhost (localhost [127.0.0.1])\n"
    b"  (uid 2001)\n"
    b"  by mx.example.com with local\n"
    b"  id 000000000023A519.000000006B02A08C.000000BD; Sun, 22 Nov 2026 07:58:04 +0000\n"
)


def body_of_header(block: bytes, policy: HeaderPolicy | None = None) -> bytes:
    """What stands between our Received and the empty line."""
    made = assemble(Headers(block), TRACE, policy or HeaderPolicy()).data
    assert made.startswith(RECEIVED)
    assert made.endswith(b"\n\n") or made == RECEIVED + b"\n"
    return made[len(RECEIVED) : -1]


NOTHING_ADDED = HeaderPolicy(add_message_id=False, add_date=False)
DEFAULTS = b"To: undisclosed-recipients: ;\n"


def test_p1_the_generated_fields() -> None:
    assert body_of_header(b"To: bob\n\n") == (
        b"To: bob\nMessage-ID: <courier.000000006B02A08C.000000BD@mx.example.com>\n"
        b"Date: Sun, 22 Nov 2026 07:58:04 +0000\n"
    )


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"\n", DEFAULTS),
        (b"", DEFAULTS),
        (b"Cc: x\n\n", b"Cc: x\n"),
        (b"to:x\n\n", b"to:x\n"),
        (b"Return-Path: <a@b>\nTo: x\n\n", b"Old-Return-Path: <a@b>\nTo: x\n"),
        (b"RETURN-PATH:<a@b>\nTo: x\n\n", b"Old-Return-Path:<a@b>\nTo: x\n"),
        (b"Bcc: y\nTo: x\n\n", b"Bcc: y\nTo: x\n"),
        (b"no colon here\nTo: x\n\n", b"no colon here\nTo: x\n"),
        (b"To: x\r\nX: y\r\n\r\n", b"To: x\nX: y\n"),
        (b"To: x", b"To: x\n"),
    ],
    ids=["empty", "none", "cc", "case", "path", "PATH", "bcc", "no colon", "crlf", "no line end"],
)
def test_fields_of_the_client(block: bytes, expected: bytes) -> None:
    assert body_of_header(block, NOTHING_ADDED) == expected


def test_bcc_goes_when_it_served_as_recipients() -> None:
    policy = attrs.evolve(NOTHING_ADDED, drop_bcc=True)
    assert body_of_header(b"To: x\nBcc: y,\n z\nSubject: s\n\n", policy) == b"To: x\nSubject: s\n"


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (b"X: y\n" * 499, 250),
        (b"X: y\n" * 500, 534),
        (b"Received: x\n" * 100, 250),
        (b"Received: x\n" * 101, 546),
        (b"X: " + b"y" * 99_990 + b"\n", 250),
        (b"X: " + b"y" * 100_000 + b"\n", 534),
    ],
    ids=["499 fields", "500 fields", "100 hops", "101 hops", "large", "too large"],
)
def test_p8_limits(block: bytes, code: int) -> None:
    try:
        assemble(Headers(block + b"\n"), TRACE, HeaderPolicy())
        found = 250
    except RefusedHeaderError as error:
        found = error.reply.code
    assert found == code


def test_only_address_fields_that_lack_a_domain_are_handed_to_the_rewriter() -> None:
    from couriermail.rfc822.headers import Field

    seen: list[bytes] = []

    def rewrite(field: Field) -> Field:
        seen.append(field.raw)
        return field

    block = (
        b"From: a@b.example\nTo: x, y@z\nCc: <q@r>, Name <s@t>\nSubject: bare\n"
        b"Reply-To: u\nErrors-To: v\nSender: w (comment) <x@y>\n\n"
    )
    body_of_header(block, attrs.evolve(NOTHING_ADDED, rewrite=rewrite))
    assert seen == [b"To: x, y@z\n", b"Reply-To: u\n", b"Sender: w (comment) <x@y>\n"]


def test_eight_bit_headers_are_noticed() -> None:
    assert assemble(Headers(b"Subject: \xe9\n\n"), TRACE, HeaderPolicy()).is_eight_bit
    assert not assemble(Headers(b"Subject: e\n\n"), TRACE, HeaderPolicy()).is_eight_bit


def test_a_hostile_address_field_takes_linear_time() -> None:
    import time

    block = b"To: " + b"a," * 40_000 + b"@\n\n"
    started = time.monotonic()
    assemble(Headers(block), TRACE, attrs.evolve(HeaderPolicy(), rewrite=lambda field: field))
    assert time.monotonic() - started < 5.0
