"""EXDATA: one answer per recipient at the end of a message, in one reply (spec smtp 13.3)."""

from __future__ import annotations

import pytest
from tests.support.smtpengine import HELLO, RCPT, last_reply, talk

from couriermail.core import Reply
from couriermail.smtp import DataEnd, Limits, Mail, ServerConfig, ServerEngine
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.errors import EngineUseError
from couriermail.smtp.events import AWAITS_REPLY, Rcpt
from couriermail.smtp.session import Session

EXDATA = ServerConfig(exdata=True)
MAIL = b"MAIL FROM:<a@b.test> EXDATA\r\n"
OK = Reply(250, "Ok. id")
REFUSED = Reply(550, "tess:\nspam")


def at_the_end(data: bytes, config: ServerConfig = EXDATA) -> ServerEngine:
    """An engine that waits for the answer to the end of a message."""
    engine = ServerEngine(config)
    engine.receive(data)
    while not isinstance(event := engine.next_event(), DataEnd):
        if type(event) in AWAITS_REPLY:
            engine.reply()
    engine.bytes_to_send()
    return engine


def test_exdata_is_listed_and_taken_when_it_is_turned_on() -> None:
    events, lines = talk(HELLO + MAIL, ServerConfig(exdata=True, courier=True))
    assert Mail(reverse_path="a@b.test", exdata=True) in events
    listed = [line[4:] for line in lines]
    assert listed.index("XEXDATA") == listed.index("XVERP=Courier") + 1


@pytest.mark.parametrize(
    "config",
    [ServerConfig(courier=True), ServerConfig(mode="lmtp", exdata=True)],
    ids=["off", "LMTP has answers per recipient by itself"],
)
def test_exdata_that_is_not_offered_is_no_parameter(config: ServerConfig) -> None:
    hello = b"LHLO x\r\n" if config.mode == "lmtp" else HELLO
    _, lines = talk(hello + MAIL, config)
    assert not any("XEXDATA" in line for line in lines)
    assert lines[-1] == "555 5.5.4 Unknown parameter."


def test_exdata_has_no_value() -> None:
    assert last_reply(HELLO + b"MAIL FROM:<a@b.test> EXDATA=1\r\n", EXDATA).startswith("501 5.5.4")


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        pytest.param([REFUSED], ["558-550-tess:", "558 550 spam"], id="one, refused"),
        pytest.param(
            [REFUSED, OK], ["558-550-tess:", "558-550 spam", "558 250 Ok. id"], id="first refused"
        ),
        pytest.param(
            [OK, Reply(550, "tess2:\na\nb")],
            ["558-250 Ok. id", "558-550-tess2:", "558-550-a", "558 550 b"],
            id="second refused",
        ),
        pytest.param([Reply(450, "later")], ["558 450 later"], id="temporary"),
        pytest.param(
            [Reply(421, "x:\nno"), OK], ["558-421-x:", "558-421 no", "558 250 Ok. id"], id="421"
        ),
        pytest.param(
            [Reply(250, "Ok", enhanced="2.6.0"), Reply(550, "no", enhanced="5.7.1")],
            ["558-250 2.6.0 Ok", "558 550 5.7.1 no"],
            id="enhanced codes are the answers' own",
        ),
        pytest.param([OK, OK], ["250 2.0.0 Ok. id"], id="all accepted: a plain reply"),
    ],
)
def test_the_answers_of_all_recipients_are_one_reply(
    answers: list[Reply], lines: list[str]
) -> None:
    engine = at_the_end(HELLO + MAIL + RCPT * len(answers) + b"DATA\r\n.\r\n")
    engine.reply_each(answers)
    assert engine.bytes_to_send().decode().splitlines() == lines
    assert engine.session.messages == (1 if OK in answers or answers[0].is_success else 0)
    engine.receive(b"NOOP\r\n")  # an answer of 421 is no end of the session
    assert engine.next_event() is None
    assert engine.bytes_to_send() == b"250 2.0.0 Ok\r\n"


def test_a_message_that_breaks_a_rule_has_one_plain_reply() -> None:
    config = ServerConfig(exdata=True, limits=Limits(message_size=4))
    data = HELLO + MAIL + RCPT * 2 + b"DATA\r\ntoo long\r\n.\r\n"
    assert last_reply(data, config) == "552 5.3.4 Message is too big"


@pytest.mark.parametrize("count", [1, 3])
def test_there_is_one_answer_per_recipient(count: int) -> None:
    engine = at_the_end(HELLO + MAIL + RCPT * 2 + b"DATA\r\n.\r\n")
    with pytest.raises(EngineUseError, match="one reply per accepted"):
        engine.reply_each([OK] * count)


def test_a_client_that_did_not_ask_gets_one_reply_for_all() -> None:
    engine = at_the_end(HELLO + MAIL.replace(b" EXDATA", b"") + RCPT + b"DATA\r\n.\r\n")
    with pytest.raises(EngineUseError, match="LMTP or EXDATA"):
        engine.reply_each([REFUSED])


def test_exdata_counts_for_one_message() -> None:
    first = MAIL + RCPT + b"DATA\r\n.\r\n"
    engine = at_the_end(HELLO + first)
    engine.reply_each([REFUSED])
    engine.receive(MAIL.replace(b" EXDATA", b"") + RCPT + b"DATA\r\n.\r\n")
    while not isinstance(event := engine.next_event(), DataEnd):
        if type(event) in AWAITS_REPLY:
            engine.reply()
    with pytest.raises(EngineUseError):
        engine.reply_each([REFUSED])


class Judge:
    """A handler that refuses the second recipient of every message."""

    def rcpt(self, session: Session, rcpt: Rcpt) -> None:
        return None

    def data(self, session: Session) -> Judge:
        self.session = session
        return self

    def write(self, chunk: bytes) -> None:
        return None

    def finish(self) -> list[Reply] | Reply:
        assert self.session.mail is not None
        return [OK, REFUSED] if self.session.mail.exdata else OK

    def discard(self) -> None:
        return None


def test_a_handler_answers_with_a_list() -> None:
    engine = ServerEngine(EXDATA)
    dialogue = Dialogue(engine, Hooks.of(Judge()))
    engine.receive(HELLO + MAIL + RCPT * 2 + b"DATA\r\n.\r\nQUIT\r\n")
    assert dialogue.run() is None
    lines = engine.bytes_to_send().decode().splitlines()
    assert lines[-4:] == ["558-250 Ok. id", "558-550-tess:", "558 550 spam", "221 2.0.0 Bye"]
