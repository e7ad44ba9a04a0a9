"""Events and replies depend on the bytes, not on how the network cut them (RFC 5321 2.3.8, RFC 2920).

The two barriers of the engine (bytes behind STARTTLS, bytes behind a refused DATA) depend on time by
design and are left out here; `tests/unit/smtp` has them.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.core import Reply
from couriermail.smtp import (
    DataChunk,
    DataDiscarded,
    DataEnd,
    DataStart,
    ServerConfig,
    ServerEngine,
)
from couriermail.smtp.config import BarePolicy, LineEnds
from couriermail.smtp.content import Content, DotReader
from couriermail.smtp.events import AWAITS_REPLY

# Words from which messages and commands are made: everything that a reader could take for a line end
NASTY = st.sampled_from(
    [b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\n.\n", b"..", b"a", b"\0", b"\r\r\n", b"x" * 70]
)
BODY = st.lists(NASTY, max_size=30).map(b"".join)
COMMAND = st.sampled_from(
    [
        b"NOOP\r\n", b"RSET\r\n", b"EHLO x\r\n", b"FOO\r\n", b"\r\n", b"NOOP\nRSET\r\n", b"VRFY a\r\n",
        b"MAIL FROM:<a@b.test> SIZE=1\r\n", b"MAIL FROM:<a@b.test> EXDATA\r\n", b"RCPT TO:<c@d.test>\r\n", b"RCPT TO:<>\r\n",
        b"NOOP " + b"y" * 3000 + b"\r\n", b"BDAT 3\r\na\r\n", b"BDAT 2 LAST\r\n\n\r", b"BDAT 0 LAST\r\n",
    ]
)  # fmt: skip
TRANSACTION = st.builds(
    lambda mail, body: (
        b"RSET\r\n" + mail + b"\r\nRCPT TO:<c@d.test>\r\nDATA\r\n" + body + b"\r\n.\r\n"
    ),
    st.sampled_from([b"MAIL FROM:<a@b.test>", b"MAIL FROM:<a@b.test> EXDATA"]),
    BODY,
)
DIALOGUE = st.lists(COMMAND | TRANSACTION, max_size=8).map(
    lambda parts: b"EHLO c\r\n" + b"".join(parts)
)
CONFIGS = st.builds(
    ServerConfig,
    line_ends=st.sampled_from(["crlf", "lf"]),
    bare=st.sampled_from(["reject", "normalize", "keep"]),
    chunking=st.booleans(),
    exdata=st.just(True),  # a refused MAIL would lead to the second barrier
    mode=st.just("smtp"),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def answer_message(engine: ServerEngine) -> None:
    """Answer the end of a message: per recipient where the client said EXDATA."""
    session = engine.session
    if session.mail is not None and session.mail.exdata:
        engine.reply_each([Reply(550, "no\nnever")] * len(session.recipients))
    else:
        engine.reply(Reply(250, "stored"))


def run(pieces: list[bytes], config: ServerConfig) -> tuple[list[object], bytes]:
    """All events, the chunks of each message joined, and all output.

    A refused message is one event whatever came out of it before the refusal.
    """
    engine = ServerEngine(config)
    seen: list[object] = []
    message = b""
    out = b""
    for piece in [b"", *pieces]:
        engine.receive(piece)
        while (event := engine.next_event()) is not None:
            if isinstance(event, DataChunk):
                message += event.data
                continue
            if isinstance(event, DataEnd):
                seen.append(message)
            if isinstance(event, DataStart | DataDiscarded):
                message = b""
            seen.append(event)
            if isinstance(event, DataEnd):
                answer_message(engine)
            elif type(event) in AWAITS_REPLY:
                engine.reply()
        out += engine.bytes_to_send()
    return seen, out


@settings(max_examples=150, deadline=None)
@given(DIALOGUE, CONFIGS, st.lists(st.integers(0, 10_000), max_size=12))
def test_same_events_and_output_for_any_split(
    data: bytes, config: ServerConfig, places: list[int]
) -> None:
    assert run(cut(data, places), config) == run([data], config)


@settings(max_examples=40, deadline=None)
@given(DIALOGUE, CONFIGS)
def test_same_events_and_output_byte_by_byte(data: bytes, config: ServerConfig) -> None:
    assert run([data[i : i + 1] for i in range(len(data))], config) == run([data], config)


def unstuff(data: bytes) -> bytes:
    """RFC 5321 4.5.2, word for word: a leading period is deleted from each line that has one."""
    lines = data.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@settings(max_examples=300, deadline=None)
@given(BODY, st.lists(st.integers(0, 10_000), max_size=6))
def test_dots_are_read_as_the_rfc_says(body: bytes, places: list[int]) -> None:
    """RFC 5321 4.1.1.4: the mail data are terminated by CRLF.CRLF, the first of which ends the last line."""
    stream = body + b"\r\n.\r\nrest"
    # The first end in the stream, the one right behind the command included
    end = (b"\r\n" + stream).index(b"\r\n.\r\n")
    reader = DotReader(Content("crlf", "keep"))
    out = b""
    pieces = cut(stream, places)
    for number, piece in enumerate(pieces):
        if piece:
            out += reader.feed(piece)
        if reader.rest is not None:
            assert reader.rest + b"".join(pieces[number + 1 :]) == stream[end + 3 :]
            break
    assert out == unstuff(stream[:end])
    assert reader.content.size == len(out)


LINE_ENDS: list[LineEnds] = ["lf", "crlf"]
POLICIES: list[BarePolicy] = ["reject", "normalize", "keep"]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab.\r\n", max_size=60).map(str.encode))
def test_clean_messages_are_untouched_by_every_policy(text: bytes) -> None:
    """A message whose line ends are CRLF only is the same under all policies."""
    clean = text.replace(b"\r", b"").replace(b"\n", b"\r\n")
    stuffed = b"\r\n".join(
        b"." + line if line.startswith(b".") else line for line in clean.split(b"\r\n")
    )
    for policy in POLICIES:
        for line_ends in LINE_ENDS:
            reader = DotReader(Content(line_ends, policy))
            out = reader.feed(stuffed + b"\r\n.\r\n")
            expected = clean + b"\r\n"
            assert out == (expected if line_ends == "crlf" else expected.replace(b"\r\n", b"\n"))
            assert not reader.content.is_refused
