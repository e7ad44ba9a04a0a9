"""SASL servers and clients (spec auth 4.6, 4.7, 6; RFC 4616, 2195, 5802, 7677)."""

from __future__ import annotations

import pytest

from couriermail.auth.errors import SaslAbortedError, SaslError, SaslMechanismError
from couriermail.auth.hmac_context import HmacContext
from couriermail.auth.module import CramResponse
from couriermail.auth.sasl import DomainRule, decode_line, encode_line
from couriermail.auth.sasl_client import (
    CLIENT_MECHANISMS,
    ClientPolicy,
    SaslClient,
    choose_mechanism,
    start_client,
)
from couriermail.auth.sasl_server import (
    Challenge,
    ExternalLogin,
    PasswordLogin,
    SaslAnswer,
    SaslServer,
    SaslSettings,
    ScramLogin,
    ScramQuery,
    start_sasl,
)
from couriermail.auth.scram import ScramSecret, escape_name, prepare_text, unescape_name

ENCRYPTED = ClientPolicy(is_encrypted=True)


@pytest.mark.parametrize(
    ("line", "data"),
    [
        (b"VXNlcm5hbWU6", b"Username:"),
        (b"UGFzc3dvcmQ6", b"Password:"),
        (b"", b""),
        (b"=", b""),
        (b"AGEA", b"\0a\0"),
    ],
)
def test_lines_are_base64(line: bytes, data: bytes) -> None:
    assert decode_line(line) == data


@pytest.mark.parametrize(
    "line",
    [b"*", b"*x", b"YQ", b"YQ=", b"YQ===", b"Y Q=", b"YQ==\r", b"YQ=a", b"\xff", b"A" * 16384],
)
def test_other_lines_abort(line: bytes) -> None:
    with pytest.raises(SaslAbortedError):
        decode_line(line)


def test_an_encoded_line_is_one_line() -> None:
    assert encode_line(b"x" * 300).count(b"\n") == 0
    assert encode_line(b"Username:") == b"VXNlcm5hbWU6"
    assert encode_line(b"Password:") == b"UGFzc3dvcmQ6"


@pytest.mark.parametrize(
    ("rule", "name", "full"),
    [
        (DomainRule(), "john", "john"),
        (DomainRule("@example.com"), "john", "john@example.com"),
        (DomainRule("@example.com"), "john@b", "john@b"),
        (DomainRule("@example.com", "%@"), "john%b", "john%b"),
        (DomainRule("@example.com", "%"), "john@b", "john@b@example.com"),
        (DomainRule("@example.com", ""), "john@b", "john@b@example.com"),
    ],
)
def test_a_short_name_gets_a_domain(rule: DomainRule, name: str, full: str) -> None:
    assert rule.apply(name) == full


def serve(mechanism: str, *responses: bytes | None, external: str = "") -> SaslAnswer:
    """The last answer of a server to these responses."""
    settings = SaslSettings(hostname="mx.example.com", domain=DomainRule("@Ex.com"))
    engine = start_sasl(mechanism, settings, external=external, nonce="0" * 32)
    for response in responses[:-1]:
        assert isinstance(engine.step(response), Challenge)
    return engine.step(responses[-1])


@pytest.mark.parametrize(
    ("mechanism", "responses", "answer"),
    [
        ("PLAIN", [None], Challenge(b"")),
        ("PLAIN", [b"\0john\0pw"], PasswordLogin(name="john@Ex.com", password="pw")),
        ("plain", [None, b"z\0j@x\0"], PasswordLogin(name="j@x", password="", authorization="z")),
        ("PLAIN", [b"\0j\0p\xff"], PasswordLogin(name="j@Ex.com", password="p\udcff")),
        ("LOGIN", [None], Challenge(b"Username:")),
        ("LOGIN", [b"john"], Challenge(b"Password:")),
        ("LOGIN", [None, b"john", b"p w"], PasswordLogin(name="john@Ex.com", password="p w")),
        ("CRAM-MD5", [None], Challenge(b"<00000000000000000000000000000000@mx.example.com>")),
        ("CRAM-SHA1", [b""], Challenge(b"<00000000000000000000000000000000@mx.example.com>")),
        (
            "CRAM-SHA256",
            [None, b"john smith abc"],
            CramResponse(
                algorithm="sha256",
                challenge=b"<00000000000000000000000000000000@mx.example.com>",
                name="john smith@Ex.com",
                digest="abc",
            ),
        ),
    ],
)
def test_a_server_asks_and_answers(
    mechanism: str, responses: list[bytes | None], answer: SaslAnswer
) -> None:
    assert serve(mechanism, *responses) == answer


