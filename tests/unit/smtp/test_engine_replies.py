"""The pinned cases of "spec smtp 19.1-19.5" with the strict replies of section 20.1."""

from __future__ import annotations

import pytest
from tests.support.smtpengine import HELLO, MAIL, MESSAGE, RCPT, drive, last_reply, talk

from couriermail.core import Reply
from couriermail.smtp import (
    Closed,
    Connected,
    DataChunk,
    DataDiscarded,
    DataEnd,
    EngineUseError,
    Limits,
    Mail,
    Rcpt,
    Reset,
    ServerConfig,
    ServerEngine,
    StartTls,
    TlsInfo,
)
from couriermail.smtp.events import AWAITS_REPLY


def test_a_full_pipelined_session() -> None:
    engine = ServerEngine(ServerConfig(hostname="mail.lab.test"))
    assert drive(engine) == [Connected()]
    assert engine.bytes_to_send() == b"220 mail.lab.test ESMTP\r\n"
    engine.receive(HELLO)
    drive(engine)
    assert engine.bytes_to_send().decode().splitlines() == [
        "250-mail.lab.test",
        "250-PIPELINING",
        "250-SIZE 10485760",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-ENHANCEDSTATUSCODES",
        "250-DSN",
        "250 LIMITS RCPTMAX=100 MAILMAX=1000",
    ]
    engine.receive(MAIL + b"RCPT TO:<nobody@lab.test>\r\nRCPT TO:<alice@lab.test>\r\nDATA\r\n")
    assert engine.next_event() == Mail(reverse_path="a@example.test")
    assert engine.next_event() is None  # one question at a time
    engine.reply()
    assert engine.next_event() == Rcpt(forward_path="nobody@lab.test")
    engine.reply(Reply(550, "User unknown", enhanced="5.1.1"))
    drive(engine)
    assert engine.bytes_to_send().decode().splitlines() == [
        "250 2.1.0 Ok",
        "550 5.1.1 User unknown",
        "250 2.1.5 Ok",
        "354 End data with <CR><LF>.<CR><LF>",
    ]
    engine.receive(b"Subject: x\r\n\r\nbody\r\n.\r\nquit  \r\n")
    assert drive(engine) == [
        DataChunk(b"Subject: x\r\n\r\nbody\r\n"),
        DataEnd(),
        Closed("quit"),
    ]
    assert engine.bytes_to_send() == b"250 2.0.0 stored\r\n221 2.0.0 Bye\r\n"
    assert engine.session.messages == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"NOOP", "250 2.0.0 Ok", id="noop"),
        pytest.param(b"noop", "250 2.0.0 Ok", id="lower case"),
        pytest.param(b"NOOP foo", "250 2.0.0 Ok", id="noop with argument"),
        pytest.param(b"NOOPX", "500 5.5.1 Unknown command", id="longer verb"),
        pytest.param(b"NOOP\nNOOP", "500 5.5.2 CR, LF or NUL inside a command", id="bare LF"),
        pytest.param(b"NOOP\rNOOP", "500 5.5.2 CR, LF or NUL inside a command", id="bare CR"),
        pytest.param(b"NOOP \0", "500 5.5.2 CR, LF or NUL inside a command", id="NUL"),
        pytest.param(b"", "500 5.5.1 Unknown command", id="empty line"),
        pytest.param(b"FOO", "500 5.5.1 Unknown command", id="unknown"),
        pytest.param(b"\xff\xfe", "500 5.5.1 Unknown command", id="not ASCII"),
        pytest.param(b"HELP", "214 2.0.0 See RFC 5321", id="help"),
        pytest.param(b"LHLO x", "500 5.5.1 Unknown command", id="LHLO in SMTP"),
        pytest.param(b"BDAT 3 LAST", "500 5.5.1 Unknown command", id="BDAT not offered"),
        pytest.param(b"ETRN x", "500 5.5.1 Unknown command", id="etrn"),
        pytest.param(b"QUIT now", "501 5.5.4 Syntax error in argument", id="quit with argument"),
        pytest.param(b"RSET foo", "501 5.5.4 Syntax error in argument", id="rset with argument"),
        pytest.param(b"HELO", "501 5.5.4 Syntax error in argument", id="helo without name"),
        pytest.param(b"EHLO ", "501 5.5.4 Syntax error in argument", id="ehlo with a blank"),
        pytest.param(b"HELO x", "250 mail.lab.test", id="helo"),
        pytest.param(b"VRFY", "501 5.5.4 Syntax error in argument", id="vrfy without argument"),
        pytest.param(b"VRFY x", "252 2.5.0 Cannot VRFY user, but will take the message", id="vrfy"),
        pytest.param(b"EXPN x", "502 5.5.1 Command not implemented", id="expn"),
        pytest.param(b"STARTTLS", "502 5.5.1 TLS not available", id="starttls not configured"),
        pytest.param(b"AUTH PLAIN", "502 5.5.1 Authentication not available", id="no auth"),
        pytest.param(b"RCPT TO:<a@b.test>", "503 5.5.1 Bad sequence of commands", id="early rcpt"),
        pytest.param(b"DATA", "503 5.5.1 Bad sequence of commands", id="early data"),
        pytest.param(b"NOOP " + b"x" * 20000, "500 5.5.6 Line too long", id="20000 octets"),
    ],
)
def test_verbs_after_ehlo(line: bytes, expected: str) -> None:
    assert last_reply(HELLO + line + b"\r\n") == expected


