"""Times couriermail.rfc822 beside the standard library's `email`, in one run.

Run it with `python tests/bench/rfc822_parse.py`; it prints one line per claim, with the ratio or
rate that is promised.  The last lines are our own budgets, which have no peer.
"""

from __future__ import annotations

import base64
import email
import email.policy
import email.utils
import sys
import tempfile
import time
import tracemalloc
from binascii import a2b_base64
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from couriermail.rfc822 import (
    Base64Decoder,
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
CORPUS = [
    path.read_bytes()
    for path in sorted((Path(__file__).parents[1] / "data" / "messages").glob("*/*.eml"))
]


def best(work: Callable[[], object], *, repeat: int = 5, number: int = 1) -> float:
    """Seconds of one call: the best of some runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(number):
            work()
        times.append((time.perf_counter() - start) / number)
    return min(times)


def medians_of_both(
    ours: Callable[[], object], theirs: Callable[[], object], *, number: int, rounds: int = 11
) -> tuple[float, float]:
    """Seconds of one call of each: medians, taken by turns so that a busy machine slows both."""
    pairs = [
        (best(ours, repeat=1, number=number), best(theirs, repeat=1, number=max(number // 2, 1)))
        for _ in range(rounds)
    ]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


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


def ours_parts(data: bytes) -> object:
    """Parse and list the parts."""
    return [str(part.content_type) for part in Message(data).walk()]


def email_parts(data: bytes) -> object:
    """The same by `email` with its fast policy, compat32."""
    return [part.get_content_type() for part in email.message_from_bytes(data).walk()]


def ours_corpus() -> None:
    """The real messages of the tests, parts and four fields where they have them."""
    for data in CORPUS:
        message = Message(data)
        for part in message.walk():
            _ = str(part.content_type)
        headers = message.headers
        headers.get("Subject")
        for name in ("From", "To"):
            for address in headers.addresses(name):
                _ = (address.name, address.addr_spec)
        parse_date(headers.get("Date") or "")


def email_corpus() -> None:
    """The same by `email`; what it cannot read it may leave out."""
    for data in CORPUS:
        message = email.message_from_bytes(data, policy=email.policy.default)
        try:
            for part in message.walk():
                part.get_content_type()
            str(message["Subject"])
            for name in ("From", "To"):
                if message[name] is not None:
                    for address in message[name].addresses:
                        _ = (address.display_name, address.addr_spec)
            if message["Date"] is not None:
                _ = message["Date"].datetime
        except Exception:
            continue


def show(
    what: str, ours: float, theirs: float, *, peer: str = "email", wanted: float | None = None
) -> None:
    """Prints one comparison."""
    goal = "" if wanted is None else f"  (at least {wanted:g})"
    print(
        f"{what:44} ours {ours * 1e6:12.1f} us   {peer} {theirs * 1e6:12.1f} us"
        f"   ratio {theirs / ours:6.1f}{goal}"
    )


def compare_small() -> None:
    """Messages of 3 KB, and the pieces of their headers."""
    show(
        f"parse + parts + 4 fields, {len(SMALL)} octets",
        *medians_of_both(lambda: ours_whole(SMALL), lambda: email_whole(SMALL), number=200),
        wanted=10,
    )
    show(
        "parse + parts, beside compat32",
        *medians_of_both(lambda: ours_parts(SMALL), lambda: email_parts(SMALL), number=200),
        wanted=2,
    )
    show(
        f"the corpus: {len(CORPUS)} messages",
        *medians_of_both(ours_corpus, email_corpus, number=1, rounds=3),
        wanted=10,
    )
    show(
        "the same, parse + parts, beside compat32",
        *medians_of_both(
            lambda: [ours_parts(data) for data in CORPUS],
            lambda: [email_parts(data) for data in CORPUS],
            number=4,
        ),
        wanted=2,
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


def decode_stream(data: bytes, window: int = 65_536) -> int:
    """Base64 in windows, as bodies are read."""
    decoder = Base64Decoder()
    size = sum(
        len(decoder.feed(data[start : start + window])) for start in range(0, len(data), window)
    )
    return size + len(decoder.finish())


def compare_base64() -> None:
    """Decoding beside `binascii`, which does no less than this."""
    data = base64.encodebytes(bytes(range(57)) * 260_000)
    show(
        "decode 20 MB of base64 in windows",
        ours := best(lambda: decode_stream(data)),
        best(lambda: a2b_base64(data)),
        peer="binascii",
    )
    print(f"{'':44} {len(data) / ours / 1e6:12.0f} MB/s")


def peak_of(work: Callable[[], object]) -> int:
    """The most octets of Python memory that a call holds."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def show_memory() -> None:
    """Peak memory: octets given count as one, files as nothing."""
    data = make_big(BIG_BYTES)

    def read_bodies(message: Message) -> int:
        return sum(len(piece) for part in message.walk() for piece in part.iter_decoded())

    def from_file(size: int) -> int:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "big.eml"
            path.write_bytes(make_big(size))

            def walk() -> None:
                with Message.open(path) as message:
                    leaves = message.root.children
                    for leaf in leaves:
                        for _ in leaf.iter_decoded():
                            pass

            return peak_of(walk)

    extra = peak_of(lambda: list(Message(data).walk()))
    theirs = peak_of(lambda: email.message_from_bytes(data))
    print(
        f"{'memory of the tree of 20 MB given as bytes':44} {1 + extra / len(data):.2f} of its size"
        f" (less than 1.2); email {1 + theirs / len(data):.2f}"
    )
    with_bodies = peak_of(lambda: read_bodies(Message(data)))
    print(
        f"{'the same, container and parts streamed':44} {1 + with_bodies / len(data):.2f} of its size"
    )
    print(
        f"{'memory for a file, all bodies decoded':44} {from_file(BIG_BYTES // 4) / 1000:.0f} kB for"
        f" 5 MB, {from_file(BIG_BYTES) / 1000:.0f} kB for 20 MB"
    )


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
    compare_base64()
    show_memory()
    show_budgets()
    return 0


if __name__ == "__main__":
    sys.exit(main())