@pytest.mark.parametrize(
    ("mechanism", "responses", "error"),
    [
        ("PLAIN", [b"john\0pw"], SaslAbortedError),
        ("PLAIN", [b"\0john\0pw\0x"], SaslAbortedError),
        ("PLAIN", [b"\0\0pw"], SaslAbortedError),
        ("PLAIN", [b"\0j\0" + b"x" * 9000], SaslAbortedError),
        ("LOGIN", [None, b""], SaslAbortedError),
        ("LOGIN", [None, b"a\0b"], SaslAbortedError),
        ("CRAM-MD5", [b"x"], SaslError),
        ("CRAM-MD5", [None, b"nodigest"], SaslAbortedError),
        ("CRAM-MD5", [None, b" abc"], SaslAbortedError),
        ("CRAM-MD5", [None, None], SaslAbortedError),
    ],
)
def test_a_server_refuses_what_is_not_of_the_mechanism(
    mechanism: str, responses: list[bytes | None], error: type[SaslError]
) -> None:
    with pytest.raises(error) as caught:
        serve(mechanism, *responses)
    assert type(caught.value) is error


def test_external_takes_what_tls_proved() -> None:
    assert serve("EXTERNAL", b"me", external="me") == ExternalLogin("me")
    assert serve("EXTERNAL", b"", external="me") == ExternalLogin("me")
    assert serve("EXTERNAL", None, b"", external="me") == ExternalLogin("me")


@pytest.mark.parametrize(
    ("responses", "external", "error"),
    [
        ([b"me"], "", SaslError),
        ([None], "", SaslError),
        ([b"you"], "me", SaslError),
        ([None, b"me"], "me", SaslAbortedError),
    ],
)
def test_external_takes_nothing_else(
    responses: list[bytes | None], external: str, error: type[SaslError]
) -> None:
    with pytest.raises(error) as caught:
        serve("EXTERNAL", *responses, external=external)
    assert type(caught.value) is error


@pytest.mark.parametrize("name", ["", "NTLM", "PLAIN ", "SCRAM-SHA-1"])
def test_unknown_mechanisms_are_told_apart(name: str) -> None:
    with pytest.raises(SaslMechanismError):
        start_sasl(name)
    with pytest.raises(SaslMechanismError):
        start_client(name, "john", "pw")


def test_only_mechanisms_of_the_settings_are_served() -> None:
    with pytest.raises(SaslMechanismError):
        start_sasl("LOGIN", SaslSettings(mechanisms=("PLAIN",)))


def test_challenges_never_repeat() -> None:
    assert start_sasl("CRAM-MD5").step(None) != start_sasl("CRAM-MD5").step(None)


@pytest.mark.parametrize(
    ("offered", "policy", "chosen"),
    [
        ("LOGIN PLAIN CRAM-MD5", None, "CRAM-MD5"),
        ("login plain", ENCRYPTED, "PLAIN"),
        ("LOGIN", ClientPolicy(allow_plain_text=True), "LOGIN"),
        ("CRAM-MD5 CRAM-SHA1 CRAM-SHA256", None, "CRAM-SHA256"),
        ("SCRAM-SHA-256 CRAM-SHA256", None, "SCRAM-SHA-256"),
        ("EXTERNAL PLAIN", ENCRYPTED, "PLAIN"),
        ("EXTERNAL PLAIN", ClientPolicy(has_external=True), "EXTERNAL"),
    ],
)
def test_a_client_takes_the_best(offered: str, policy: ClientPolicy | None, chosen: str) -> None:
    assert choose_mechanism(offered, policy) == chosen


