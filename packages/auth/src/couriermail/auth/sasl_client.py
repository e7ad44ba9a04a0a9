"""The client's side of SASL: choose a mechanism, answer challenges.

    mechanism = choose_mechanism("PLAIN LOGIN SCRAM-SHA-256", ClientPolicy(is_encrypted=True))
    client = start_client(mechanism, "john", "secret")
    initial = client.initial()        # None: the server speaks first
    response = client.respond(challenge)
    client.finish()                   # the server says: accepted; raises when it proved nothing

Standard: RFC 4422, RFC 4616, RFC 2195, RFC 5802, RFC 7677; spec auth 4.7.
"""

from __future__ import annotations

import hmac
import secrets
from functools import partial
from typing import Protocol

import attrs

from couriermail.auth.errors import SaslError, SaslMechanismError
from couriermail.auth.sasl import CRAM_MECHANISMS
from couriermail.auth.scram import (
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    client_proof,
    decode_attribute,
    encode_attribute,
    escape_name,
    parse_attributes,
    prepare_text,
    salted_password,
    server_signature,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CLIENT_MECHANISMS",
    "ClientPolicy",
    "SaslClient",
    "choose_mechanism",
    "start_client",
]

# Spec auth 4.7, with SCRAM before the CRAMs: a stolen server has no use for its secrets.
CLIENT_MECHANISMS = ("EXTERNAL", "SCRAM-SHA-256", *CRAM_MECHANISMS, "PLAIN", "LOGIN")

_SHOWS_PASSWORD = frozenset({"PLAIN", "LOGIN"})
_NONCE_BYTES = 18


@attrs.frozen(kw_only=True)
class ClientPolicy:
    """What a client is ready to do.

    Attributes:
        is_encrypted: the connection is under TLS.
        has_external: TLS showed the server a certificate of ours.
        allow_plain_text: send the password itself also without TLS.
    """

    is_encrypted: bool = False
    has_external: bool = False
    allow_plain_text: bool = False

    def allows(self, mechanism: str) -> bool:
        """Tell whether a mechanism may be used."""
        if mechanism == "EXTERNAL":
            return self.has_external
        return self.is_encrypted or self.allow_plain_text or mechanism not in _SHOWS_PASSWORD


class SaslClient(Protocol):
    """One exchange."""

    def initial(self) -> bytes | None:
        """The initial response; None where the server speaks first."""
        ...

    def respond(self, challenge: bytes) -> bytes:
        """The response to a challenge.

        Raises:
            SaslError: the server broke the mechanism, or proved to be another.
        """
        ...

    def finish(self) -> None:
        """Take note that the server has accepted.

        Raises:
            SaslError: it did so before the mechanism's end, or without its own proof.
        """
        ...


def choose_mechanism(offered: str, policy: ClientPolicy | None = None) -> str:
    """The best mechanism that a server offers and the policy allows.

    Args:
        offered: the server's list, separated by blanks, in any case.
        policy: what the client is ready to do.

    Raises:
        SaslMechanismError: there is none.
    """
    words = frozenset(offered.upper().split())
    policy = policy or ClientPolicy()
    for mechanism in CLIENT_MECHANISMS:
        if mechanism in words and policy.allows(mechanism):
            return mechanism
    raise SaslMechanismError("the server offers no mechanism that may be used")


def start_client(
    mechanism: str, name: str, password: str, *, nonce: str | None = None
) -> SaslClient:
    """Begin an exchange.

    Args:
        mechanism: one of `CLIENT_MECHANISMS`, in any case.
        name: the login name.
        password: the password; EXTERNAL needs neither.
        nonce: for SCRAM, random printable ASCII without commas; None takes a new one.

    Raises:
        SaslMechanismError: there is no such mechanism.
        SaslError: name or password cannot be sent by it.
    """
    key = mechanism.upper()
    if key not in _ENGINES:
        raise SaslMechanismError(f"no such mechanism: {mechanism!r}")
    if "\0" in name or "\0" in password:
        raise SaslError("NUL in name or password")
    nonce = nonce or secrets.token_urlsafe(_NONCE_BYTES)
    return _ENGINES[key](_Start(name=name, password=password, nonce=nonce))


