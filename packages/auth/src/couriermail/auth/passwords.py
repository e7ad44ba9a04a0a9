"""Check a password against a stored hash, in constant time.

    stored                              check
    {MD5}b64 {SHA}b64 {SHA256} {SHA512} base64 of the digest
    {MD5RAW}hex                         lower-case hexadecimal MD5
    {SSHA}b64 {SSHA256} {SSHA512}       digest of password and salt; salt = what follows it
    {CRYPT}x, or no known prefix        crypt(3) of the system's libcrypt

Prefixes are matched without regard to case.  Plain text is never accepted: an unknown prefix
or a bare word goes to crypt(3), which fails for it.

Standard: spec auth 4.3; RFC 2307 5.3 ({MD5}, {SHA}, {CRYPT}).
"""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["verify_password"]

_PLAIN_DIGESTS = {"{md5}": "md5", "{sha}": "sha1", "{sha256}": "sha256", "{sha512}": "sha512"}
_SALTED_DIGESTS = {"{ssha}": "sha1", "{ssha256}": "sha256", "{ssha512}": "sha512"}


def verify_password(stored: str, password: str) -> bool:
    """Tell whether `password` is the one that `stored` was made of.

    Args:
        stored: the stored hash with its scheme, such as `{SSHA256}...` or `$6$...`.
        password: what somebody claims it is; compared as UTF-8.

    Raises:
        PasswordError: it takes crypt(3), and this system has no libcrypt.
    """
    clear = password.encode("utf-8", "surrogateescape")
    prefix, brace, rest = stored.partition("}")
    scheme = f"{prefix}{brace}".lower()
    if scheme in _PLAIN_DIGESTS:
        return _matches_digest(rest, clear, _PLAIN_DIGESTS[scheme])
    if scheme in _SALTED_DIGESTS:
        return _matches_salted_digest(rest, clear, _SALTED_DIGESTS[scheme])
    if scheme == "{md5raw}":
        return _is_equal(rest.encode("utf-8", "replace"), _digest("md5", clear).hex().encode())
    return _matches_crypt(rest if scheme == "{crypt}" else stored, clear)


def _matches_digest(stored: str, clear: bytes, algorithm: str) -> bool:
    from binascii import b2a_base64

    expected = b2a_base64(_digest(algorithm, clear), newline=False)
    return _is_equal(stored.encode("utf-8", "replace"), expected)


def _matches_salted_digest(stored: str, clear: bytes, algorithm: str) -> bool:
    import hashlib
    from binascii import a2b_base64

    try:
        decoded = a2b_base64(stored.encode("ascii"), strict_mode=True)
    except ValueError:
        return False
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(decoded) <= size:
        return False  # without salt it is no salted digest
    return _is_equal(decoded[:size], _digest(algorithm, clear + decoded[size:]))


def _matches_crypt(stored: str, clear: bytes) -> bool:
    setting = stored.encode("utf-8", "replace")
    if len(setting) < 2 or b"\0" in clear + setting:
        return False
    result = _libcrypt()(clear, setting)
    # Failure is NULL or a text that begins with "*" and differs from the setting (crypt(3)).
    return result is not None and not result.startswith(b"*") and _is_equal(result, setting)


@cache
def _libcrypt() -> Callable[[bytes, bytes], bytes | None]:
    import ctypes
    import threading

    from couriermail.auth.errors import PasswordError

    for name in ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so"):
        try:
            function = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        break
    else:
        raise PasswordError("this system has no libcrypt")
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    function.restype = ctypes.c_char_p
    lock = threading.Lock()  # crypt(3) returns a buffer that the next call overwrites

    def crypt(clear: bytes, setting: bytes) -> bytes | None:
        with lock:
            result: bytes | None = function(clear, setting)
        return result

    return crypt


def _digest(algorithm: str, data: bytes) -> bytes:
    import hashlib

    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _is_equal(one: bytes, other: bytes) -> bool:
    import hmac

    return hmac.compare_digest(one, other)
