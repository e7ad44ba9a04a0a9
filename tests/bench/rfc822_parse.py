"""Times couriermail.rfc822 beside the standard library's `email`, in one run.

Run it with `python tests/bench/rfc822_parse.py`; it prints one line per claim.  The last
lines are our own budgets, which have no peer.
"""

from __future__ import annotations

import base64
import email
import email.policy
import email.utils
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from couriermail.rfc822 import (
    HeaderReader,
    Message,
    PushParser,
    format_date,
    parse_addresses,
    parse_date,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = b"""\
Received: from mx.example.net (mx.example.net [192.0.2.7])
  by mail.example.com with ESMTPS
  id 0000000000000001.0000000065A0B1C2.00001234; Tue, 14 Nov 2023 22:13:20 +0000
Return-Path: <bounce@example.net>
Message-ID: <20231114221320.1234@example.net>
Date: Tue, 14 Nov 2023 17:13:20 -0500
From: =?utf-8?Q?Zo=C3=AB_Example?= <zoe@example.net>
To: "Smith, Bob" <bob@example.com>, Carol <carol@example.com>,
  dave@example.com
Cc: team: a@example.com, b@example.com;
Subject: =?utf-8?B?UXVhcnRlcmx5IHJlcG9ydCDigJQgZHJhZnQ=?= for review
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_0123456789abcdef"
"""
PARTS = (
    b"\nThis is MIME.\n"
    b"\n--=_0123456789abcdef\nContent-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: quoted-printable\n\n"
    + b"Hello =C3=A9 world, this is a line of text for reading.\n"
    * 15
    + b"\n--=_0123456789abcdef\nContent-Type: text/html; charset=utf-8\n"
    b"Content-Transfer-Encoding: 7bit\n\n<html><body>\n"
    + b"<p>Hello world, this is a line of text for reading.</p>\n" * 18
    + b"</body></html>\n\n--=_0123456789abcdef--\n"
)
SMALL = HEADER + PARTS
BIG_BYTES = 20_000_000


def best(work: Callable[[], object], *, repeat: int = 5, number: int = 1) -> float:
    """Seconds of one call: the best of some runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(number):
            work()
        times.append((time.perf_counter() - start) / number)
    return min(times)


def make_big(size: int) -> bytes:
    """A multipart/mixed with ten base64 attachments."""
    line = base64.b64encode(bytes(range(57))) + b"\n"
    attachment = line * (size // 10 // len(line))
    head = b'Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_big"\n\n'
    part = (
        b"--=_big\nContent-Type: application/octet-stream\n"
        b"Content-Transfer-Encoding: base64\n\n" + attachment
    )
    return head + part * 10 + b"--=_big--\n"


def ours_whole(data: bytes) -> object:
    """Parse, visit the parts, decode four fields."""
    message = Message(data)
    parts = [(str(part.content_type), part.body_span) for part in message.walk()]
    headers = message.headers
    sender, recipients = headers.addresses("From"), headers.addresses("To")
    return (
        parts,
        headers["Subject"],
        sender[0].name,
        [address.addr_spec for address in recipients],
        parse_date(headers["Date"]),
    )


def email_whole(data: bytes) -> object:
    """The same by `email` with its default policy."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = [part.get_content_type() for part in message.walk()]
    return (
        parts,
        str(message["Subject"]),
        message["From"].addresses[0].display_name,
        [address.addr_spec for address in message["To"].addresses],
        message["Date"].datetime.timestamp(),
    )


def show(what: str, ours: float, theirs: float) -> None:
    """Prints one comparison."""
    print(
        f"{what:44} ours {ours * 1e6:12.1f} us   email {theirs * 1e6:12.1f} us"
        f"   ratio {theirs / ours:6.1f}"
    )


def compare_small() -> None:
    """Messages of 3 KB, and the pieces of their headers."""
    show(
        f"parse + parts + 4 fields, {len(SMALL)} octets",
        best(lambda: ours_whole(SMALL), number=200),
        best(lambda: email_whole(SMALL), number=20),
    )
    addresses = "Joe Doe <joe@example.com>, bob@example.com, (x) c@d"
    show(
        "parse three addresses",
        best(lambda: parse_addresses(addresses), number=500),
        best(lambda: email.utils.getaddresses([addresses]), number=500),
    )
    date = "Tue, 14 Nov 2023 17:13:20 -0500"
    show(
        "parse a date",
        best(lambda: parse_date(date), number=1000),
        best(lambda: email.utils.parsedate_to_datetime(date), number=1000),
    )
    show(
        "format a date",
        best(lambda: format_date(1700000000, -18000), number=5000),
        best(lambda: email.utils.formatdate(1700000000), number=5000),
    )


def compare_big() -> None:
    """The structure of 20 MB, mapped, in memory and in pieces."""
    data = make_big(BIG_BYTES)
    theirs = best(lambda: email.message_from_bytes(data, policy=email.policy.default), repeat=1)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "big.eml"
        path.write_bytes(data)

        def mapped() -> None:
            with Message.open(path) as message:
                for _ in message.walk():
                    pass

        mapped()
        show("structure of 20 MB, mapped", ours := best(mapped), theirs)
        print(f"{'':44} {len(data) / ours / 1e6:12.0f} MB/s")

    def pushed() -> None:
        parser = PushParser()
        for start in range(0, len(data), 65536):
            parser.feed(data[start : start + 65536])
        parser.close()

    show("structure of 20 MB, pushed in 64 KiB pieces", ours := best(pushed, repeat=3), theirs)
    print(f"{'':44} {len(data) / ours / 1e6:12.0f} MB/s")


def show_budgets() -> None:
    """What the submission path pays per message."""

    def read_header() -> None:
        reader = HeaderReader()
        reader.feed(SMALL)
        for field in reader.headers:
            _ = field.key

    print(
        f"{'read and split a header of 10 fields':44} {best(read_header, number=2000) * 1e6:9.1f} us"
    )


def main() -> int:
    """Runs all of them."""
    compare_small()
    compare_big()
    show_budgets()
    return 0


if __name__ == "__main__":
    sys.exit(main())
