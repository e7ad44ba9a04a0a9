"""Real messages, and what happens to them on the way: cut, changed, joined.

Nothing but an error of this room may come out, whatever goes in (spec rfc822 7).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couriermail.rfc822 import DeliveryStatus, Headers, Message, PushParser, parse_date

MESSAGES = Path(__file__).parents[1] / "data" / "messages"
PATHS = sorted(MESSAGES.glob("*/*.eml"))
CORPUS = [path.read_bytes() for path in PATHS]
NASTY = [
    b"",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"--",
    b"\n--",
    b"=?",
    b"?=",
    b"\0",
    b"\xff",
    b"=",
    b'"',
    b"(",
    b"<",
]
NASTY += [
    b";",
    b"boundary=",
    b"Mime-Version: 1.0\n",
    b"Content-Type: message/rfc822\n\n",
    b"*0*=",
    b"''",
]


def read_everything(data: bytes) -> None:
    message = Message(data)
    assert (
        b"".join(field.raw for field in message.headers) + message.headers.separator
        == message.headers.raw
    )
    for part in message.walk():
        start, end = part.span
        assert 0 <= start <= part.body_span[0] <= end <= len(data)
        assert isinstance(part.text(), str)
        part.content_defects()
        assert part.filename != ""
        DeliveryStatus.parse(part.decoded())
        for field in part.headers:
            assert isinstance(field.text, str)
            assert isinstance([str(address) for address in field.addresses()], list)
            parse_date(field.value)
    assert message.root.span == (0, len(data))


def push(data: bytes, size: int) -> list[tuple[int, int, int]]:
    parser = PushParser()
    for start in range(0, len(data), size):
        parser.feed(data[start : start + size])
    return [(e.start, e.body, e.end) for e in parser.close().walk()]


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 100


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_message_is_read_whole_and_in_pieces(path: Path) -> None:
    data = path.read_bytes()
    read_everything(data)
    pulled = [(p.span[0], *p.body_span) for p in Message(data).walk()]
    assert push(data, 1) == pulled
    assert push(data, 61) == pulled


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_line_ends_do_not_change_the_structure(path: Path) -> None:
    lf = path.read_bytes().replace(b"\r\n", b"\n")
    crlf = lf.replace(b"\n", b"\r\n")
    assert [(p.section, str(p.content_type)) for p in Message(crlf).walk()] == [
        (p.section, str(p.content_type)) for p in Message(lf).walk()
    ]
    assert Message(lf).root.size_with_crlf() == len(crlf)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_damaged_messages_are_read(data: st.DataObject) -> None:
    message = bytearray(data.draw(st.sampled_from(CORPUS))[:8000])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(message)))
        length = data.draw(st.sampled_from([0, 1, 2, 50, 1000]))
        message[place : place + length] = data.draw(st.sampled_from(NASTY) | st.binary(max_size=4))
    read_everything(bytes(message))
    pulled = [(p.span[0], *p.body_span) for p in Message(bytes(message)).walk()]
    assert push(bytes(message), data.draw(st.integers(1, 500))) == pulled


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CORPUS), min_size=2, max_size=3), st.integers(0, 3000))
def test_joined_messages_are_read(messages: list[bytes], cut: int) -> None:
    read_everything(b"".join(message[:cut] for message in messages))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_random_octets_are_read(data: bytes) -> None:
    read_everything(data)
    assert bytes(Headers(data)) == data[: len(Headers(data).raw)]
