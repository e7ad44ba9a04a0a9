"""The blocking shell: streams in, streams out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from couriermail.core import Reply
from couriermail.smtp import DataSink, EngineUseError, Rcpt, ServerConfig, Session, Sink
from couriermail.smtp.blocking import LineEndFixer, serve_streams

TALK = (
    b"EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
)


def reader(pieces: Iterable[bytes]) -> Callable[[], bytes]:
    waiting = iter(pieces)
    return lambda: next(waiting, b"")


def codes(output: bytes | bytearray) -> list[bytes]:
    return [line[:3] for line in bytes(output).splitlines() if line[3:4] == b" "]


def test_a_message_typed_on_standard_input_arrives() -> None:
    sink, output = Sink(), bytearray()

    session = serve_streams(sink, reader([TALK]), output.extend)

    assert codes(output) == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert [message.content for message in sink.messages] == [b"Subject: x\r\n\r\n.dot\r\n"]
    assert session.messages == 1


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_bare_line_feeds_get_their_cr_however_the_input_is_cut(size: int) -> None:
    text = TALK.replace(b"\r\n", b"\n")
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    sink, output = Sink(), bytearray()

    serve_streams(
        sink, reader(pieces), output.extend, config=ServerConfig(line_ends="lf"), add_cr=True
    )

    assert [message.content for message in sink.messages] == [b"Subject: x\n\n.dot\n"]


def test_without_the_fixer_a_bare_line_feed_ends_nothing() -> None:
    output = bytearray()

    serve_streams(Sink(), reader([b"NOOP\nQUIT\r\n"]), output.extend)

    assert codes(output) == [b"220", b"500"]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"a\nb\r\nc"], b"a\r\nb\r\nc"),
        ([b"a\r", b"\nb\n"], b"a\r\nb\r\n"),
        ([b"a\r", b"b\n", b"", b"\n"], b"a\rb\r\n\r\n"),
        ([b"a\n", b"\n\r\n"], b"a\r\n\r\n\r\n"),
        ([b"\r\r", b"\n"], b"\r\r\n"),
    ],
)
def test_line_ends_are_mended_across_pieces(pieces: list[bytes], expected: bytes) -> None:
    fixer = LineEndFixer()

    assert b"".join(map(fixer.feed, pieces)) == expected


def test_the_end_of_input_in_a_message_discards_it() -> None:
    sink, output = Sink(), bytearray()

    serve_streams(sink, reader([TALK.partition(b"\r\n.\r\n")[0]]), output.extend)

    assert sink.count == 0


class Ending(Sink):
    """Notes that the session is over."""

    ended = False

    def disconnect(self, session: Session) -> Reply | None:
        self.ended = True
        return None


def test_the_handler_hears_of_the_end_when_writing_fails() -> None:
    handler = Ending()

    def broken(data: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        serve_streams(handler, reader([TALK]), broken)

    assert handler.ended


class Waiting:
    """A handler of another shell."""

    async def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        return None

    def data(self, session: Session) -> DataSink:
        raise NotImplementedError


def test_a_handler_that_wants_to_wait_is_refused() -> None:
    with pytest.raises(EngineUseError, match="plain methods"):
        serve_streams(Waiting(), reader([TALK]), bytearray().extend)
