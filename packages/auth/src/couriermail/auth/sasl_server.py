r"""The server's side of SASL: a response in; a challenge, a question or the outcome out.

An engine knows no socket and no account.  Its outcome is what the client claims, for a module
to check (`PasswordLogin`, `CramResponse`), what TLS has proved (`ExternalLogin`), or what the
engine itself has proved with the secret it asked for (`ScramLogin`):

    engine = start_sasl("PLAIN", settings)
    answer = engine.step(None)            # Challenge(b""): send it, in base64
    answer = engine.step(b"\0john\0pw")   # PasswordLogin: ask the modules

Base64 and `*` belong to the lines around it: `couriermail.auth.sasl.decode_line`.

Standard: RFC 4422 (SASL; appendix A EXTERNAL), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 5802
and RFC 7677 (SCRAM-SHA-256); spec auth 4.6.
"""

from __future__ import annotations

import hmac
import secrets
from functools import partial
from typing import Protocol

import attrs

from couriermail.auth.errors import SaslAbortedError, SaslError, SaslMechanismError
from couriermail.auth.module import CramResponse
from couriermail.auth.sasl import CRAM_MECHANISMS, DomainRule
from couriermail.auth.scram import (
    MIN_ITERATIONS,
    ScramSecret,
    constant_salt,
    decode_attribute,
    encode_attribute,
    parse_attributes,
    unescape_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "SERVER_MECHANISMS",
    "Challenge",
    "ExternalLogin",
    "PasswordLogin",
    "SaslAnswer",
    "SaslServer",
    "SaslSettings",
    "ScramLogin",
    "ScramQuery",
    "start_sasl",
]

SERVER_MECHANISMS = ("PLAIN", "LOGIN", *CRAM_MECHANISMS, "SCRAM-SHA-256", "EXTERNAL")

_NONCE_BYTES = 16


@attrs.frozen
class Challenge:
    """Send this to the client and hand its response to `step`."""

    data: bytes


@attrs.frozen(kw_only=True)
class ScramQuery:
    """Hand the `ScramSecret` of this name, or None, to `SaslServer.provide`."""

    name: str


@attrs.frozen(kw_only=True)
class PasswordLogin:
    """The client claims a name and a password (PLAIN, LOGIN).

    Attributes:
        name: the login name, with its domain.
        password: as text; surrogates stand for odd octets.
        authorization: whom the client wants to act as; a server that cannot do that ignores
            it, as Courier does.
    """

    name: str
    password: str = attrs.field(repr=False)
    authorization: str = ""


@attrs.frozen
class ExternalLogin:
    """TLS proved who the client is."""

    identity: str


@attrs.frozen(kw_only=True)
class ScramLogin:
    """The client proved that it knows the password of this name."""

    name: str
    authorization: str = ""


SaslAnswer = Challenge | ScramQuery | PasswordLogin | CramResponse | ExternalLogin | ScramLogin


@attrs.frozen(kw_only=True)
class SaslSettings:
    """What all exchanges of a server have in common.

    Attributes:
        mechanisms: those that a client may use.
        hostname: the server's name, in CRAM challenges.
        domain: what is appended to short names.
        max_response_bytes: longer responses abort the exchange.
        decoy_key: makes the salts of unknown names; keep it, or they change with every start.
    """

    mechanisms: tuple[str, ...] = SERVER_MECHANISMS
    hostname: str = "localhost"
    domain: DomainRule = attrs.field(factory=DomainRule)
    max_response_bytes: int = 8192
    decoy_key: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), repr=False)


class SaslServer(Protocol):
    """One exchange."""

    def step(self, response: bytes | None) -> SaslAnswer:
        """Take the client's response, or None at the start when there was no initial one.

        Raises:
            SaslAbortedError: the response is of no form that the mechanism has.
            SaslError: the exchange failed; for the client it is a refusal like any other.
        """
        ...

    def provide(self, secret: ScramSecret | None) -> Challenge:
        """SaslAnswer a `ScramQuery`.

        Raises:
            SaslError: none was asked.
        """
        ...


