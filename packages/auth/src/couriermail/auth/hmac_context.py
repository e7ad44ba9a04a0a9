"""HMAC contexts: a password kept as the two hash states that HMAC begins with.

With a context a server checks CRAM responses without knowing the password itself.  It is as
good as the password for every CRAM login, so it is protected like one.

    context = outer inner                 ; in lower-case hexadecimal
    outer   = state after the block  key XOR 0x5C...
    inner   = state after the block  key XOR 0x36...
    key     = password, hashed first when longer than 64 bytes, with zeros up to 64

Standard: RFC 2104 2 and 4 (HMAC, kept states); RFC 2195 2 (CRAM-MD5); spec auth 4.4.
"""

from __future__ import annotations

import attrs

from couriermail.auth.block_hashes import BLOCK_BYTES, BLOCK_HASHES

__all__ = ["HMAC_ALGORITHMS", "HmacContext"]

HMAC_ALGORITHMS = ("md5", "sha1", "sha256")

_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))


@attrs.frozen(kw_only=True)
class HmacContext:
    """The two states of one password and hash.

    Attributes:
        algorithm: one of `HMAC_ALGORITHMS`.
        outer: the outer state, written as a digest.
        inner: the inner state.
    """

    algorithm: str
    outer: bytes = attrs.field(repr=False)
    inner: bytes = attrs.field(repr=False)

    @classmethod
    def from_password(cls, algorithm: str, password: str) -> HmacContext:
        """The context of a password.

        Args:
            algorithm: one of `HMAC_ALGORITHMS`.
            password: as text; surrogates stand for odd bytes.
        """
        import hashlib

        key = password.encode("utf-8", "surrogateescape")
        if len(key) > BLOCK_BYTES:  # RFC 2104 2
            key = hashlib.new(algorithm, key, usedforsecurity=False).digest()
        block = key.ljust(BLOCK_BYTES, b"\0")
        state_after = BLOCK_HASHES[algorithm].state_after
        return cls(
            algorithm=algorithm,
            outer=state_after(block.translate(_OUTER_PAD)),
            inner=state_after(block.translate(_INNER_PAD)),
        )

    @classmethod
    def from_hex(cls, algorithm: str, text: str) -> HmacContext | None:
        """Read a stored context; None when it is none of that algorithm."""
        size = BLOCK_HASHES[algorithm].digest_bytes
        if len(text) != 4 * size:
            return None
        try:
            states = bytes.fromhex(text)
        except ValueError:
            return None
        if len(states) != 2 * size:  # there were blanks
            return None
        return cls(algorithm=algorithm, outer=states[:size], inner=states[size:])

    def to_hex(self) -> str:
        """The context as it is stored: 64, 80 or 128 lower-case digits."""
        return (self.outer + self.inner).hex()

    def digest(self, message: bytes) -> bytes:
        """The HMAC of a message under the password that the context stands for."""
        finish = BLOCK_HASHES[self.algorithm].finish
        return finish(self.outer, finish(self.inner, message))

    def accepts(self, challenge: bytes, digest: str) -> bool:
        """Tell whether a response's hexadecimal digest answers the challenge, in constant time."""
        import hmac

        expected = self.digest(challenge).hex().encode()
        return hmac.compare_digest(expected, digest.lower().encode("utf-8", "surrogateescape"))

    def is_of(self, password: str) -> bool:
        """Tell whether this is the context of a password, in constant time."""
        import hmac

        other = HmacContext.from_password(self.algorithm, password)
        return hmac.compare_digest(self.outer + self.inner, other.outer + other.inner)