def test_mail_before_helo_is_out_of_sequence() -> None:
    assert last_reply(MAIL) == "503 5.5.1 Polite people say HELO first"


def test_second_mail_is_out_of_sequence() -> None:
    assert last_reply(HELLO + MAIL + MAIL) == "503 5.5.1 Bad sequence of commands"


def test_data_without_recipient_is_refused() -> None:
    assert last_reply(HELLO + MAIL + b"DATA\r\n") == "503 5.5.1 No valid recipients"


@pytest.mark.parametrize("verb", [b"EHLO again\r\n", b"HELO again\r\n", b"RSET\r\n"])
def test_ehlo_and_rset_end_the_transaction(verb: bytes) -> None:
    events, lines = talk(HELLO + MAIL + RCPT + verb + MAIL)
    assert Reset(verb[:4].decode()) in events
    assert lines[-1] == "250 2.1.0 Ok"


@pytest.mark.parametrize(
    ("argument", "sender"),
    [
        (b"FROM:<a@example.test>", "a@example.test"),
        (b"from: <a@example.test>", "a@example.test"),
        (b" FROM:<a@example.test>", "a@example.test"),
        (b"FROM:<>", ""),
        (b"FROM:<A@Example.TEST>", "A@example.test"),
        (b"FROM:<a@example.test.>", "a@example.test"),
        (b'FROM:<"a@b"@example.test>', '"a@b"@example.test'),
        (b'FROM:<"a b"@example.test>', '"a b"@example.test'),
        (b'FROM:<"alice"@example.test>', "alice@example.test"),
        (b'FROM:<"\\a\\"b"@example.test>', '"a\\"b"@example.test'),
        (b"FROM:<a%b@example.test>", "a%b@example.test"),
        (b"FROM:<a!b@example.test>", "a!b@example.test"),
        (b"FROM:<a@[198.51.100.6]>", "a@[198.51.100.6]"),
        (b"FROM:<a@[ipv6:2001:DB8::1]>", "a@[IPv6:2001:db8::1]"),
        (b"FROM:<@r.test:a@example.test>", "a@example.test"),
        (b"FROM:<@r.test,@s.test:a@example.test>", "a@example.test"),
        (b"FROM:<\xc3\xa9@example.test> SMTPUTF8", "\u00e9@example.test"),
    ],
)
def test_senders_that_are_accepted(argument: bytes, sender: str) -> None:
    events, lines = talk(HELLO + b"MAIL " + argument + b"\r\n")
    assert lines[-1] == "250 2.1.0 Ok"
    assert [event.reverse_path for event in events if isinstance(event, Mail)] == [sender]


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        (b"FROM:a@example.test", "501 5.1.7"),
        (b'FROM:<"a@example.test>', "501 5.1.7"),
        (b"FROM:<a>", "501 5.1.7"),
        (b"FROM:<a@>", "501 5.1.7"),
        (b"FROM:<@d.test>", "501 5.1.7"),
        (b"FROM:<a..b@example.test>", "501 5.1.7"),
        (b"FROM:<a@lab..test>", "501 5.1.7"),
        (b"FROM:<<a@example.test>>", "501 5.1.7"),
        (b"FROM:<(c)a@example.test>", "501 5.1.7"),
        (b"FROM:<a b@example.test>", "501 5.1.7"),
        (b"FROM:<a@[300.1.1.1]>", "501 5.1.7"),
        (b"FROM:<a@[IPv6:zz]>", "501 5.1.7"),
        (b"FROM:<a@example.test>SIZE=1", "501 5.1.7"),
        (b"FROM:<postmaster>", "501 5.1.7"),
        (b"FROM:<" + b"x" * 256 + b"@example.test>", "501 5.1.7"),
        (b"FROM:<a@" + b"x." * 150 + b"test>", "501 5.1.7"),
        (b"FROM:<\xff@example.test> SMTPUTF8", "501 5.1.7"),
        (b"FROM:<\xc2\x85@example.test> SMTPUTF8", "501 5.1.7"),
        (b"FROM:<\xc3\xa9@example.test>", "553 5.6.7"),
        (b"TO:<a@example.test>", "501 5.5.4"),
        (b"X:<a@example.test>", "501 5.5.4"),
    ],
)
def test_senders_that_are_refused(argument: bytes, code: str) -> None:
    assert last_reply(HELLO + b"MAIL " + argument + b"\r\n").startswith(code)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (b"SIZE=10485760", Mail(reverse_path="a@b.test", size=10485760)),
        (b"size=0", Mail(reverse_path="a@b.test", size=0)),
        (b"BODY=8BITMIME", Mail(reverse_path="a@b.test", body="8BITMIME")),
        (b"BODY=7bit", Mail(reverse_path="a@b.test", body="7BIT")),
        (b"RET=HDRS ENVID=a+20b", Mail(reverse_path="a@b.test", ret="HDRS", envid="a+20b")),
        (b"RET=full", Mail(reverse_path="a@b.test", ret="FULL")),
        (b"SMTPUTF8  SIZE=1 ", Mail(reverse_path="a@b.test", smtputf8=True, size=1)),
    ],
)
def test_mail_parameters_that_are_carried(parameters: bytes, expected: Mail) -> None:
    events, _lines = talk(HELLO + b"MAIL FROM:<a@b.test> " + parameters + b"\r\n")
    assert expected in events


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (b"SIZE=10485761", "552 5.3.4"),
        (b"SIZE=99999999999999999999", "552 5.3.4"),
        (b"SIZE=abc", "501 5.5.4"),
        (b"SIZE", "501 5.5.4"),
        (b"SIZE=1 SIZE=1", "501 5.5.4"),
        (b"FOO=BAR", "555 5.5.4"),
        (b"BODY=BINARYMIME", "504 5.5.4"),
        (b"BODY=x", "504 5.5.4"),
        (b"RET=XX", "504 5.5.4"),
        (b"ENVID=a+0", "501 5.5.4"),
        (b"ENVID=a+0D+0A", "501 5.5.4"),
        (b"ENVID=" + b"x" * 101, "501 5.5.4"),
        (b"SMTPUTF8=1", "501 5.5.4"),
        (b"AUTH=<>", "555 5.5.4"),
        (b"VERP", "555 5.5.4"),
        (b"SECURITY=STARTTLS", "555 5.5.4"),
        (b"=x", "501 5.5.4"),
        (b"NOTIFY=NEVER", "555 5.5.4"),
    ],
)
def test_mail_parameters_that_are_refused(parameters: bytes, code: str) -> None:
    assert last_reply(HELLO + b"MAIL FROM:<a@b.test> " + parameters + b"\r\n").startswith(code)


