"""MD5, SHA-1 and SHA-256 as compression functions whose state can be kept and continued.

`hashlib` does not let its state out, but an HMAC context *is* such a state (spec auth 4.4).
These are the textbook functions over lists of 32-bit words: right, and fast enough for the
three or four blocks of a challenge (about 0.1 ms each).  Whole messages belong to `hashlib`.

Standard: RFC 1321 (MD5), RFC 3174 (SHA-1), RFC 6234 (SHA-256).
"""

from __future__ import annotations

import math

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    Words = tuple[int, ...]

__all__ = ["BLOCK_BYTES", "BLOCK_HASHES", "BlockHash"]

BLOCK_BYTES = 64

_MASK = 0xFFFFFFFF


@attrs.frozen(kw_only=True)
class BlockHash:
    """A hash of 64-byte blocks, open in its middle.

    Attributes:
        name: as `hashlib` calls it.
        byte_order: of the words in blocks, states and the length at the end.
        initial: the state before the first block.
        compress: the state after one more block, of the state and the block's 16 words.
    """

    name: str
    byte_order: Literal["big", "little"]
    initial: Words
    compress: Callable[[Words, list[int]], Words] = attrs.field(repr=False)

    @property
    def digest_bytes(self) -> int:
        """How many bytes a digest, and also a state, has."""
        return 4 * len(self.initial)

    def state_after(self, block: bytes) -> bytes:
        """The state after one whole block, written as a digest would be."""
        return self._pack(self.compress(self.initial, self._unpack(block)))

    def finish(self, state: bytes, rest: bytes) -> bytes:
        """The digest of one block, of which only `state` is known, and what follows it."""
        length = BLOCK_BYTES + len(rest)
        # RFC 1321 3.1, RFC 3174 4: a one bit, zeros, and the length in bits as 8 bytes.
        padding = b"\x80" + bytes(-(length + 9) % BLOCK_BYTES)
        padded = rest + padding + (8 * length).to_bytes(8, self.byte_order)
        words = tuple(self._unpack(state))
        for start in range(0, len(padded), BLOCK_BYTES):
            words = self.compress(words, self._unpack(padded[start : start + BLOCK_BYTES]))
        return self._pack(words)

    def _unpack(self, data: bytes) -> list[int]:
        return [int.from_bytes(data[at : at + 4], self.byte_order) for at in range(0, len(data), 4)]

    def _pack(self, words: Words) -> bytes:
        return b"".join(word.to_bytes(4, self.byte_order) for word in words)


def _rotate(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & _MASK


# RFC 1321 3.4: T[i] is the integer part of 4294967296 times abs(sin(i)), i in radians.
_MD5_SINES = tuple(int(abs(math.sin(step)) * 2**32) for step in range(1, 65))
_MD5_SHIFTS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))


def _compress_md5(state: Words, block: list[int]) -> Words:
    a, b, c, d = state
    for step in range(64):
        turn = step // 16
        if turn == 0:
            mixed, index = (b & c) | (~b & d), step
        elif turn == 1:
            mixed, index = (d & b) | (~d & c), 5 * step + 1
        elif turn == 2:
            mixed, index = b ^ c ^ d, 3 * step + 5
        else:
            mixed, index = c ^ (b | (~d & _MASK)), 7 * step
        total = (a + mixed + _MD5_SINES[step] + block[index % 16]) & _MASK
        a, b, c, d = d, (b + _rotate(total, _MD5_SHIFTS[turn][step % 4])) & _MASK, b, c
    return _added(state, (a, b, c, d))


_SHA1_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)  # RFC 3174 5


def _compress_sha1(state: Words, block: list[int]) -> Words:
    schedule = list(block)
    for at in range(16, 80):
        mixed = schedule[at - 3] ^ schedule[at - 8] ^ schedule[at - 14] ^ schedule[at - 16]
        schedule.append(_rotate(mixed, 1))
    a, b, c, d, e = state
    for step, word in enumerate(schedule):
        turn = step // 20
        if turn == 0:
            mixed = (b & c) | (~b & d)
        elif turn == 2:
            mixed = (b & c) | (b & d) | (c & d)
        else:
            mixed = b ^ c ^ d
        total = _rotate(a, 5) + mixed + e + _SHA1_CONSTANTS[turn] + word
        a, b, c, d, e = total & _MASK, a, _rotate(b, 30), c, d
    return _added(state, (a, b, c, d, e))


def _first_primes(count: int) -> list[int]:
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return primes


def _cube_root(number: int) -> int:
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


# RFC 6234 5.1, 6.1: the first 32 bits of the fractions of cube and square roots of primes.
_SHA256_CONSTANTS = tuple(_cube_root(prime << 96) & _MASK for prime in _first_primes(64))
_SHA256_INITIAL = tuple(math.isqrt(prime << 64) & _MASK for prime in _first_primes(8))


def _turned(word: int, first: int, second: int, third: int) -> int:
    """Three rotations to the right, mixed."""
    return _rotate(word, 32 - first) ^ _rotate(word, 32 - second) ^ _rotate(word, 32 - third)


def _shifted(word: int, first: int, second: int, shift: int) -> int:
    """Two rotations to the right and one shift, mixed."""
    return _rotate(word, 32 - first) ^ _rotate(word, 32 - second) ^ (word >> shift)


def _compress_sha256(state: Words, block: list[int]) -> Words:
    schedule = list(block)
    for at in range(16, 64):
        older = _shifted(schedule[at - 15], 7, 18, 3)
        newer = _shifted(schedule[at - 2], 17, 19, 10)
        schedule.append((schedule[at - 16] + older + schedule[at - 7] + newer) & _MASK)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(schedule, _SHA256_CONSTANTS, strict=True):
        choice, majority = (e & f) ^ (~e & g), (a & b) ^ (a & c) ^ (b & c)
        first = h + _turned(e, 6, 11, 25) + choice + constant + word
        second = _turned(a, 2, 13, 22) + majority
        a, b, c, d, e, f, g, h = (first + second) & _MASK, a, b, c, (d + first) & _MASK, e, f, g
    return _added(state, (a, b, c, d, e, f, g, h))


def _added(state: Words, words: Words) -> Words:
    return tuple((one + other) & _MASK for one, other in zip(state, words, strict=True))


# RFC 1321 3.3 and RFC 3174 6.1
_MD5_INITIAL = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_SHA1_INITIAL = (*_MD5_INITIAL, 0xC3D2E1F0)

BLOCK_HASHES: Mapping[str, BlockHash] = {
    hash_.name: hash_
    for hash_ in (
        BlockHash(name="md5", byte_order="little", initial=_MD5_INITIAL, compress=_compress_md5),
        BlockHash(name="sha1", byte_order="big", initial=_SHA1_INITIAL, compress=_compress_sha1),
        BlockHash(
            name="sha256", byte_order="big", initial=_SHA256_INITIAL, compress=_compress_sha256
        ),
    )
}
