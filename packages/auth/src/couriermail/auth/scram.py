"""SCRAM-SHA-256: keys, messages and proofs, for both sides.

    client-first   gs2-header "n=" name ",r=" nonce
    server-first   "r=" nonce ",s=" salt ",i=" iterations
    client-final   "c=" gs2-header64 ",r=" nonce ",p=" proof
    server-final   "v=" signature | "e=" error

    stored         "SCRAM-SHA-256$" iterations ":" salt "$" StoredKey ":" ServerKey

Channel binding is not offered.

Standard: RFC 5802 (SCRAM), RFC 5803 (how it is stored), RFC 7677 (with SHA-256), RFC 4013
(SASLprep).
"""

from __future__ import annotations

import hashlib
import hmac
import stringprep
import unicodedata
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

import attrs

from couriermail.auth.errors import SaslError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_ITERATIONS",
    "MIN_ITERATIONS",
    "ScramSecret",
    "client_proof",
    "constant_salt",
    "decode_attribute",
    "encode_attribute",
    "escape_name",
    "parse_attributes",
    "prepare_text",
    "salted_password",
    "server_signature",
    "unescape_name",
]

MIN_ITERATIONS = 4096  # RFC 7677 4: what a client must insist on
MAX_ITERATIONS = 10_000_000  # a server must not keep a client busy for minutes
SALT_BYTES = 16

_HASH = "sha256"
_KEY_BYTES = 32
_STORED_SCHEME = "SCRAM-SHA-256"


@attrs.frozen(kw_only=True)
class ScramSecret:
    """What a server keeps of a password (RFC 5802 2.4); the password does not follow from it.

    Attributes:
        salt: random octets.
        iterations: rounds of PBKDF2.
        stored_key: checks the client's proof.
        server_key: proves the server to the client.
    """

    salt: bytes
    iterations: int
    stored_key: bytes = attrs.field(repr=False)
    server_key: bytes = attrs.field(repr=False)

    @classmethod
    def from_password(
        cls, password: str, *, salt: bytes | None = None, iterations: int = MIN_ITERATIONS
    ) -> ScramSecret:
        """The secret of a password.

        Raises:
            SaslError: the password has characters that SASLprep forbids.
        """
        import secrets

        salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        salted = salted_password(password, salt, iterations)
        return cls(
            salt=salt,
            iterations=iterations,
            stored_key=hashlib.new(_HASH, _hmac(salted, b"Client Key")).digest(),
            server_key=_hmac(salted, b"Server Key"),
        )

    @classmethod
    def from_text(cls, text: str) -> ScramSecret | None:
        """Read a stored secret (RFC 5803 2); None when it is none, or too weak (RFC 7677 4)."""
        scheme, _, rest = text.partition("$")
        parameters, _, keys = rest.partition("$")
        rounds, _, salt = parameters.partition(":")
        stored_key, _, server_key = keys.partition(":")
        if scheme != _STORED_SCHEME or not (rounds.isascii() and rounds.isdigit()):
            return None
        try:
            secret = cls(
                salt=a2b_base64(salt.encode("ascii"), strict_mode=True),
                iterations=int(rounds[:9]),
                stored_key=a2b_base64(stored_key.encode("ascii"), strict_mode=True),
                server_key=a2b_base64(server_key.encode("ascii"), strict_mode=True),
            )
        except ValueError:  # base64's error is one
            return None
        has_keys = {len(secret.stored_key), len(secret.server_key)} == {_KEY_BYTES}
        is_sane = MIN_ITERATIONS <= secret.iterations <= MAX_ITERATIONS and len(rounds) < 9
        return secret if has_keys and secret.salt and is_sane else None

    def to_text(self) -> str:
        """The secret as it is stored (RFC 5803 2)."""
        salt, stored_key, server_key = (
            encode_attribute(octets).decode()
            for octets in (self.salt, self.stored_key, self.server_key)
        )
        return f"{_STORED_SCHEME}${self.iterations}:{salt}${stored_key}:{server_key}"

    def is_of(self, password: str) -> bool:
        """Tell whether this is the secret of a password, in constant time."""
        try:
            other = ScramSecret.from_password(password, salt=self.salt, iterations=self.iterations)
        except SaslError:
            return False
        return hmac.compare_digest(self.stored_key, other.stored_key)

    def accepts(self, proof: bytes, auth_message: bytes) -> bool:
        """Tell whether a client's proof shows that it knows the password (RFC 5802 3)."""
        signature = _hmac(self.stored_key, auth_message)
        if len(proof) != len(signature):
            return False
        client_key = _xor(proof, signature)
        return hmac.compare_digest(hashlib.new(_HASH, client_key).digest(), self.stored_key)

    def sign(self, auth_message: bytes) -> bytes:
        """The server's own proof."""
        return _hmac(self.server_key, auth_message)