@attrs.frozen(kw_only=True)
class _Start:
    name: str
    password: str = attrs.field(repr=False)
    nonce: str


@attrs.define
class _Fixed:
    """A mechanism whose responses do not depend on what the server says."""

    _responses: list[bytes] = attrs.field(repr=False)
    _speaks_first: bool

    def initial(self) -> bytes | None:
        return self._responses.pop(0) if self._speaks_first else None

    def respond(self, challenge: bytes) -> bytes:
        if not self._responses:
            raise SaslError("the server asks for more than the mechanism has")
        return self._responses.pop(0)

    def finish(self) -> None:
        if self._responses:
            raise SaslError("the server accepted before it had asked")


@attrs.define
class _Cram:
    _start: _Start
    _algorithm: str
    _is_done: bool = False

    def initial(self) -> bytes | None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if self._is_done:
            raise SaslError("the server asks for more than the mechanism has")
        self._is_done = True
        digest = hmac.new(_to_bytes(self._start.password), challenge, self._algorithm)
        return _to_bytes(self._start.name) + b" " + digest.hexdigest().encode()

    def finish(self) -> None:
        if not self._is_done:
            raise SaslError("the server accepted before it had asked")


@attrs.define
class _Scram:
    _start: _Start
    _bare: bytes = b""
    _signature: bytes | None = None
    _is_proved: bool = False

    def initial(self) -> bytes | None:
        name = escape_name(prepare_text(self._start.name))
        self._bare = f"n={name},r={self._start.nonce}".encode()
        return b"n,," + self._bare

    def respond(self, challenge: bytes) -> bytes:
        if self._is_proved:
            raise SaslError("the server asks for more than the mechanism has")
        if self._signature is None:
            return self._prove(challenge)
        attributes = parse_attributes(challenge)
        if "e" in attributes:
            raise SaslError("the server refused the proof")
        if not hmac.compare_digest(decode_attribute(attributes, "v"), self._signature):
            raise SaslError("the server does not know the password")
        self._is_proved = True
        return b""

    def finish(self) -> None:
        if not self._is_proved:  # RFC 5802 5: a client must check the server's signature
            raise SaslError("the server did not prove that it knows the password")

    def _prove(self, server_first: bytes) -> bytes:
        attributes = parse_attributes(server_first)
        nonce, iterations = attributes.get("r", ""), attributes.get("i", "")
        is_ours = nonce.startswith(self._start.nonce) and len(nonce) > len(self._start.nonce)
        if list(attributes)[:3] != ["r", "s", "i"] or not is_ours:
            raise SaslError("malformed SCRAM message")
        count = int(iterations) if iterations.isdecimal() and len(iterations) < 9 else 0
        if not MIN_ITERATIONS <= count <= MAX_ITERATIONS:
            raise SaslError("SCRAM iterations out of range")
        without_proof = b"c=biws,r=" + nonce.encode()  # "biws" is "n,," in base64
        message = b",".join([self._bare, server_first, without_proof])
        salted = salted_password(self._start.password, decode_attribute(attributes, "s"), count)
        self._signature = server_signature(salted, message)
        return without_proof + b",p=" + encode_attribute(client_proof(salted, message))


def _plain(start: _Start) -> SaslClient:
    response = b"\0" + _to_bytes(start.name) + b"\0" + _to_bytes(start.password)
    return _Fixed([response], speaks_first=True)


def _login(start: _Start) -> SaslClient:
    return _Fixed([_to_bytes(start.name), _to_bytes(start.password)], speaks_first=False)


def _external(start: _Start) -> SaslClient:
    return _Fixed([b""], speaks_first=True)


_ENGINES: Mapping[str, Callable[[_Start], SaslClient]] = {
    "EXTERNAL": _external,
    "SCRAM-SHA-256": _Scram,
    **{name: partial(_Cram, algorithm=hash_name) for name, hash_name in CRAM_MECHANISMS.items()},
    "PLAIN": _plain,
    "LOGIN": _login,
}


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
