"""Check a password against a stored hash in constant time, and make new hashes.

    stored                              check
    {MD5}b64 {SHA}b64 {SHA256} {SHA512} base64 of the digest
    {MD5RAW}hex                         lower-case hexadecimal MD5
    {SSHA}b64 {SSHA256} {SSHA512}       digest of password and salt; salt = what follows it
    {ARGON2ID}$argon2id$...             Argon2id, with the extra `argon2`
    {CRYPT}x {BLF-CRYPT}x {SHA256-CRYPT}x {SHA512-CRYPT}x, or no known prefix: crypt(3)

Prefixes are matched without regard to case.  Plain text is never accepted: an unknown prefix
or a bare word goes to crypt(3), which fails for it.

Standard: spec auth 4.3 and 7; RFC 2307 5.3 ({MD5}, {SHA}, {CRYPT}); RFC 9106 (Argon2).
"""

from __future__ import annotations

from couriermail.auth.errors import PasswordError

__all__ = [
    "SCHEMES",
    "PasswordVerifier",
    "default_scheme",
    "hash_password",
    "make_like",
    "verify_password",
]

SSHA_SALT_BYTES = 4  # as in Courier, which reads no other length
STRONG_SALT_BYTES = 16

_PLAIN_DIGESTS = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha512": "sha512"}
_SALTED_DIGESTS = {"ssha": "sha1", "ssha256": "sha256", "ssha512": "sha512"}
_CRYPT_SETTINGS = {
    "md5-crypt": "$1$",
    "sha256-crypt": "$5$",
    "sha512-crypt": "$6$",
    "bcrypt": "$2b$",
    "yescrypt": "$y$",
    "gost-yescrypt": "$gy$",
    "scrypt": "$7$",
}
_CRYPT_PREFIXES = {
    "{crypt}": None,
    "{blf-crypt}": "bcrypt",
    "{sha256-crypt}": "sha256-crypt",
    "{sha512-crypt}": "sha512-crypt",
}
_STRONGEST_FIRST = ("yescrypt", "sha512-crypt")

SCHEMES: tuple[str, ...] = (
    *_PLAIN_DIGESTS, "md5raw", *_SALTED_DIGESTS, *_CRYPT_SETTINGS, "argon2id",
)  # fmt: skip


def verify_password(stored: str, password: str) -> bool:
    """Tell whether `password` is the one that `stored` was made of.

    Args:
        stored: the stored hash with its scheme, such as `{SSHA256}...` or `$6$...`.
        password: what somebody claims it is; compared as UTF-8.

    Raises:
        PasswordError: this system lacks the hash's algorithm.
    """
    clear = _encoded(password)
    prefix, rest = _split_prefix(stored)
    scheme = prefix.strip("{}")
    if scheme in _PLAIN_DIGESTS:
        return _is_equal(_encoded(rest), _base64(_digest(_PLAIN_DIGESTS[scheme], clear)))
    if scheme in _SALTED_DIGESTS:
        return _matches_salted_digest(rest, clear, _SALTED_DIGESTS[scheme])
    if scheme == "md5raw":
        return _is_equal(_encoded(rest), _digest("md5", clear).hex().encode())
    body = rest if prefix else stored
    if body.startswith("$argon2id$"):
        return _matches_argon2(body, clear)
    return _matches_crypt(body, clear)


def default_scheme() -> str:
    """The strongest crypt(3) scheme that new hashes can be made of on this system."""
    from couriermail.auth.unix_crypt import has_scheme

    return next(
        (name for name in _STRONGEST_FIRST if has_scheme(_CRYPT_SETTINGS[name])), "sha512-crypt"
    )


def hash_password(password: str, scheme: str | None = None) -> str:
    """Make a stored hash of a new password, with a new salt.

    Args:
        password: the password as text; surrogates stand for odd bytes.
        scheme: one of `SCHEMES`; None is `default_scheme()`.

    Raises:
        PasswordError: the scheme is unknown, or not available on this system.
    """
    clear = _encoded(password)
    name = default_scheme() if scheme is None else scheme.lower()
    if name in _PLAIN_DIGESTS:
        return f"{{{name.upper()}}}{_base64(_digest(_PLAIN_DIGESTS[name], clear)).decode()}"
    if name in _SALTED_DIGESTS:
        return f"{{{name.upper()}}}{_salted(clear, name).decode()}"
    if name == "md5raw":
        return "{MD5RAW}" + _digest("md5", clear).hex()
    if name == "argon2id":
        return "{ARGON2ID}" + _argon2_hash(clear)
    if name not in _CRYPT_SETTINGS:
        raise PasswordError(f"unknown password scheme: {name}")
    return _crypt_hash(clear, _CRYPT_SETTINGS[name])