def test_courier_parameters_are_taken_when_offered() -> None:
    config = ServerConfig(courier=True)
    events, lines = talk(HELLO + b"MAIL FROM:<a@b.test> VERP SECURITY=STARTTLS\r\n", config)
    assert Mail(reverse_path="a@b.test", verp=True, security="STARTTLS") in events
    assert "250-XVERP=Courier" in lines
    assert "250 XSECURITY=NONE,STARTTLS" in lines


def test_auth_parameter_is_taken_when_auth_is_offered() -> None:
    config = ServerConfig(auth_mechanisms=("PLAIN",))
    events, _ = talk(HELLO + b"MAIL FROM:<a@b.test> AUTH=e+3Dmc2@example.com\r\n", config)
    assert Mail(reverse_path="a@b.test", auth="e=mc2@example.com") in events


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"<alice@LAB.test>", Rcpt(forward_path="alice@lab.test")),
        (b"<postmaster>", Rcpt(forward_path="postmaster")),
        (b"<Postmaster>", Rcpt(forward_path="postmaster")),
        (b"<alice@[::ffff:192.0.2.1]>", Rcpt(forward_path="alice@[::ffff:192.0.2.1]")),
        (b"<@r.test:alice@lab.test>", Rcpt(forward_path="alice@lab.test")),
        (b"<a@b.test> NOTIFY=NEVER", Rcpt(forward_path="a@b.test", notify="N")),
        (b"<a@b.test> NOTIFY=delay,Success", Rcpt(forward_path="a@b.test", notify="SD")),
        (
            b"<a@b.test> ORCPT=rfc822;orig+2Bx@y.test",
            Rcpt(forward_path="a@b.test", orcpt="orig+x@y.test", orcpt_type="rfc822"),
        ),
        (
            b"<a@b.test> ORCPT=utf-8;\\x{E9}@y.test",
            Rcpt(forward_path="a@b.test", orcpt="\u00e9@y.test", orcpt_type="utf-8"),
        ),
        (
            b"<a@b.test> ORCPT=UTF-8;\xc3\xa9@y.test",
            Rcpt(forward_path="a@b.test", orcpt="\u00e9@y.test", orcpt_type="utf-8"),
        ),
    ],
)
def test_recipients_that_are_accepted(argument: bytes, expected: Rcpt) -> None:
    events, lines = talk(HELLO + MAIL + b"RCPT TO:" + argument + b"\r\n")
    assert lines[-1] == "250 2.1.5 Ok"
    assert expected in events


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        (b"alice@lab.test", "501 5.1.3"),
        (b"<>", "501 5.1.3"),
        (b"<@lab.test>", "501 5.1.3"),
        (b"<alice>", "501 5.1.3"),
        (b"<alice@lab..test>", "501 5.1.3"),
        (b"<\xc3\xa9@lab.test>", "553 5.6.7"),
        (b"<a@b.test> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        (b"<a@b.test> NOTIFY=DELAY,DELAY", "501 5.5.4"),
        (b"<a@b.test> NOTIFY=", "501 5.5.4"),
        (b"<a@b.test> NOTIFY=SOMETIMES", "501 5.5.4"),
        (b"<a@b.test> ORCPT=a@b.test", "501 5.5.4"),
        (b"<a@b.test> ORCPT=rfc822;a+2", "501 5.5.4"),
        (b"<a@b.test> ORCPT=rfc822;a+0Ab", "501 5.5.4"),
        (b"<a@b.test> ORCPT=utf-8;\\x{D800}", "501 5.5.4"),
        (b"<a@b.test> SIZE=5", "555 5.5.4"),
    ],
)
def test_recipients_that_are_refused(argument: bytes, code: str) -> None:
    assert last_reply(HELLO + MAIL + b"RCPT TO:" + argument + b"\r\n").startswith(code)


