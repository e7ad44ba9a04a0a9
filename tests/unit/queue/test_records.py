from __future__ import annotations

import math

import attrs
import pytest

from couriermail.queue import Envelope, Recipient, parse_number
from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.records import (
    INLINE,
    BodyRef,
    decode_message,
    due_key,
    encode_message,
    first_due,
    micros,
    split_due_key,
)

BODY = BodyRef(INLINE, 0, 4, 7)
FULL = Envelope(
    sender="s\u00e4nder@example.com",
    recipients=(
        Recipient(address="a@b"),
        Recipient(address="c@d", original="rfc822;C@D", notify="SF"),
    ),
    source="dns; x",
    ident="id",
    label="smtp",
    envid="e+20",
    ret="H",
    auth="<>",
    smtputf8=True,
    eight_bit=True,
    security="STARTTLS",
    vhost="v",
    verp=True,
    expires=1.5e9,
    warn=1.4e9,
    delay=2.5,
    user="joe",
    uid=1000,
    options={"A": "b"},
)
RECORD = encode_message(0x6B059CE1, 0xA4232889, 10_000_000, FULL, BODY) + b"body"


def test_every_field_of_an_envelope_survives() -> None:
    record = decode_message(5, RECORD)

    assert record.envelope == FULL
    assert record.id == "0000000000000005.000000006B059CE1.A4232889"
    assert record.arrival == 10_000_000
    assert record.first_due == first_due(RECORD) == 12_500_000
    assert RECORD[record.inline_at :] == b"body"


def test_a_lone_surrogate_survives() -> None:
    envelope = attrs.evolve(FULL, sender="\udc80@\ud800")

    assert decode_message(1, encode_message(1, 1, 1, envelope, BODY) + b"body").envelope == envelope


@pytest.mark.parametrize("position", range(0, len(RECORD) - 4, 3))
def test_a_flipped_octet_is_corruption(position: int) -> None:
    damaged = bytearray(RECORD)
    damaged[position] ^= 0x40

    with pytest.raises(CorruptMessageError):
        decode_message(5, bytes(damaged))


@pytest.mark.parametrize("length", [0, 1, 10, 60, len(RECORD) - 5, len(RECORD) - 1])
def test_a_short_record_is_corruption(length: int) -> None:
    with pytest.raises(CorruptMessageError):
        decode_message(5, RECORD[:length])


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        pytest.param(0.0, 0, id="zero"),
        pytest.param(-5.0, 0, id="before-the-epoch"),
        pytest.param(1.25, 1_250_000, id="fraction"),
        pytest.param(math.nan, 0, id="nan"),
        pytest.param(math.inf, (1 << 63) - 1024, id="never"),
    ],
)
def test_times_fit_a_key(epoch: float, expected: int) -> None:
    assert micros(epoch) == expected
    assert split_due_key(due_key(micros(epoch), 3)) == (expected, 3)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("00000000000000FF.000000006B059CE1.A4232889", 255, id="id"),
        pytest.param("00000000000000ff.000000006B059CE1.A4232889", None, id="lower-case"),
        pytest.param("FF.6B059CE1.A4232889", None, id="short"),
        pytest.param("00000000000000FF.000000006B059CE1.A423288", None, id="one-digit-less"),
        pytest.param("+0000000000000FF.000000006B059CE1.A4232889", None, id="sign"),
        pytest.param("", None, id="empty"),
    ],
)
def test_ids_are_parsed_exactly(text: str, number: int | None) -> None:
    assert parse_number(text) == number