def start_sasl(
    mechanism: str,
    settings: SaslSettings | None = None,
    *,
    external: str = "",
    nonce: str | None = None,
) -> SaslServer:
    """Begin an exchange.

    Args:
        mechanism: its name, in any case.
        settings: the server's settings.
        external: the identity that TLS proved, or an empty text.
        nonce: random printable ASCII without commas; None takes a new one.

    Raises:
        SaslMechanismError: unknown, or not among the settings' mechanisms.
    """
    settings = settings or SaslSettings()
    name = mechanism.upper()
    if name not in settings.mechanisms or name not in _ENGINES:
        raise SaslMechanismError(f"no such mechanism: {mechanism!r}")
    if nonce is None:
        nonce = secrets.token_hex(_NONCE_BYTES).upper()
    return _ENGINES[name](_Start(settings=settings, external=external, nonce=nonce))


@attrs.frozen(kw_only=True)
class _Start:
    settings: SaslSettings
    external: str
    nonce: str

    def check(self, response: bytes) -> bytes:
        if len(response) > self.settings.max_response_bytes:
            raise SaslAbortedError("response is too long")
        return response

    def full_name(self, raw: bytes) -> str:
        """A login name with its domain; without NUL, which ends it elsewhere."""
        if not raw or b"\0" in raw:
            raise SaslAbortedError("no login name")
        return self.settings.domain.apply(_to_text(raw))


class _WithoutSecrets:
    """The part of the protocol that only SCRAM has."""

    def provide(self, secret: ScramSecret | None) -> Challenge:
        raise SaslError("this mechanism asks for no secret")


@attrs.define
class _Plain(_WithoutSecrets):
    _start: _Start

    def step(self, response: bytes | None) -> SaslAnswer:
        if response is None:
            return Challenge(b"")
        fields = self._start.check(response).split(b"\0")
        if len(fields) != 3:  # RFC 4616 2: [authzid] NUL authcid NUL passwd
            raise SaslAbortedError("malformed PLAIN response")
        return PasswordLogin(
            name=self._start.full_name(fields[1]),
            password=_to_text(fields[2]),
            authorization=_to_text(fields[0]),
        )


@attrs.define
class _Login(_WithoutSecrets):
    _start: _Start
    _name: str | None = None

    def step(self, response: bytes | None) -> SaslAnswer:
        if response is None:
            return Challenge(b"Username:")
        self._start.check(response)
        if self._name is None:
            self._name = self._start.full_name(response)
            return Challenge(b"Password:")
        return PasswordLogin(name=self._name, password=_to_text(response))


@attrs.define
class _Cram(_WithoutSecrets):
    _start: _Start
    _algorithm: str
    _challenge: bytes = b""

    def step(self, response: bytes | None) -> SaslAnswer:
        if not self._challenge:
            if response:
                raise SaslError("CRAM has no initial response")
            # RFC 2195 2: the form of a message id; here 32 digits that are never used again.
            challenge = f"<{self._start.nonce}@{self._start.settings.hostname}>"
            self._challenge = challenge.encode("ascii", "backslashreplace")
            return Challenge(self._challenge)
        name, blank, digest = self._start.check(response or b"").rpartition(b" ")
        if not blank:
            raise SaslAbortedError("malformed CRAM response")
        return CramResponse(
            algorithm=self._algorithm,
            challenge=self._challenge,
            name=self._start.full_name(name),
            digest=_to_text(digest),
        )


@attrs.define
class _External(_WithoutSecrets):
    _start: _Start
    _is_asked: bool = False

    def step(self, response: bytes | None) -> SaslAnswer:
        if not self._start.external:
            raise SaslError("no external identity")
        if response is None:
            self._is_asked = True
            return Challenge(b"")
        asked_for = _to_text(self._start.check(response))
        if self._is_asked and asked_for:
            raise SaslAbortedError("EXTERNAL identity is not ours to choose")
        # RFC 4422 A.1: no identity means that of the credentials.
        if asked_for and asked_for != self._start.external:
            raise SaslError("another external identity")
        return ExternalLogin(self._start.external)