def make_like(stored: str | None, password: str, *, default: str | None = None) -> str:
    """Make a hash of a new password in the scheme of the old hash (spec auth 4.3).

    DES hashes, which know eight letters only, and what is no hash at all become `default`.

    Args:
        stored: the old hash, or None.
        password: the new password.
        default: the scheme where the old one is not kept; None is `default_scheme()`.

    Raises:
        PasswordError: the scheme is not available on this system.
    """
    prefix, rest = _split_prefix(stored or "")
    scheme = prefix.strip("{}")
    if scheme in SCHEMES and scheme not in _CRYPT_SETTINGS:
        return hash_password(password, scheme)
    family = _CRYPT_PREFIXES.get(prefix) or _crypt_family(rest if prefix else stored or "")
    kept = "" if stored is None else stored[: len(prefix)]
    return kept + hash_password(password, family or default)


class PasswordVerifier:
    """`verify_password` that takes its time for unknown names as well.

    Who measures how long a refusal takes must not learn which names exist (spec auth 7).  A
    name without a hash is checked against a decoy: a hash of the kind that was checked last.
    """

    def __init__(self) -> None:
        self._decoy: str | None = None

    def verify(self, stored: str | None, password: str) -> bool:
        """Check a password; without a stored hash always False, for the same price.

        Raises:
            PasswordError: as for `verify_password`.
        """
        if stored is not None:
            self._decoy = stored
            return verify_password(stored, password)
        if self._decoy is None:
            self._decoy = hash_password("decoy")
        verify_password(self._decoy, password)
        return False


def _split_prefix(stored: str) -> tuple[str, str]:
    """A known prefix in braces, in lower case, and what follows it; "" where there is none."""
    word, brace, rest = stored.partition("}")
    prefix = f"{word}{brace}".lower()
    scheme = prefix[1:-1]
    is_digest = brace != "" and scheme in SCHEMES and scheme not in _CRYPT_SETTINGS
    if (is_digest and prefix == f"{{{scheme}}}") or prefix in _CRYPT_PREFIXES:
        return prefix, rest
    return "", stored


def _crypt_family(body: str) -> str | None:
    if body.startswith(("$2a$", "$2y$")):
        return "bcrypt"
    if body.startswith("$argon2id$"):
        return "argon2id"
    return next((name for name, start in _CRYPT_SETTINGS.items() if body.startswith(start)), None)


def _matches_salted_digest(stored: str, clear: bytes, algorithm: str) -> bool:
    from binascii import a2b_base64

    try:
        decoded = a2b_base64(stored.encode("ascii"), strict_mode=True)
    except ValueError:
        return False
    size = len(_digest(algorithm, b""))
    if len(decoded) <= size:
        return False  # without salt it is no salted digest
    return _is_equal(decoded[:size], _digest(algorithm, clear + decoded[size:]))


def _salted(clear: bytes, scheme: str) -> bytes:
    import secrets

    salt = secrets.token_bytes(SSHA_SALT_BYTES if scheme == "ssha" else STRONG_SALT_BYTES)
    return _base64(_digest(_SALTED_DIGESTS[scheme], clear + salt) + salt)


def _matches_crypt(stored: str, clear: bytes) -> bool:
    from couriermail.auth.unix_crypt import crypt

    setting = stored.encode("utf-8", "replace")
    result = crypt(clear, setting)
    return result is not None and _is_equal(result, setting)


def _crypt_hash(clear: bytes, prefix: str) -> str:
    from couriermail.auth.unix_crypt import crypt, generate_setting

    result = crypt(clear, generate_setting(prefix))
    if result is None:  # a NUL in the password
        raise PasswordError("crypt(3) cannot hash this password")
    return result.decode("ascii")


def _matches_argon2(stored: str, clear: bytes) -> bool:
    try:
        from argon2 import low_level
        from argon2.exceptions import Argon2Error
    except ImportError:
        raise _no_argon2() from None
    try:
        return low_level.verify_secret(stored.encode("utf-8", "replace"), clear, low_level.Type.ID)
    except Argon2Error:
        return False


def _argon2_hash(clear: bytes) -> str:
    import secrets

    try:
        from argon2 import low_level
    except ImportError:
        raise _no_argon2() from None
    # RFC 9106 4, the second recommended option: 3 passes, 64 MiB, 4 lanes.
    return low_level.hash_secret(
        clear,
        secrets.token_bytes(STRONG_SALT_BYTES),
        time_cost=3,
        memory_cost=65536,
        parallelism=4,
        hash_len=32,
        type=low_level.Type.ID,
    ).decode()


def _no_argon2() -> PasswordError:
    return PasswordError("Argon2 needs a package: pip install 'couriermail-auth[argon2]'")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _base64(data: bytes) -> bytes:
    from binascii import b2a_base64

    return b2a_base64(data, newline=False)


def _digest(algorithm: str, data: bytes) -> bytes:
    import hashlib

    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _is_equal(one: bytes, other: bytes) -> bool:
    import hmac

    return hmac.compare_digest(one, other)