def test_recipients_above_the_limit_are_for_another_transaction() -> None:
    config = ServerConfig(limits=Limits(recipients=2))
    _, lines = talk(HELLO + MAIL + RCPT * 3 + b"DATA\r\n", config)
    assert lines[-2:] == ["452 4.5.3 Too many recipients", "354 End data with <CR><LF>.<CR><LF>"]


@pytest.mark.parametrize(
    ("data", "cause", "reply"),
    [
        (b"NOOP\r\n" * 10_000, "idle", "421 4.7.0 Too many commands without mail"),
        (b"FOO\r\n" * 10_000, "errors", "421 4.7.0 Too many errors"),
        (HELLO + (MAIL + b"RSET\r\n") * 50, "transactions", "421 4.7.0 Too many messages"),
    ],
)
def test_tiresome_clients_are_sent_away(data: bytes, cause: str, reply: str) -> None:
    events, lines = talk(data, ServerConfig(limits=Limits(transactions=5)))
    assert events[-1] == Closed(cause)
    assert lines[-1].startswith(reply)
    assert len(lines) < 130


def test_an_accepted_message_forgives_errors() -> None:
    round_trip = b"FOO\r\n" * 19 + MAIL + RCPT + b"DATA\r\n.\r\n"
    events, _ = talk(HELLO + round_trip * 3)
    assert not any(isinstance(event, Closed) for event in events)


