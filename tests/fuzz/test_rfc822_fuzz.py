"""Every reader of the room on hostile input: only our errors come out, in linear time.

The short run takes part in every test run; `-m slow` (in `make test-all`) draws
SLOW_EXAMPLES inputs for each target.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couriermail.rfc822 import (
    DispositionNotification,
    FeedbackReport,
    Forward,
    HeaderReader,
    Headers,
    Message,
    PushParser,
    Reply,
    Rfc822Error,
    ThreadMessage,
    autoreply_obstacle,
    base_subject,
    contains_text,
    decode_header,
    decode_imap_utf7,
    decode_smap,
    decode_typed_address,
    decode_words,
    draw_tree,
    encode_addresses,
    encode_words,
    format_addresses,
    format_salutation,
    is_clean_list,
    parse_address_list,
    parse_date,
    parse_flowed,
    parse_groups,
    parse_message_ids,
    parse_parameters,
    parse_quoted,
    read_delivery_status,
    rewrap,
    strip_subject,
    thread_by_references,
    write_feed,
    write_flowed,
)

EXAMPLES = 150
SLOW_EXAMPLES = 20_000

CORPUS = [
    path.read_bytes()[:6000]
    for path in sorted((Path(__file__).parents[1] / "data" / "messages").glob("*/*.eml"))
]
WORDS = [
    b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b"\xff", b"\xc3", b" ", b"\t", b":", b";", b",", b"=", b"?", b"*",
    b'"', b"'", b"\\", b"(", b")", b"<", b">", b"@", b"[", b"]", b"{", b"}", b"%", b"&", b"-", b"--", b"=?", b"?=",
    b"=?utf-8?q?", b"=?utf-8?b?w6k=?=", b"=?x?q?y?=", b"*0*=", b"*1=", b"utf-8''", b"%C3", b"=C3", b"=\n",
    b"From: ", b"To: ", b"Subject: ", b"Date: ", b"Message-ID: ", b"References: ", b"Re: ", b"[x] ", b"(fwd)",
    b"Mime-Version: 1.0\n", b"Content-Type: ", b"multipart/mixed", b"multipart/report", b"message/rfc822\n\n",
    b"text/plain", b"; boundary=A", b"; charset=", b"utf-7", b"iso-2022-jp", b"; format=flowed", b"; delsp=yes",
    b"; report-type=delivery-status", b"Content-Transfer-Encoding: ", b"base64\n", b"quoted-printable\n",
    b"\n--A\n", b"\n--A--\n", b"message/delivery-status\n\n", b"Final-Recipient: rfc822; a@b\n", b"Action: failed\n",
    b"Content-Disposition: attachment; filename=", b"1 Jan 2000 ", b"10:00:00", b"+0100", b"xn--", b"xn--a", b"\\x{41}", b"+41",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=60).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real message, damaged in a few places."""
    message = bytearray(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(message)))
        length = draw(st.sampled_from([0, 1, 2, 50, 1000]))
        message[place : place + length] = draw(st.sampled_from(WORDS) | st.binary(max_size=4))
    return bytes(message)


INPUTS = HOSTILE | st.binary(max_size=300) | damaged()


def read_message(data: bytes) -> None:
    message = Message(data)
    assert bytes(message) == data
    for part in message.walk():
        start, end = part.span
        assert 0 <= start <= part.body_span[0] <= end <= len(data)
        assert b"".join(part.iter_decoded()) == part.decoded()
        for defect in (*part.defects, *part.header_defects(), *part.content_defects()):
            assert 0 <= defect.offset <= len(data)
            assert defect.description
        assert message.find(part.section) is not None
    assert message.root.span == (0, len(data))
    try:
        message.validate()
    except Rfc822Error:
        assert message.defects(with_content=True, with_headers=True)


