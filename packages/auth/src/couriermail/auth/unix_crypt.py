"""crypt(3): the system's libcrypt through ctypes, and its three oldest MCF schemes without it.

libcrypt knows DES, `$1$`, `$5$`, `$6$`, `$2b$`, `$y$` and what else the system was built with.
Where there is none, `$1$`, `$5$` and `$6$` are computed here on `hashlib`: the published
algorithms, about twenty times slower than C.

Standard: crypt(5); spec auth 4.3.
"""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["crypt", "generate_setting", "has_scheme", "portable_crypt"]

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so")
_ALPHABET = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SALT_DIGITS = {"$1$": 8, "$5$": 16, "$6$": 16}
_DEFAULT_ROUNDS = 5000
_ROUNDS_RANGE = (1000, 999_999_999)


def crypt(clear: bytes, setting: bytes) -> bytes | None:
    """Hash a password the way a stored hash, or a setting of `generate_setting`, says.

    Returns:
        The hash, or None when the setting is of no scheme that is known here.

    Raises:
        PasswordError: the scheme needs libcrypt, and this system has none.
    """
    if len(setting) < 2 or b"\0" in clear + setting:
        return None
    library = _libcrypt()
    if library is None:
        return portable_crypt(clear, setting)
    result = library.crypt(clear, setting)
    # Failure is NULL or a text that begins with "*" and differs from the setting (crypt(3)).
    return None if result is None or result.startswith(b"*") else result


def generate_setting(prefix: str) -> bytes:
    """A new setting with a random salt and the scheme's usual cost.

    Args:
        prefix: the scheme, such as `$6$`, `$y$` or `$2b$`.

    Raises:
        PasswordError: the scheme is not available on this system.
    """
    import secrets

    if prefix in _SALT_DIGITS:
        salt = bytes(secrets.choice(_ALPHABET) for _ in range(_SALT_DIGITS[prefix]))
        return prefix.encode() + salt + b"$"
    library = _libcrypt()
    setting = None if library is None else library.gensalt(prefix.encode())
    if setting is None:
        from couriermail.auth.errors import PasswordError

        raise PasswordError(f"the scheme {prefix} is not available on this system")
    return setting


def has_scheme(prefix: str) -> bool:
    """Tell whether new hashes of a scheme can be made here."""
    from couriermail.auth.errors import PasswordError

    try:
        return crypt(b"", generate_setting(prefix)) is not None
    except PasswordError:
        return False


class _Libcrypt:
    """The two functions of libcrypt.  They return buffers that the next call overwrites."""

    def __init__(
        self,
        crypt_: Callable[[bytes, bytes], bytes | None],
        gensalt: Callable[[bytes, int, bytes | None, int], bytes | None] | None,
    ) -> None:
        import threading

        self._crypt = crypt_
        self._gensalt = gensalt
        self._lock = threading.Lock()

    def crypt(self, clear: bytes, setting: bytes) -> bytes | None:
        with self._lock:
            return self._crypt(clear, setting)

    def gensalt(self, prefix: bytes) -> bytes | None:
        if self._gensalt is None:
            return None
        with self._lock:  # cost 0 is the scheme's default; no bytes: the library takes its own
            return self._gensalt(prefix, 0, None, 0)


@cache
def _libcrypt() -> _Libcrypt | None:
    import ctypes

    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            function = library.crypt
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        function.restype = ctypes.c_char_p
        gensalt = getattr(library, "crypt_gensalt", None)  # libxcrypt; not in glibc's own
        if gensalt is not None:
            gensalt.argtypes = [ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int]
            gensalt.restype = ctypes.c_char_p
        return _Libcrypt(function, gensalt)
    return None