@pytest.mark.parametrize("offered", ["", "NTLM GSSAPI", "PLAIN LOGIN", "EXTERNAL"])
def test_a_client_without_tls_shows_no_password(offered: str) -> None:
    with pytest.raises(SaslMechanismError):
        choose_mechanism(offered)


def converse(client: SaslClient, server: SaslServer, secret: ScramSecret | None) -> SaslAnswer:
    """Let the two talk until the server knows its outcome."""
    answer = server.step(client.initial())
    for _ in range(5):
        if isinstance(answer, ScramQuery):
            answer = server.provide(secret)
        if not isinstance(answer, Challenge):
            client.finish()
            return answer
        answer = server.step(client.respond(answer.data))
    raise AssertionError("the exchange does not end")


@pytest.mark.parametrize("mechanism", CLIENT_MECHANISMS)
def test_our_client_and_our_server_agree(mechanism: str) -> None:
    secret = ScramSecret.from_password("s\u00e9cret")
    client = start_client(mechanism, "j=o,hn", "s\u00e9cret")
    answer = converse(client, start_sasl(mechanism, external="me"), secret)
    if mechanism == "EXTERNAL":
        assert answer == ExternalLogin("me")
    elif mechanism.startswith("CRAM"):
        assert isinstance(answer, CramResponse)
        context = HmacContext.from_password(answer.algorithm, "s\u00e9cret")
        assert answer.name == "j=o,hn"
        assert context.accepts(answer.challenge, answer.digest)
    elif mechanism.startswith("SCRAM"):
        assert answer == ScramLogin(name="j=o,hn")
    else:
        assert answer == PasswordLogin(name="j=o,hn", password="s\u00e9cret")


def test_the_example_of_rfc_2195() -> None:
    client = start_client("CRAM-MD5", "tim", "tanstaaftanstaaf")
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert client.respond(challenge) == b"tim b913a602c7eda7a495b4e6e7334d3890"


RFC7677 = {
    "client-first": b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "server-first": b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "client-final": b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "server-final": b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
}


def test_the_example_of_rfc_7677_for_the_client() -> None:
    client = start_client("SCRAM-SHA-256", "user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert client.initial() == RFC7677["client-first"]
    assert client.respond(RFC7677["server-first"]) == RFC7677["client-final"]
    with pytest.raises(SaslError):
        client.finish()
    assert client.respond(RFC7677["server-final"]) == b""
    client.finish()


def scram_server() -> SaslServer:
    return start_sasl("SCRAM-SHA-256", nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")


def rfc7677_secret() -> ScramSecret:
    from base64 import b64decode

    return ScramSecret.from_password("pencil", salt=b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))


def test_the_example_of_rfc_7677_for_the_server() -> None:
    server = scram_server()
    assert server.step(RFC7677["client-first"]) == ScramQuery(name="user")
    assert server.provide(rfc7677_secret()) == Challenge(RFC7677["server-first"])
    assert server.step(RFC7677["client-final"]) == Challenge(RFC7677["server-final"])
    assert server.step(b"") == ScramLogin(name="user")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"x,,n=user,r=abc",
        b"p=tls-exporter,,n=user,r=abc",
        b"n,b=x,n=user,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"n,,n=user",
        b"n,,n=,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,n=user,r=abc",
        b"n,,r=abc,n=user",
        b"n,,n=\xff,r=abc",
        b"n,a=x=1,n=user,r=abc",
    ],
)
def test_a_scram_server_refuses_a_malformed_start(message: bytes) -> None:
    with pytest.raises(SaslError):
        scram_server().step(message)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c=biws", b"c=eSws"),
        (b"c=biws", b"c=biw"),
        (b"NlF$k0", b"NlF$k1"),
        (b"p=dHzb", b"p=dHzc"),
        (b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", b""),
        (b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", b"p=AAAA"),
        (b",p=", b",x=1,y=2,p="),
    ],
)
def test_a_scram_server_refuses_another_end(old: bytes, new: bytes) -> None:
    server = scram_server()
    server.step(RFC7677["client-first"])
    server.provide(rfc7677_secret())
    with pytest.raises(SaslError):
        server.step(RFC7677["client-final"].replace(old, new))


