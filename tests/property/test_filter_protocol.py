"""Laws of the courierfilter protocol and of control files."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from couriermail.filter.courierfilter import (
    ControlFile,
    ControlRecord,
    FilterProtocolError,
    FilterReply,
    FilterRequest,
    ReplyReader,
    RequestReader,
)
from couriermail.filter.courierfilter.dupfilter import fingerprint
from couriermail.filter.courierfilter.ratefilter import local_submitter

paths = st.text(st.characters(exclude_characters="\n\0", codec="utf-8"), min_size=1, max_size=30)
texts = st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=30)
wires = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"250", b"550", b"-", b" ", b"\n", b"\r\n", b"x", b"/q/D", b"\0", b"\xff"]),
    max_size=12,
).map(b"".join)


def pieces(wire: bytes, cuts: list[int]) -> list[bytes]:
    """The octets, cut at some places."""
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[start:end] for start, end in pairwise(places)]


def read_request(wire: bytes, cuts: list[int]) -> FilterRequest | None:
    """The request in some octets, or None when it is none."""
    reader = RequestReader()
    try:
        for piece in pieces(wire, cuts):
            request = reader.feed(piece)
            if request is not None:
                return request
        reader.close()
    except FilterProtocolError:
        pass
    return None


def read_reply(wire: bytes, cuts: list[int]) -> FilterReply | None:
    """The reply in some octets, or None when it is none."""
    reader = ReplyReader()
    try:
        for piece in pieces(wire, cuts):
            reply = reader.feed(piece)
            if reply is not None:
                return reply
        return reader.close()
    except FilterProtocolError:
        return None


@given(paths, st.lists(paths, max_size=4), st.lists(st.integers(0, 500), max_size=6))
def test_a_request_arrives_as_it_was_sent(body: str, controls: list[str], cuts: list[int]) -> None:
    """Writing, splitting anywhere and reading gives the same request."""
    request = FilterRequest(body, tuple(controls))
    assert read_request(request.to_bytes(), cuts) == request


@given(st.integers(0, 999), st.lists(texts, min_size=1, max_size=4), st.lists(st.integers(0, 500)))
def test_a_reply_arrives_as_it_was_sent(code: int, lines: list[str], cuts: list[int]) -> None:
    """Writing, splitting anywhere and reading gives the same reply."""
    reply = FilterReply(f"{code:03d}", tuple(lines))
    assert read_reply(reply.to_bytes(), cuts) == reply


@given(wires, st.lists(st.integers(0, 500), max_size=6))
def test_the_pieces_do_not_matter(wire: bytes, cuts: list[int]) -> None:
    """Whatever the octets: the same outcome however they are split, and no other exception."""
    assert read_request(wire, cuts) == read_request(wire, [])
    assert read_reply(wire, cuts) == read_reply(wire, [])


@given(wires)
def test_a_reply_for_a_client_is_always_one_reply(wire: bytes) -> None:
    """No filter can put a line of its own between the lines of a reply."""
    reply = read_reply(wire, [])
    if reply is not None:
        lines = reply.reply.to_bytes().split(b"\r\n")
        assert len(lines) == len(reply.lines) + 1
        assert not any(b"\n" in line or b"\r" in line for line in lines)


@given(st.binary(max_size=200))
def test_reading_a_control_file_never_fails_and_changes_nothing(data: bytes) -> None:
    """Parse then serialise gives the lines back; all questions have an answer."""
    control = ControlFile.parse(data)
    expected = b"".join(line + b"\n" for line in data.split(b"\n") if line)
    assert control.to_bytes() == expected
    assert isinstance(control.sender + control.auth + control.queue_id + control.label, str)
    assert len(control.recipients) == sum(record.type == "r" for record in control.records)
    assert dict(control.options) is not None


@given(st.lists(st.tuples(st.sampled_from("sfetMrRNOuEi8"), st.text(max_size=20)), max_size=8))
def test_no_text_makes_a_record_of_its_own(records: list[tuple[str, str]]) -> None:
    """As many records are read as were written, whatever their text."""
    written = ControlFile(tuple(ControlRecord(kind, text) for kind, text in records))
    with contextlib.suppress(UnicodeEncodeError):  # half a surrogate pair is no text
        found = ControlFile.parse(written.to_bytes())
        assert [record.type for record in found.records] == [kind for kind, _ in records]


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"")), max_size=12))
def test_any_message_has_a_fingerprint_that_letters_alone_decide(lines: list[bytes]) -> None:
    """Digits, punctuation and blanks in the body change nothing."""
    body = [b"Subject: x\n", b"\n", *(line + b"\n" for line in lines)]
    noisy = [*body[:2], *(b"1 " + line[:-1] + b".,;\n" for line in body[2:]), b"\n", b"42\n"]
    assert fingerprint(body) == fingerprint(noisy)
    assert isinstance(local_submitter(body, 100), str)