def portable_crypt(clear: bytes, setting: bytes) -> bytes:
    """`$1$`, `$5$` and `$6$` without libcrypt.

    Raises:
        PasswordError: another scheme.
    """
    if setting.startswith(b"$1$"):
        return _md5_crypt(clear, setting[3:].partition(b"$")[0][:8])
    if setting.startswith(b"$5$"):
        return _sha_crypt(clear, setting, "sha256")
    if setting.startswith(b"$6$"):
        return _sha_crypt(clear, setting, "sha512")
    from couriermail.auth.errors import PasswordError

    raise PasswordError("this system has no libcrypt, which the hash's scheme needs")


def _md5_crypt(clear: bytes, salt: bytes) -> bytes:
    from hashlib import md5

    inner = md5(clear + salt + clear, usedforsecurity=False).digest()
    text = clear + b"$1$" + salt + _repeated(inner, len(clear))
    length = len(clear)
    while length:  # an odd bit adds a zero byte, an even one the password's first byte
        text += b"\0" if length & 1 else clear[:1]
        length >>= 1
    digest = md5(text, usedforsecurity=False).digest()
    for turn in range(1000):
        digest = md5(_mixed(turn, digest, clear, salt), usedforsecurity=False).digest()
    order = [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)]
    return b"$1$" + salt + b"$" + _encoded(digest, order) + _digits(digest[11], 2)


def _sha_crypt(clear: bytes, setting: bytes, algorithm: str) -> bytes:
    import hashlib

    def digest_of(data: bytes) -> bytes:
        return hashlib.new(algorithm, data).digest()

    prefix, rounds, salt = _read_sha_setting(setting)
    inner = digest_of(clear + salt + clear)
    text = clear + salt + _repeated(inner, len(clear))
    length = len(clear)
    while length:
        text += inner if length & 1 else clear
        length >>= 1
    digest = digest_of(text)
    stretched_clear = _repeated(digest_of(clear * len(clear)), len(clear))
    stretched_salt = _repeated(digest_of(salt * (16 + digest[0])), len(salt))
    for turn in range(rounds):
        digest = digest_of(_mixed(turn, digest, stretched_clear, stretched_salt))
    return prefix + salt + b"$" + _encode_sha(digest)


def _read_sha_setting(setting: bytes) -> tuple[bytes, int, bytes]:
    """Prefix with the rounds where they are named, number of rounds, salt."""
    prefix, rest = setting[:3], setting[3:]
    rounds = _DEFAULT_ROUNDS
    if rest.startswith(b"rounds="):
        number, _, rest = rest[7:].partition(b"$")
        if number.isdigit() and len(number) < 12:
            rounds = min(max(int(number), _ROUNDS_RANGE[0]), _ROUNDS_RANGE[1])
        prefix += b"rounds=%d$" % rounds
    return prefix, rounds, rest.partition(b"$")[0][:16]


def _encode_sha(digest: bytes) -> bytes:
    size = len(digest)
    third = size // 3
    order = []
    first, step = (0, third, 2 * third), (1 if size == 64 else 2)
    triple = list(first)
    for _ in range(third):
        order.append((triple[0], triple[1], triple[2]))
        # Both tables turn round the three columns: right by one for 64 bytes, left for 32.
        moved = triple[step:] + triple[:step]
        triple = [position + 1 for position in moved]
    if size == 64:
        return _encoded(digest, order) + _digits(digest[63], 2)
    return _encoded(digest, order) + _digits((digest[31] << 8) | digest[30], 3)


def _mixed(turn: int, digest: bytes, clear: bytes, salt: bytes) -> bytes:
    """What one of the many turns hashes; the same rule in MD5-crypt and SHA-crypt."""
    parts = [clear if turn & 1 else digest]
    if turn % 3:
        parts.append(salt)
    if turn % 7:
        parts.append(clear)
    parts.append(digest if turn & 1 else clear)
    return b"".join(parts)


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encoded(digest: bytes, order: Sequence[tuple[int, int, int]]) -> bytes:
    return b"".join(
        _digits((digest[high] << 16) | (digest[middle] << 8) | digest[low], 4)
        for high, middle, low in order
    )


def _digits(value: int, count: int) -> bytes:
    return bytes(_ALPHABET[(value >> (6 * place)) & 63] for place in range(count))
