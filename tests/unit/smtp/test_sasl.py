"""PLAIN and LOGIN, as machines and through the engine."""

from __future__ import annotations

from base64 import b64encode

import pytest

from couriermail.core import AuthError
from couriermail.smtp import (
    CommandSyntaxError,
    Credentials,
    Limits,
    ServerConfig,
    ServerEngine,
    Session,
    Sink,
    TlsInfo,
)
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.sasl import LoginExchange, PlainExchange

CONFIG = ServerConfig(auth_mechanisms=("PLAIN", "LOGIN"), auth_in_clear=True)


class TemporaryAuthError(AuthError):
    is_temporary = True
    reply_code = 454
    enhanced_code = "4.7.0"
    reply_text = "Temporary authentication failure."


def check(session: Session, credentials: Credentials) -> str | None:
    if credentials.username == "down":
        raise TemporaryAuthError("the directory does not answer")
    return credentials.username if credentials.password == "tanstaaftanstaaf" else None


def talk(data: bytes, config: ServerConfig = CONFIG) -> tuple[ServerEngine, list[str]]:
    engine = ServerEngine(config)
    dialogue = Dialogue(engine, Hooks.of(Sink(), check))
    engine.receive(b"EHLO c\r\n")
    assert dialogue.run() is None
    engine.bytes_to_send()
    engine.receive(data)
    assert dialogue.run() is None
    return engine, engine.bytes_to_send().decode().splitlines()


def test_plain_reads_the_vector_of_its_rfc() -> None:
    assert PlainExchange().step(b"\0tim\0tanstaaftanstaaf") == Credentials(
        mechanism="PLAIN", username="tim", password="tanstaaftanstaaf"
    )
    assert PlainExchange().step(b"Ursel\0Kurt\0xipj3plmq") == Credentials(
        mechanism="PLAIN", username="Kurt", password="xipj3plmq", authorization="Ursel"
    )


@pytest.mark.parametrize(
    "response", [b"", b"tim\0x", b"\0tim\0", b"\0\0x", b"\0\xff\0x", b"a\0b\0c\0d"]
)
def test_plain_refuses_malformed_responses(response: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        PlainExchange().step(response)


def test_login_asks_twice() -> None:
    exchange = LoginExchange()
    assert exchange.step(None) == b"Username:"
    assert exchange.step(b"tim") == b"Password:"
    assert exchange.step(b"x") == Credentials(mechanism="LOGIN", username="tim", password="x")


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", ["235 2.7.0 Authentication successful"]),
        (b"auth plain\r\nAHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", ["334 ", "235 2.7.0 Authentication successful"]),
        (
            b"AUTH LOGIN\r\ndGlt\r\ndGFuc3RhYWZ0YW5zdGFhZg==\r\n",
            ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 Authentication successful"],
        ),
        (b"AUTH LOGIN dGlt\r\neA==\r\n", ["334 UGFzc3dvcmQ6", "535 5.7.8 Authentication failed"]),
        (b"AUTH PLAIN AGRvd24AeA==\r\n", ["454 4.7.0 Temporary authentication failure."]),
        (b"AUTH\r\n", ["501 5.5.4 Syntax error in argument"]),
        (b"AUTH FOO\r\n", ["504 5.5.4 Unknown authentication mechanism"]),
        (b"AUTH PLAIN !!!\r\n", ["501 5.5.2 Cannot decode response"]),
        (b"AUTH PLAIN\r\n!!!\r\n", ["334 ", "501 5.5.2 Cannot decode response"]),
        (b"AUTH PLAIN =\r\n", ["501 5.5.2 Malformed authentication response"]),
        (b"AUTH PLAIN\r\n*\r\nNOOP\r\n", ["334 ", "501 5.7.0 Authentication cancelled", "250 2.0.0 Ok"]),
        (b"AUTH PLAIN\r\n" + b"A" * 12_290 + b"\r\nNOOP\r\n", ["334 ", "500 5.5.6 Line too long", "250 2.0.0 Ok"]),
        (b"MAIL FROM:<>\r\nAUTH PLAIN\r\n", ["250 2.1.0 Ok", "503 5.5.1 Bad sequence of commands"]),
    ],
)  # fmt: skip
def test_auth_dialogues(data: bytes, replies: list[str]) -> None:
    assert talk(data)[1] == replies


def test_a_long_initial_response_is_read() -> None:
    token = b64encode(b"\0tim\0" + b"x" * 6000)
    assert talk(b"AUTH PLAIN " + token + b"\r\n")[1] == ["535 5.7.8 Authentication failed"]
    assert talk(b"NOOP " + token + b"\r\n")[1] == ["500 5.5.6 Line too long"]


def test_success_is_recorded_and_happens_once() -> None:
    engine, lines = talk(b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\nAUTH PLAIN\r\n")
    assert lines[-1] == "503 5.5.1 Bad sequence of commands"
    assert engine.session.auth is not None
    assert (engine.session.auth.mechanism, engine.session.auth.identity) == ("PLAIN", "tim")
    assert engine.session.protocol == "ESMTPA"


def test_guessing_ends_with_421() -> None:
    config = ServerConfig(auth_mechanisms=("PLAIN",), auth_in_clear=True, limits=Limits(errors=3))
    _, lines = talk(b"AUTH PLAIN AHRpbQB4\r\n" * 50, config)
    assert [line[:3] for line in lines] == ["535", "535", "535", "421"]


def test_auth_waits_for_tls_by_default() -> None:
    config = ServerConfig(auth_mechanisms=("PLAIN",), starttls=True)
    engine, lines = talk(b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", config)
    assert lines == ["530 5.7.0 Must issue a STARTTLS command first"]
    dialogue = Dialogue(engine, Hooks.of(Sink(), check))
    engine.receive(b"STARTTLS\r\n")
    dialogue.run()
    engine.tls_started(TlsInfo(version="TLSv1.3", cipher="X", bits=256))
    engine.receive(b"EHLO c\r\n")
    dialogue.run()
    assert b"250-AUTH PLAIN\r\n" in engine.bytes_to_send()