TLS = TlsInfo(version="TLSv1.3", cipher="X", bits=256)


def test_starttls_resets_the_session() -> None:
    engine = ServerEngine(ServerConfig(starttls=True))
    engine.receive(HELLO + b"STARTTLS\r\n")
    assert drive(engine)[-1] == StartTls()
    assert engine.is_awaiting_tls
    assert b"250-STARTTLS\r\n" in engine.bytes_to_send()
    engine.tls_started(TLS)
    assert engine.session.helo == ""
    engine.receive(MAIL + HELLO + b"STARTTLS\r\n")
    drive(engine)
    out = engine.bytes_to_send()
    assert b"503 5.5.1 Polite" in out
    assert b"STARTTLS" not in out
    assert out.endswith(b"503 5.5.1 Bad sequence of commands\r\n")
    assert engine.session.protocol == "ESMTPS"


def test_bytes_behind_starttls_close_the_session() -> None:
    events, lines = talk(HELLO + b"STARTTLS\r\nNOOP\r\n", ServerConfig(starttls=True))
    assert events[-1] == Closed("protocol")
    assert lines[-1].startswith("421 4.7.0")


@pytest.mark.parametrize("when", ["before the reply", "after the reply"])
def test_bytes_before_the_handshake_close_the_session(when: str) -> None:
    engine = ServerEngine(ServerConfig(starttls=True))
    drive(engine)
    engine.receive(b"STARTTLS\r\n")
    assert engine.next_event() == StartTls()
    if when == "before the reply":
        engine.receive(b"NOOP\r\n")
        engine.reply()
    else:
        engine.reply()
        engine.receive(b"NOOP\r\n")
    assert engine.is_closed
    assert drive(engine) == [Closed("protocol")]


@pytest.mark.parametrize("line", [b"NOOP\r\n", b"EHLO x\r\n", b"RSET\r\n", b"QUIT\r\n"])
def test_what_is_served_before_required_tls(line: bytes) -> None:
    config = ServerConfig(starttls=True, require_tls=True)
    assert last_reply(HELLO + line, config)[0] == "2"
    assert last_reply(HELLO + MAIL, config) == "530 5.7.0 Must issue a STARTTLS command first"


def test_mail_needs_authentication_where_required() -> None:
    config = ServerConfig(auth_mechanisms=("PLAIN",), require_auth=True)
    assert last_reply(HELLO + MAIL, config) == "530 5.7.0 Authentication required"


