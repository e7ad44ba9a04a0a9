"""Laws of SASL: whatever the other side sends, an engine answers or raises a `SaslError`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.auth.errors import SaslError
from couriermail.auth.sasl import decode_line, encode_line
from couriermail.auth.sasl_client import CLIENT_MECHANISMS, start_client
from couriermail.auth.sasl_server import (
    SERVER_MECHANISMS,
    Challenge,
    SaslSettings,
    ScramLogin,
    ScramQuery,
    start_sasl,
)
from couriermail.auth.scram import ScramSecret

SECRET = ScramSecret.from_password("secret", salt=b"salt")
SETTINGS = SaslSettings(decoy_key=b"key")

words = st.sampled_from([b"n,,", b"n=u", b",r=", b"c=biws", b",p=", b"v=", b"AAAA", b"\0", b" "])
messages = st.one_of(st.binary(max_size=40), st.lists(words, max_size=6).map(b"".join))
texts = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=12)


@settings(max_examples=300)
@given(st.sampled_from(SERVER_MECHANISMS), st.lists(st.one_of(st.none(), messages), max_size=4))
def test_a_server_answers_or_raises_its_error(
    mechanism: str, responses: list[bytes | None]
) -> None:
    """Untrusted input raises nothing else, and proves nothing."""
    engine = start_sasl(mechanism, SETTINGS, external="me", nonce="0" * 32)
    for response in responses:
        try:
            answer = engine.step(response)
            if isinstance(answer, ScramQuery):
                answer = engine.provide(SECRET)
        except SaslError:
            return
        assert not isinstance(answer, ScramLogin)
        if not isinstance(answer, Challenge):
            return


@settings(max_examples=300)
@given(st.sampled_from(CLIENT_MECHANISMS), st.lists(messages, max_size=4))
def test_a_client_answers_or_raises_its_error(mechanism: str, challenges: list[bytes]) -> None:
    """A server can make a client do nothing but answer or give up."""
    client = start_client(mechanism, "user", "secret", nonce="abc")
    client.initial()
    try:
        for challenge in challenges:
            client.respond(challenge)
    except SaslError:
        pass


@given(st.binary(max_size=60))
def test_lines_are_decoded_or_refused(line: bytes) -> None:
    """base64 decoder: strict alphabet, padding required, total length multiple of 4."""
    assert decode_line(encode_line(line)) == line
    try:
        decoded = decode_line(line)
    except SaslError:
        return
    assert line == b"=" or len(line) % 4 == 0
    assert len(decoded) <= len(line)


@settings(max_examples=25, deadline=None)
@given(texts, texts)
def test_scram_lets_in_who_knows_the_password_and_nobody_else(name: str, password: str) -> None:
    """RFC 5802 3: the proof shows knowledge of the password."""
    try:
        secret = ScramSecret.from_password(password)
        client = start_client("SCRAM-SHA-256", name, password)
        server = start_sasl("SCRAM-SHA-256", SETTINGS)
        query = server.step(client.initial())
    except SaslError:
        return  # SASLprep forbids the text
    assert isinstance(query, ScramQuery)
    final = server.step(client.respond(server.provide(secret).data))
    assert isinstance(final, Challenge)
    assert isinstance(server.step(client.respond(final.data)), ScramLogin)
    client.finish()
