"""AUTH through the engine: lines, mechanisms, policy, and what hooks are asked."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable

import attrs
import pytest

from couriermail.auth import CramResponse, HmacContext, LoginThrottle, ScramSecret, start_client
from couriermail.core import AuthError, ManualClock
from couriermail.smtp import (
    Authenticator,
    Credentials,
    Endpoint,
    Limits,
    ServerConfig,
    ServerEngine,
    Session,
    Sink,
    TlsInfo,
)
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.gates import mechanisms_offered

CONFIG = ServerConfig(auth_mechanisms=("PLAIN", "LOGIN"), auth_in_clear=True)


class TemporaryAuthError(AuthError):
    is_temporary = True
    reply_code = 454
    enhanced_code = "4.7.0"
    reply_text = "Temporary authentication failure."


def check(session: Session, credentials: Credentials) -> str | None:
    if credentials.username == "down":
        raise TemporaryAuthError("the directory does not answer")
    is_right = (credentials.username, credentials.password) == ("tim", "tanstaaftanstaaf")
    return "tim" if is_right else None


def talk(data: bytes, config: ServerConfig = CONFIG) -> tuple[ServerEngine, list[str]]:
    engine = ServerEngine(config)
    dialogue = Dialogue(engine, Hooks.of(Sink(), Authenticator(password=check)))
    engine.receive(b"EHLO c\r\n")
    assert dialogue.run() is None
    engine.bytes_to_send()
    engine.receive(data)
    assert dialogue.run() is None
    return engine, engine.bytes_to_send().decode().splitlines()


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
    dialogue = Dialogue(engine, Hooks.of(Sink(), Authenticator(password=check)))
    engine.receive(b"STARTTLS\r\n")
    dialogue.run()
    engine.tls_started(TlsInfo(version="TLSv1.3", cipher="X", bits=256))
    engine.receive(b"EHLO c\r\n")
    dialogue.run()
    assert b"250-AUTH PLAIN\r\n" in engine.bytes_to_send()


# Every mechanism, with the client's engine on the other side

SECRET = ScramSecret.from_password("tanstaaftanstaaf", iterations=4096)
CONTEXTS = {
    name: HmacContext.from_password(name, "tanstaaftanstaaf") for name in ("md5", "sha1", "sha256")
}
TLS = TlsInfo(version="TLSv1.3", cipher="X", bits=256)
KNOWN_BY_TLS = attrs.evolve(TLS, identity="tim")


def check_digest(_session: Session, response: CramResponse) -> str | None:
    is_right = CONTEXTS[response.algorithm].accepts(response.challenge, response.digest)
    return response.name if is_right and response.name == "tim" else None


EVERYTHING = Authenticator(
    password=check,
    cram=check_digest,
    scram=lambda _session, name: SECRET if name == "tim" else None,
    external=lambda _session, identity: identity,
)


def open_session(
    authenticator: Authenticator,
    tls: TlsInfo | None = TLS,
    *,
    in_clear: bool = False,
    peer: Endpoint | None = None,
) -> Callable[[bytes], list[str]]:
    """A session behind EHLO, as a function from lines to replies."""
    config = ServerConfig(auth_mechanisms=authenticator.mechanisms, auth_in_clear=in_clear)
    engine = ServerEngine(config, Session(tls=tls, peer=peer or Endpoint()))
    dialogue = Dialogue(engine, Hooks.of(Sink(), authenticator))

    def say(data: bytes) -> list[str]:
        engine.receive(data)
        assert dialogue.run() is None
        return engine.bytes_to_send().decode().splitlines()

    say(b"EHLO c\r\n")
    return say


def log_in(say: Callable[[bytes], list[str]], mechanism: str, name: str, password: str) -> str:
    """Run a mechanism to its end; the code of the last reply."""
    client = start_client(mechanism, name, password)
    initial = client.initial()
    line = b"AUTH " + mechanism.encode()
    if initial is not None:
        line += b" " + (b64encode(initial) or b"=")
    (reply,) = say(line + b"\r\n")
    while reply.startswith("334"):
        (reply,) = say(b64encode(client.respond(b64decode(reply[4:]))) + b"\r\n")
    if reply.startswith("235"):
        client.finish()
    return reply[:3]


@pytest.mark.parametrize("mechanism", EVERYTHING.mechanisms[:-1])
def test_an_address_with_too_many_failed_logins_is_held_up(mechanism: str) -> None:
    clock = ManualClock()
    held = attrs.evolve(EVERYTHING, throttle=LoginThrottle(failures=2, seconds=60, clock=clock))
    guesser = Endpoint("192.0.2.7", 1025)
    for _ in range(2):  # a new connection forgets nothing
        assert log_in(open_session(held, peer=guesser), mechanism, "tim", "guess") == "535"
    say = open_session(held, peer=guesser)
    assert log_in(say, mechanism, "tim", "tanstaaftanstaaf") == "454"
    neighbour = open_session(held, peer=Endpoint("192.0.2.8", 1025))
    assert log_in(neighbour, mechanism, "tim", "tanstaaftanstaaf") == "235"
    clock.advance(31)
    assert log_in(say, mechanism, "tim", "tanstaaftanstaaf") == "235"


@pytest.mark.parametrize("mechanism", EVERYTHING.mechanisms)
def test_every_mechanism_lets_in_who_proves_it(mechanism: str) -> None:
    say = open_session(EVERYTHING, KNOWN_BY_TLS)
    assert log_in(say, mechanism, "tim", "tanstaaftanstaaf") == "235"


@pytest.mark.parametrize("mechanism", EVERYTHING.mechanisms[:-1])
@pytest.mark.parametrize(("name", "password"), [("tim", "wrong"), ("nobody", "tanstaaftanstaaf")])
def test_every_mechanism_refuses_a_wrong_password_and_an_unknown_name(
    mechanism: str, name: str, password: str
) -> None:
    assert log_in(open_session(EVERYTHING), mechanism, name, password) == "535"


def test_a_mechanism_is_offered_where_its_hook_is() -> None:
    assert EVERYTHING.mechanisms == (
        "SCRAM-SHA-256", "CRAM-SHA256", "CRAM-SHA1", "CRAM-MD5", "PLAIN", "LOGIN", "EXTERNAL",
    )  # fmt: skip
    assert Authenticator(password=check).mechanisms == ("PLAIN", "LOGIN")
    assert Authenticator().mechanisms == ()


@pytest.mark.parametrize(
    ("tls", "is_clear_allowed", "expected"),
    [
        (None, False, ["SCRAM-SHA-256", "CRAM-SHA256", "CRAM-SHA1", "CRAM-MD5"]),
        (None, True, list(EVERYTHING.mechanisms[:-1])),
        (TLS, False, list(EVERYTHING.mechanisms[:-1])),
        (KNOWN_BY_TLS, False, list(EVERYTHING.mechanisms)),
    ],
    ids=["in clear", "in clear, allowed", "TLS", "TLS with a certificate"],
)
def test_passwords_need_tls_and_external_needs_a_certificate(
    tls: TlsInfo | None, is_clear_allowed: bool, expected: list[str]
) -> None:
    say = open_session(EVERYTHING, tls, in_clear=is_clear_allowed)
    (offer,) = [line for line in say(b"EHLO c\r\n") if "AUTH" in line]
    assert offer.split()[1:] == expected


def test_other_mechanisms_may_be_offered_under_tls() -> None:
    config = ServerConfig(auth_mechanisms=("CRAM-MD5",), auth_mechanisms_tls=("PLAIN",))
    assert mechanisms_offered(config, None) == ("CRAM-MD5",)
    assert mechanisms_offered(config, TLS) == ("PLAIN",)


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"AUTH PLAIN AHRpbQB4\r\n", "538 5.7.11 Encryption required for this mechanism"),
        (b"AUTH EXTERNAL =\r\n", "504 5.5.4 Unknown authentication mechanism"),
        (b"AUTH CRAM-MD5 dGlt\r\n", "535 5.7.8 Authentication failed."),
        (b"AUTH SCRAM-SHA-256 bg==\r\n", "535 5.7.8 Authentication failed."),
    ],
    ids=["a password in clear", "EXTERNAL in clear", "an initial response to CRAM", "bad SCRAM"],
)
def test_what_is_refused_in_clear(data: bytes, reply: str) -> None:
    assert open_session(EVERYTHING, None)(data) == [reply]


@pytest.mark.parametrize(
    "raw", [b"tim\0x", b"\0tim\0", b"\0\0x", b"\0\xff\0x", b"\0tim\0\xff", b"a\0b\0c\0d"]
)
def test_no_hook_sees_an_empty_or_garbled_name_or_password(raw: bytes) -> None:
    def never(_session: Session, _credentials: Credentials) -> str | None:
        raise AssertionError("asked")

    say = open_session(Authenticator(password=never))
    assert say(b"AUTH PLAIN " + b64encode(raw) + b"\r\n") == [
        "501 5.5.2 Malformed authentication response"
    ]


@pytest.mark.parametrize("code", [432, 454, 535])
def test_the_reply_of_a_hooks_error_reaches_the_client(code: int) -> None:
    """RFC 4954 6: 432 asks for a change of mechanism, 454 for another try."""

    class RefusalError(AuthError):
        reply_code = code
        enhanced_code = "4.7.12" if code == 432 else "4.7.0" if code == 454 else "5.7.8"

    def refuse(_session: Session, _credentials: Credentials) -> str | None:
        raise RefusalError("for the log")

    (reply,) = open_session(Authenticator(password=refuse))(b"AUTH PLAIN AHRpbQB4\r\n")
    assert reply.startswith(f"{code} ")
    assert "for the log" not in reply


def test_short_names_get_the_domain() -> None:
    seen: list[str] = []

    def note(_session: Session, credentials: Credentials) -> str | None:
        seen.append(credentials.username)
        return credentials.username

    authenticator = Authenticator(password=note, domain="@example.com")
    for raw in (b"\0tim\0x", b"\0tim@other.test\0x"):
        open_session(authenticator)(b"AUTH PLAIN " + b64encode(raw) + b"\r\n")
    assert seen == ["tim@example.com", "tim@other.test"]


def test_the_authorization_identity_reaches_the_hook() -> None:
    seen: list[Credentials] = []

    def note(_session: Session, credentials: Credentials) -> str | None:
        seen.append(credentials)
        return None

    say = open_session(Authenticator(password=note))
    say(b"AUTH PLAIN " + b64encode(b"Ursel\0Kurt\0xipj3plmq") + b"\r\n")
    assert seen == [
        Credentials(mechanism="PLAIN", username="Kurt", password="xipj3plmq", authorization="Ursel")
    ]
    assert "xipj3plmq" not in repr(seen)


def test_the_salt_of_an_unknown_name_stays_the_same() -> None:
    """A salt that changes would tell that nobody has this name."""

    def salt(name: str) -> str:
        say = open_session(EVERYTHING)
        first = b64encode(f"n,,n={name},r=abc".encode())
        (reply,) = say(b"AUTH SCRAM-SHA-256 " + first + b"\r\n")
        return b64decode(reply[4:]).decode().split(",")[1]

    assert salt("nobody") == salt("nobody") != salt("nobody2")


def test_auth_is_not_imported_before_a_client_asks_for_it() -> None:
    code = (
        "import sys; from couriermail.smtp import Authenticator, ServerConfig, ServerEngine, Sink\n"
        "from couriermail.smtp.aio import serve\n"
        "from couriermail.smtp.dialogue import Dialogue, Hooks\n"
        "serve(Sink(), port=0, authenticate=lambda session, credentials: None)\n"
        "engine = ServerEngine(ServerConfig(auth_mechanisms=('PLAIN',), auth_in_clear=True))\n"
        "hooks = Hooks.of(Sink(), Authenticator(password=lambda session, credentials: None))\n"
        "dialogue = Dialogue(engine, hooks)\n"
        "for line in (b'EHLO c\\r\\n', b'MAIL FROM:<>\\r\\nRSET\\r\\n', b'AUTH PLAIN AGEAYg==\\r\\n'):\n"
        "    engine.receive(line)\n"
        "    dialogue.run()\n"
        "    print('couriermail.auth' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["False", "False", "True"]