def test_an_unknown_name_gets_the_same_salt_each_time_and_no_login() -> None:
    settings = SaslSettings(decoy_key=b"k")
    challenges = set()
    for _ in range(2):
        server = start_sasl("SCRAM-SHA-256", settings, nonce="same")
        server.step(b"n,,n=nobody,r=abc")
        challenge = server.provide(None)
        challenges.add(challenge.data)
        client = start_client("SCRAM-SHA-256", "nobody", "guess", nonce="abc")
        client.initial()
        with pytest.raises(SaslError, match="wrong SCRAM proof"):
            server.step(client.respond(challenge.data))
    assert len(challenges) == 1


def test_scram_steps_come_in_order() -> None:
    server = scram_server()
    with pytest.raises(SaslError):
        server.provide(None)
    assert server.step(None) == Challenge(b"")
    server.step(RFC7677["client-first"])
    with pytest.raises(SaslError):
        server.step(RFC7677["client-final"])
    with pytest.raises(SaslError):
        server.step(None)
    server.provide(None)
    with pytest.raises(SaslError):
        server.provide(rfc7677_secret())
    with pytest.raises(SaslError):
        start_sasl("PLAIN").provide(None)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"r=other,s=AAAA,i=4096",
        b"r=abc,s=AAAA,i=4096",
        b"r=abcX,s=AAAA,i=4095",
        b"r=abcX,s=AAAA,i=99999999",
        b"r=abcX,s=AAAA,i=x",
        b"r=abcX,s=A,i=4096",
        b"r=abcX,s=\xc3\xa9,i=4096",
        b"m=1,r=abcX,s=AAAA,i=4096",
        b"s=AAAA,r=abcX,i=4096",
        b"e=other-error",
    ],
)
def test_a_scram_client_refuses_a_bad_server(challenge: bytes) -> None:
    client = start_client("SCRAM-SHA-256", "user", "pencil", nonce="abc")
    client.initial()
    with pytest.raises(SaslError):
        client.respond(challenge)


@pytest.mark.parametrize("final", [b"e=invalid-proof", b"v=AAAA", b"v=", b"x"])
def test_a_scram_client_wants_the_servers_proof(final: bytes) -> None:
    client = start_client("SCRAM-SHA-256", "user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    client.initial()
    client.respond(RFC7677["server-first"])
    with pytest.raises(SaslError):
        client.respond(final)


@pytest.mark.parametrize("mechanism", CLIENT_MECHANISMS)
def test_a_client_answers_no_more_than_the_mechanism_has(mechanism: str) -> None:
    client = start_client(mechanism, "user", "pencil")
    client.initial()
    with pytest.raises(SaslError):
        list(map(client.respond, [b"r=x"] * 4))


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "LOGIN", "SCRAM-SHA-256"])
def test_a_client_notices_an_early_success(mechanism: str) -> None:
    client = start_client(mechanism, "user", "pencil")
    client.initial()
    with pytest.raises(SaslError):
        client.finish()


def test_a_client_sends_no_nul() -> None:
    with pytest.raises(SaslError):
        start_client("PLAIN", "a\0b", "c")


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
    ],
)
def test_the_examples_of_rfc_4013(text: str, prepared: str) -> None:
    assert prepare_text(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "a\ud800", "\u0627a\u0627"])
def test_forbidden_text_is_refused(text: str) -> None:
    with pytest.raises(SaslError):
        prepare_text(text)


@pytest.mark.parametrize("name", ["a", "a,b", "=", "=2C", ",,==", "\u00e9"])
def test_names_survive_their_escapes(name: str) -> None:
    assert unescape_name(escape_name(name)) == name
    assert "," not in escape_name(name)


@pytest.mark.parametrize(
    "value", [PasswordLogin(name="j", password="geheim"), SaslSettings(decoy_key=b"geheim")]
)
def test_secrets_are_not_shown(value: object) -> None:
    assert "geheim" not in repr(value)
    assert "geheim" not in repr(start_client("PLAIN", "j", "geheim"))
    assert "geheim" not in repr(start_client("CRAM-MD5", "j", "geheim"))
