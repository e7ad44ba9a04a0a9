"""Variable envelope return paths (spec mta.md 12.6)."""

from __future__ import annotations

import pytest

from couriermail.mta.verp import sender_for, verp_sender
from couriermail.queue import Envelope

LIST = "list@example.com"


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        (LIST, "bob-env@example.com", "list-bob+2Denv=example.com@example.com"),
        (LIST, "bob@example.com", "list-bob=example.com@example.com"),
        (LIST, "a=b@example.com", "list-a=b=example.com@example.com"),
        (LIST, "a@x=y", "list-a=x+3Dy@example.com"),
        (LIST, "a=b", "list-a+3Db@example.com"),
        (LIST, '"a@b"@c.test', 'list-"a+40b"=c.test@example.com'),
        (LIST, "x:y%z!w+v@[192.0.2.1]", "list-x+3Ay+25z+21w+2Bv=+5B192.0.2.1+5D@example.com"),
        (LIST, "host!user", "list-host+21user@example.com"),
        (LIST, "jörg@example.com", "list-jörg=example.com@example.com"),
        ("", "bob@example.com", ""),
        ("daemon", "bob@example.com", "daemon"),
    ],
    ids=[
        "the pinned example", "plain", "= before the @", "= behind the @", "= without an @",
        "two @", "all encoded letters", "bang path", "8 bit", "null sender", "sender without @",
    ],
)  # fmt: skip
def test_the_sender_names_the_recipient(sender: str, recipient: str, expected: str) -> None:
    assert verp_sender(sender, recipient) == expected


@pytest.mark.parametrize(("verp", "expected"), [(False, LIST), (True, "list-a=b@example.com")])
def test_only_a_message_that_asked_for_it_gets_it(verp: bool, expected: str) -> None:
    envelope = Envelope(sender=LIST, recipients=(), source="dns; x", verp=verp)
    assert sender_for(envelope, "a@b") == expected
