"""The content of messages in the engine: DATA, BDAT, what ends them (spec smtp 19.1-19.5)."""

from __future__ import annotations

import pytest
from tests.support.smtpengine import HELLO, MAIL, MESSAGE, RCPT, drive, last_reply, talk

from couriermail.core import Reply
from couriermail.smtp import (
    Closed,
    DataChunk,
    DataDiscarded,
    Limits,
    Mail,
    ServerConfig,
    ServerEngine,
)
from couriermail.smtp.events import AWAITS_REPLY


def content(data: bytes, config: ServerConfig) -> bytes:
    events, lines = talk(MESSAGE + data, config)
    assert lines[-1] == "250 2.0.0 stored"
    return b"".join(event.data for event in events if isinstance(event, DataChunk))


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        pytest.param(b".\r\n", b"", id="empty message"),
        pytest.param(b"..dotted\r\n.\r\n", b".dotted\r\n", id="two dots"),
        pytest.param(b".x dot\r\n.\r\n", b"x dot\r\n", id="one dot"),
        pytest.param(b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n", id="a line with a dot"),
        pytest.param(b"\r\n.\r\n", b"\r\n", id="an empty line"),
        pytest.param(b"a\r\n\r\n..b\r\n.\r\n", b"a\r\n\r\n.b\r\n", id="dot behind empty line"),
    ],
)
def test_data_is_unstuffed(data: bytes, stored: bytes) -> None:
    assert content(data, ServerConfig()) == stored
    assert content(data, ServerConfig(line_ends="lf")) == stored.replace(b"\r\n", b"\n")


SMUGGLING = [
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n.\r",
    b"\r\n\0.\r\n",
]


@pytest.mark.parametrize("fake_end", SMUGGLING)
@pytest.mark.parametrize("bare", ["reject", "keep", "normalize"])
def test_only_crlf_dot_crlf_ends_the_data(fake_end: bytes, bare: str) -> None:
    config = ServerConfig(
        bare="reject" if bare == "reject" else "keep" if bare == "keep" else "normalize"
    )
    smuggled = b"one" + fake_end + b"RSET x\r\nMAIL FROM:<evil@x.test>\r\n"
    events, lines = talk(MESSAGE + smuggled + b".\r\nNOOP\r\n", config)
    assert sum(isinstance(event, Mail) for event in events) == 1
    assert lines[-1] == "250 2.0.0 Ok"
    assert lines[-2][:3] == ("550" if bare == "reject" else "250")


@pytest.mark.parametrize("octets", [b"bare\nlf", b"bare\rcr", b"end\r\r\n", b"ab\0cd"])
def test_bare_octets_are_refused_at_the_true_end(octets: bytes) -> None:
    events, lines = talk(MESSAGE + octets + b"\r\n.\r\nQUIT\r\n")
    assert [type(event) for event in events[-2:]] == [DataDiscarded, Closed]
    assert lines[-2:] == [
        "550 5.6.0 Message holds bare CR, bare LF or NUL",
        "221 2.0.0 Bye",
    ]


@pytest.mark.parametrize(
    ("octets", "lf", "crlf"),
    [
        (b"bare\nlf\r\n", b"bare\nlf\n", b"bare\r\nlf\r\n"),
        (b"bare\rcr\r\n", b"bare\ncr\n", b"bare\r\ncr\r\n"),
        (b"ab\0cd\r\n", b"abcd\n", b"abcd\r\n"),
    ],
)
def test_bare_octets_are_normalized_or_kept_on_demand(
    octets: bytes, lf: bytes, crlf: bytes
) -> None:
    assert content(octets + b".\r\n", ServerConfig(bare="normalize", line_ends="lf")) == lf
    assert content(octets + b".\r\n", ServerConfig(bare="normalize")) == crlf
    assert content(octets + b".\r\n", ServerConfig(bare="keep")) == octets


def test_size_limit_is_exact_and_does_not_count_dots() -> None:
    config = ServerConfig(limits=Limits(message_size=12))
    assert content(b"..aaaaaaa\r\n\r\n.\r\n", config) == b".aaaaaaa\r\n\r\n"
    assert last_reply(MESSAGE + b"aaaaaaaaa\r\n\r\n.\r\n", config) == "552 5.3.4 Message is too big"


def test_bytes_behind_a_refused_data_close_the_session() -> None:
    events, lines = talk(HELLO + MAIL + b"DATA\r\nSubject: x\r\n\r\nRSET\r\n.\r\n")
    assert events[-1] == Closed("protocol")
    assert lines[-2:] == [
        "503 5.5.1 No valid recipients",
        "421 4.7.0 Data sent before it was asked for",
    ]


def test_bytes_behind_data_are_the_message() -> None:
    assert content(b"NOOP\r\n.\r\n", ServerConfig()) == b"NOOP\r\n"


CHUNKING = ServerConfig(chunking=True, line_ends="lf")


@pytest.mark.parametrize(
    ("data", "stored", "replies"),
    [
        (b"BDAT 5 LAST\r\nhello", b"hello", ["250 2.0.0 stored"]),
        (b"BDAT 2\r\nheBDAT 3 last\r\nllo", b"hello", ["250 2.0.0 Ok", "250 2.0.0 stored"]),
        (
            b"BDAT 2\r\na\rBDAT 1\r\n\nBDAT 0 LAST\r\n",
            b"a\n",
            ["250 2.0.0 Ok"] * 2 + ["250 2.0.0 stored"],
        ),
        (b"BDAT 5 LAST\r\n.\r\n.\r", b"", ["550 5.6.0 Message holds bare CR, bare LF or NUL"]),
        (b"BDAT 7\r\na\r\n.\r\nbRSET\r\n", b"a\n.\nb", ["250 2.0.0 Ok", "250 2.0.0 Ok"]),
        (b"BDAT 1\r\naDATA\r\n", b"a", ["250 2.0.0 Ok", "503 5.5.1 Bad sequence of commands"]),
    ],
)
def test_bdat(data: bytes, stored: bytes, replies: list[str]) -> None:
    events, lines = talk(HELLO + MAIL + RCPT + data, CHUNKING)
    assert lines[-len(replies) :] == replies
    assert b"".join(e.data for e in events if isinstance(e, DataChunk)) == stored


def test_refused_bdat_is_consumed() -> None:
    _, lines = talk(HELLO + MAIL + b"BDAT 6\r\nQUIT\r\nNOOP\r\n", CHUNKING)
    assert lines[-2:] == ["503 5.5.1 No valid recipients", "250 2.0.0 Ok"]


def test_bdat_refused_by_the_caller_is_consumed() -> None:
    engine = ServerEngine(CHUNKING)
    drive(engine)
    engine.receive(HELLO + MAIL + RCPT + b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
    while (event := engine.next_event()) is not None:
        if type(event) in AWAITS_REPLY:
            refuse = type(event).__name__ == "DataStart"
            engine.reply(Reply(451, "not now", enhanced="4.3.0") if refuse else None)
    assert engine.bytes_to_send().endswith(b"451 4.3.0 not now\r\n250 2.0.0 Ok\r\n")