@attrs.define
class _Scram:
    _start: _Start
    _next: Callable[[bytes], SaslAnswer] | None = attrs.field(default=None, init=False)
    _gs2_header: bytes = attrs.field(default=b"", init=False)
    _client_first: bytes = attrs.field(default=b"", init=False, repr=False)
    _server_first: bytes = attrs.field(default=b"", init=False, repr=False)
    _nonce: str = attrs.field(default="", init=False)
    _secret: ScramSecret | None = attrs.field(default=None, init=False, repr=False)
    _is_known: bool = attrs.field(default=False, init=False)
    _login: ScramLogin | None = attrs.field(default=None, init=False)

    def step(self, response: bytes | None) -> SaslAnswer:
        if response is None:
            if self._next is None and not self._nonce:
                return Challenge(b"")
            raise SaslError("a response is missing")
        self._start.check(response)
        if not self._nonce:
            return self._read_client_first(response)
        if self._next is None:
            raise SaslError("the exchange is over, or waits for the secret")
        proceed, self._next = self._next, None
        return proceed(response)

    def provide(self, secret: ScramSecret | None) -> Challenge:
        if self._login is None or self._secret is not None:
            raise SaslError("no secret was asked for")
        self._is_known = secret is not None
        self._secret = secret or self._decoy(self._login.name)
        salt = encode_attribute(self._secret.salt).decode()
        text = f"r={self._nonce},s={salt},i={self._secret.iterations}"
        self._server_first = text.encode()
        self._next = self._read_client_final
        return Challenge(self._server_first)

    def _read_client_first(self, message: bytes) -> SaslAnswer:
        flag, comma, rest = message.partition(b",")
        if not comma or flag not in {b"n", b"y"}:  # RFC 5802 7: "p=" wants channel binding
            raise SaslError("SCRAM without channel binding only")
        identity, comma, bare = rest.partition(b",")
        if not comma or (identity and not identity.startswith(b"a=")):
            raise SaslError("malformed SCRAM message")
        attributes = parse_attributes(bare)
        if list(attributes)[:2] != ["n", "r"] or not attributes["r"]:
            raise SaslError("malformed SCRAM message")
        name = unescape_name(attributes["n"]).encode()
        self._gs2_header, self._client_first = flag + b"," + identity + b",", bare
        self._nonce = attributes["r"] + self._start.nonce
        wanted = unescape_name(_to_text(identity[2:])) if identity else ""
        self._login = ScramLogin(name=self._start.full_name(name), authorization=wanted)
        return ScramQuery(name=self._login.name)

    def _read_client_final(self, message: bytes) -> SaslAnswer:
        without_proof, _, _ = message.rpartition(b",p=")
        attributes = parse_attributes(message)
        if list(attributes)[:2] != ["c", "r"] or list(attributes)[-1] != "p":
            raise SaslError("malformed SCRAM message")
        if decode_attribute(attributes, "c") != self._gs2_header:
            raise SaslError("SCRAM channel binding differs")
        # RFC 5802 5.1: both nonces, the client's first
        is_same = hmac.compare_digest(attributes["r"].encode(), self._nonce.encode())
        message_of_both = b",".join([self._client_first, self._server_first, without_proof])
        proof = decode_attribute(attributes, "p")
        secret = self._secret
        if secret is None or not secret.accepts(proof, message_of_both):
            raise SaslError("wrong SCRAM proof")
        if not (is_same and self._is_known):
            raise SaslError("wrong SCRAM proof")
        self._next = self._end
        return Challenge(b"v=" + encode_attribute(secret.sign(message_of_both)))

    def _end(self, response: bytes) -> SaslAnswer:
        if response or self._login is None:
            raise SaslAbortedError("SCRAM ends with an empty response")
        return self._login

    def _decoy(self, name: str) -> ScramSecret:
        """A secret that nobody knows; the same salt whenever the name is tried."""
        return ScramSecret(
            salt=constant_salt(self._start.settings.decoy_key, name),
            iterations=MIN_ITERATIONS,
            stored_key=secrets.token_bytes(32),
            server_key=secrets.token_bytes(32),
        )


_ENGINES: Mapping[str, Callable[[_Start], SaslServer]] = {
    "PLAIN": _Plain,
    "LOGIN": _Login,
    **{name: partial(_Cram, algorithm=hash_name) for name, hash_name in CRAM_MECHANISMS.items()},
    "SCRAM-SHA-256": _Scram,
    "EXTERNAL": _External,
}


def _to_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
