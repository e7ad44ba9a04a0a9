"""Any bytes at five depths of a session: no exception, bounded memory, wire-clean replies."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.core import Reply
from couriermail.smtp import (
    Authenticator,
    CommandSyntaxError,
    DataEnd,
    Limits,
    Rcpt,
    ServerConfig,
    ServerEngine,
    Session,
    Sink,
)
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.events import AWAITS_REPLY

DEPTHS = {
    "fresh": b"",
    "after EHLO": b"EHLO x\r\n",
    "after MAIL": b"EHLO x\r\nMAIL FROM:<a@b.test> SMTPUTF8\r\n",
    "after RCPT": b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n",
    "in DATA": b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n",
    "in AUTH": b"EHLO x\r\nAUTH LOGIN\r\n",
    "in CRAM": b"EHLO x\r\nAUTH CRAM-MD5\r\n",
    "in SCRAM": b"EHLO x\r\nAUTH SCRAM-SHA-256 biwsbj1hLHI9Yg==\r\n",
}
WORDS = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b".", b"\0", b"EHLO ", b"MAIL FROM:", b"RCPT TO:", b"<a@b.test>", b"<>", b"DATA",
        b"BDAT ", b"5", b" LAST", b"RSET", b"QUIT", b"AUTH PLAIN ", b"AGEAYg==", b"*", b" SIZE=", b" ORCPT=utf-8;",
        b"\\x{", b"}", b" NOTIFY=", b" ENVID=", b" EXDATA", b"STARTTLS", b"@", b'"', b"\\", b"[IPv6:", b"]", b"\xff", b"\xc3\xa9",
        b"z" * 3000, b"+2B",
    ]
)  # fmt: skip
PIECES = st.lists(
    st.one_of(st.binary(max_size=40), st.lists(WORDS, max_size=12).map(b"".join)), max_size=12
)
CONFIG = ServerConfig(
    starttls=True,
    auth_mechanisms=("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"),
    auth_in_clear=True,
    chunking=True,
    courier=True,
    exdata=True,
)
REPLY_LINE = re.compile(rb"[2345][0-9]{2}[ -][^\r\n\0]*\Z")


def nobody(_session: Session, _proof: object) -> None:
    return None


NOBODY = Authenticator(password=nobody, cram=nobody, scram=nobody)


@pytest.mark.parametrize("depth", DEPTHS)
@settings(max_examples=100, deadline=None)
@given(pieces=PIECES)
def test_any_bytes_at_any_depth(depth: str, pieces: list[bytes]) -> None:
    engine = ServerEngine(CONFIG)
    dialogue = Dialogue(engine, Hooks.of(Sink(keep=False), NOBODY))
    for piece in [DEPTHS[depth], *pieces]:
        engine.receive(piece)
        assert dialogue.run() is None
        assert engine.buffered <= CONFIG.limits.auth_line
        out = engine.bytes_to_send()
        assert out == b"" or out.endswith(b"\r\n")
        assert all(REPLY_LINE.match(line) for line in out.split(b"\r\n")[:-1])
    engine.receive_eof()
    dialogue.run()
    assert engine.is_closed or engine.is_awaiting_tls


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([250, 251, 354, 421, 451, 550, 221]), min_size=1), PIECES)
def test_any_answers_of_a_handler(codes: list[int], pieces: list[bytes]) -> None:
    """Whatever a handler answers, the engine keeps to its own rules."""
    engine = ServerEngine(CONFIG)
    number = 0
    for piece in [DEPTHS["in DATA"], *pieces]:
        engine.receive(piece)
        while (event := engine.next_event()) is not None:
            if type(event) not in AWAITS_REPLY:
                continue
            if isinstance(event, Rcpt | DataEnd):
                number += 1
                engine.reply(Reply(codes[number % len(codes)], "as you like"))
            elif type(event).__name__.startswith("Auth"):
                engine.reply(Reply(535, "no"))
            else:
                engine.reply()
        engine.bytes_to_send()


def test_an_endless_line_is_answered_once_and_takes_no_memory() -> None:
    engine = ServerEngine()
    dialogue = Dialogue(engine, Hooks.of(Sink()))
    dialogue.run()
    engine.bytes_to_send()
    for _ in range(1000):
        engine.receive(b"x" * 5000)
        dialogue.run()
        assert engine.buffered <= Limits().command_line
    assert engine.bytes_to_send() == b""
    engine.receive(b"\r\nNOOP\r\n")
    dialogue.run()
    assert engine.bytes_to_send() == b"500 5.5.6 Line too long\r\n250 2.0.0 Ok\r\n"


def test_a_line_byte_by_byte_is_linear() -> None:
    """Each byte is looked at a bounded number of times: a line ten times as long costs about ten times."""
    engine = ServerEngine(ServerConfig(limits=Limits(command_line=200_000)))
    dialogue = Dialogue(engine, Hooks.of(Sink()))
    for _ in range(100_000):
        engine.receive(b"x")
        dialogue.run()
    engine.receive(b"\r\n")
    dialogue.run()
    assert engine.bytes_to_send().endswith(b"500 5.5.1 Unknown command\r\n")


def test_our_errors_are_the_only_ones() -> None:
    assert CommandSyntaxError(501, "5.5.4", "x").reply.to_bytes() == b"501 5.5.4 x\r\n"