def test_a_554_banner_serves_nothing_but_quit() -> None:
    engine = ServerEngine()
    engine.next_event()
    engine.reply(Reply(554, "No SMTP here"))
    engine.receive(HELLO + b"QUIT\r\n")
    assert drive(engine) == [Closed("quit")]
    assert engine.bytes_to_send().decode().splitlines() == [
        "554 No SMTP here",
        "503 5.5.1 Bad sequence of commands",
        "221 2.0.0 Bye",
    ]


@pytest.mark.parametrize("code", [221, 421])
def test_a_closing_reply_closes(code: int) -> None:
    engine = ServerEngine()
    drive(engine)
    engine.receive(HELLO + MAIL)
    engine.next_event()
    engine.reply(Reply(code, "go away"))
    assert drive(engine) == [Closed("reply")]


def test_end_of_input_serves_what_was_sent_before() -> None:
    engine = ServerEngine()
    engine.receive(HELLO + b"NOOP\r\nNOO")
    engine.receive_eof()
    assert drive(engine)[-1] == Closed("eof")
    assert engine.bytes_to_send().endswith(b"250 2.0.0 Ok\r\n")


def test_end_of_input_inside_a_message_discards_it() -> None:
    engine = ServerEngine()
    engine.receive(MESSAGE + b"half\r\n.\r")
    engine.receive_eof()
    assert drive(engine)[-2:] == [DataDiscarded(None), Closed("eof")]


@pytest.mark.parametrize(
    "command",
    [
        b"MAIL FROM:<> RET=HDRS\r\n",
        b"MAIL FROM:<> ENVID=x\r\n",
        MAIL + b"RCPT TO:<a@b.test> NOTIFY=SUCCESS\r\n",
        MAIL + b"RCPT TO:<a@b.test> ORCPT=rfc822;a@b.test\r\n",
    ],
    ids=["RET", "ENVID", "NOTIFY", "ORCPT"],
)
def test_a_server_that_sends_no_reports_takes_no_dsn_parameters(command: bytes) -> None:
    _, lines = talk(HELLO + command, ServerConfig(dsn=False))
    assert "250-DSN" not in lines
    assert lines[-1] == "555 5.5.4 Unknown parameter."


def test_lmtp_answers_once_per_recipient() -> None:
    engine = ServerEngine(ServerConfig(mode="lmtp"))
    engine.receive(b"EHLO x\r\nLHLO x\r\n" + MAIL + RCPT * 2 + b"DATA\r\n.\r\n")
    while not isinstance(event := engine.next_event(), DataEnd):
        if type(event) in AWAITS_REPLY:
            engine.reply()
    out = engine.bytes_to_send()
    assert b"500 5.5.1 Unknown command" in out
    assert engine.session.protocol == "LMTP"
    engine.reply_each([Reply(250, "one"), Reply(452, "two", enhanced="4.2.2")])
    assert engine.bytes_to_send() == b"250 2.0.0 one\r\n452 4.2.2 two\r\n"


def test_reply_without_event_is_the_callers_mistake() -> None:
    engine = ServerEngine()
    with pytest.raises(EngineUseError):
        engine.reply()


def test_the_end_of_a_message_has_no_usual_answer() -> None:
    engine = ServerEngine()
    engine.receive(MESSAGE + b".\r\n")
    while not isinstance(event := engine.next_event(), DataEnd):
        if type(event) in AWAITS_REPLY:
            engine.reply()
    with pytest.raises(EngineUseError):
        engine.reply()
    engine.reply(Reply(250))  # and the question is still open


def test_replies_of_several_lines_carry_the_code_on_each() -> None:
    engine = ServerEngine()
    drive(engine)
    engine.bytes_to_send()
    engine.receive(HELLO + MAIL)
    engine.next_event()
    engine.reply()
    engine.bytes_to_send()
    engine.next_event()
    engine.reply(Reply(550, "one\r\ntwo"))
    assert engine.bytes_to_send() == b"550-5.0.0 one\r\n550 5.0.0 two\r\n"