def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Hi() of RFC 5802 2.2.

    Raises:
        SaslError: the password has characters that SASLprep forbids.
    """
    return hashlib.pbkdf2_hmac(_HASH, prepare_text(password).encode(), salt, iterations)


def constant_salt(key: bytes, name: str) -> bytes:
    """A salt that looks random and is the same whenever the name is tried.

    Args:
        key: the server's own; who lacks it cannot tell such a salt from a stored one.
        name: the login name.
    """
    return hmac.digest(key, name.encode("utf-8", "surrogateescape"), _HASH)[:SALT_BYTES]


def client_proof(salted: bytes, auth_message: bytes) -> bytes:
    """ClientProof of RFC 5802 3."""
    client_key = _hmac(salted, b"Client Key")
    stored_key = hashlib.new(_HASH, client_key).digest()
    return _xor(client_key, _hmac(stored_key, auth_message))


def server_signature(salted: bytes, auth_message: bytes) -> bytes:
    """What a server that knows the password must answer."""
    return _hmac(_hmac(salted, b"Server Key"), auth_message)


def parse_attributes(message: bytes) -> dict[str, str]:
    """The attributes of a message, in order: `r=abc,s=xyz`.

    Raises:
        SaslError: no attributes, one twice, or a mandatory extension (`m=`), of which there
            is none that we know (RFC 5802 5.1).
    """
    attributes: dict[str, str] = {}
    for item in _text(message).split(","):
        name, equals, value = item.partition("=")
        if not equals or len(name) != 1 or name in attributes:
            raise SaslError("malformed SCRAM message")
        attributes[name] = value
    if "m" in attributes:
        raise SaslError("unknown mandatory SCRAM extension")
    return attributes


def decode_attribute(attributes: Mapping[str, str], name: str) -> bytes:
    """The octets of a base64 attribute.

    Raises:
        SaslError: it is missing or no base64.
    """
    try:
        return a2b_base64(attributes[name].encode("ascii"), strict_mode=True)
    except (KeyError, Base64Error, ValueError):
        raise SaslError("malformed SCRAM message") from None


def encode_attribute(data: bytes) -> bytes:
    """Octets as a base64 attribute."""
    return b2a_base64(data, newline=False)


def escape_name(name: str) -> str:
    """A name in a message: `,` and `=` are escaped (RFC 5802 5.1, saslname)."""
    return name.replace("=", "=3D").replace(",", "=2C")


def unescape_name(escaped: str) -> str:
    """The name that a message holds.

    Raises:
        SaslError: an `=` that begins no escape, or an empty name.
    """
    parts = escaped.split("=")
    if not escaped or any(part[:2] not in {"2C", "3D"} for part in parts[1:]):
        raise SaslError("malformed name in SCRAM message")
    letters = {"2C": ",", "3D": "="}
    return parts[0] + "".join(letters[part[:2]] + part[2:] for part in parts[1:])


def prepare_text(text: str) -> str:
    """Normalise a password or name (RFC 4013 2, stored strings).

    Raises:
        SaslError: a forbidden character, or directions mixed.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter  # RFC 4013 2.1: other spaces
        for letter in text
        if not stringprep.in_table_b1(letter)  # commonly mapped to nothing
    )
    normal = unicodedata.normalize("NFKC", mapped)
    if any(is_in(letter) for letter in normal for is_in in _FORBIDDEN_TABLES):
        raise SaslError("forbidden character")
    _require_one_direction(normal)
    return normal


_FORBIDDEN_TABLES = (  # RFC 4013 2.3 and 2.5
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def _require_one_direction(text: str) -> None:
    """RFC 3454 6: right-to-left text has no left-to-right letters, and both ends show it."""
    if not any(stringprep.in_table_d1(letter) for letter in text):
        return
    has_left = any(stringprep.in_table_d2(letter) for letter in text)
    if has_left or not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise SaslError("text of two directions")


def _text(message: bytes) -> str:
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("SCRAM message is not UTF-8") from None


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, _HASH)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