def push_message(data: bytes) -> None:
    def shape(parser: PushParser) -> list[tuple[object, ...]]:
        return [(e.start, e.body, e.end, tuple(e.defects)) for e in parser.close().walk()]

    pieces, whole = PushParser(), PushParser()
    whole.feed(data)
    size = 1 + len(data) % 7
    for place in range(0, len(data), size):
        pieces.feed(data[place : place + size])
    assert shape(pieces) == shape(whole)


def read_header(data: bytes) -> None:
    headers = Headers(data)
    assert b"".join(field.raw for field in headers) + headers.separator == headers.raw
    for field in headers:
        assert isinstance(field.text, str)
        for name in ("To", "Subject", "X"):
            assert isinstance(decode_header(name, field.raw_value), str)
    autoreply_obstacle(headers)
    format_salutation(headers, "%F %f %d %s %i %{%Y}d")
    thread_by_references([ThreadMessage.of_headers(n, headers, number=n) for n in (1, 2)])
    reader = HeaderReader(max_bytes=200)
    reader.feed(data)
    reader.close()


def read_values(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    elements = parse_address_list(data)
    format_addresses(encode_addresses(elements))
    parse_groups(data)
    is_clean_list(text)
    parse_parameters(data)
    parse_date(data)
    parse_message_ids(data)
    base_subject(text)
    strip_subject(text)
    decode_typed_address(text)
    assert decode_words(encode_words(decode_words(text))) is not None


def read_text(data: bytes) -> None:
    text = data.decode("latin-1")
    for flowed in (True, False):
        for delsp in (True, False):
            write_flowed(rewrap(parse_flowed(text, flowed=flowed, delsp=delsp)), delsp=delsp)
    write_flowed(parse_quoted(text))


def read_folder_name(data: bytes) -> None:
    text = data.decode("latin-1")
    for decode in (decode_imap_utf7, decode_smap):
        try:
            decode(text)
        except Rfc822Error:
            continue


def read_reports(data: bytes) -> None:
    message = Message(data)
    read_delivery_status(message)
    DispositionNotification.parse(data)
    FeedbackReport.parse(data)
    assert isinstance(b"".join(write_feed(message)), bytes)
    contains_text(message, "a b")
    assert all(line.isprintable() for line in draw_tree(message))


def answer_message(data: bytes) -> None:
    original = Message(data)
    for answer in (Reply(original=original, mode="replyall"), Forward(original=original)):
        assert b"Mime-Version: 1.0\n" in bytes(answer)


def edit_message(data: bytes) -> None:
    message = Message(data)
    editor = message.edit()
    parts = list(message.walk())
    editor.set_field("Subject", "x", parts[-1])
    try:
        editor.remove_part(parts[len(parts) // 2])
        editor.set_content(parts[-1], b"x\n--A\n")
    except Rfc822Error:
        pass
    assert Message(bytes(editor)).root is not None


def read_sections(data: bytes) -> None:
    text = data.decode("latin-1")
    message = Message(data)
    message.find(text)
    message.find_imap(text)
    for section in ("", "1", "1.1", "TEXT", "1.MIME", "HEADER.FIELDS (Subject)"):
        found = message.find_imap(section)
        assert found is None or len(found.octets()) <= len(data)


TARGETS = [
    read_message, push_message, read_header, read_values, read_text, read_folder_name, read_reports,
    answer_message, edit_message, read_sections,
]  # fmt: skip
targets = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)


def fuzz(target: Callable[[bytes], None], examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(INPUTS)
    def run(data: bytes) -> None:
        try:
            target(data)
        except Rfc822Error:
            # headers over the limit, fields that cannot be copied: an answer, not a failure
            assert target in (read_header, answer_message)

    run()


@targets
def test_hostile_input_raises_nothing_but_our_errors(target: Callable[[bytes], None]) -> None:
    fuzz(target, EXAMPLES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@targets
def test_a_long_run_finds_nothing(target: Callable[[bytes], None]) -> None:
    fuzz(target, SLOW_EXAMPLES)
