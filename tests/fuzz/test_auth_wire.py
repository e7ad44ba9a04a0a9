"""Any bytes are requests and replies, or a `WireError`; nothing else."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from couriermail.auth import ListReader, ReplyReader, RequestParser, WireError

SEEDS = [
    b"TCPREMOTEIP=1.2.3.4\nPRE . imap john\n",
    b"AUTH 23\nimap\nlogin\njane\nsecret\n",
    b"AUTH 40\nimap\ncram-md5\nPDE+\nam9obiAwMA==\n12345\n",
    b"PASSWD imap\tjohn\tx\ty\n",
    b"ENUMERATE\n",
    b"UID=1001\nGID=1001\nHOME=/home/john\nADDRESS=john\n.\n",
    b"a\t5\t6\t/h\tM\to=1\tz\n# c\n.\n",
]
ROUNDS = 3000


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The data with some bytes changed, doubled or lost."""
    octets = bytearray(data * chance.choice((1, 1, 1, 2, 50)))
    for _ in range(chance.randrange(6)):
        place = chance.randrange(len(octets) + 1)
        octets[place : place + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
    return bytes(octets)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda raw: repr(raw[:12]))
def test_mutated_bytes_raise_nothing_but_wire_errors(seed: bytes) -> None:
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        data = mutate(seed, chance)
        parser = RequestParser()
        with suppress(WireError):
            parser.receive_data(data)
            while (request := parser.next_request()) is not None:
                getattr(request, "cram", lambda: None)()
                getattr(request, "credentials", lambda: None)()
        with suppress(WireError):
            reader = ReplyReader()
            reader.receive_data(data)
            if reader.fields is not None:
                reader.fields.account("x")
        with suppress(WireError):
            for fields in ListReader().receive_data(data):
                assert fields.uid
