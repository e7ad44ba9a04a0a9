"""Laws of the hashes: our block hashes and crypts are the ones everybody else computes."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.auth.block_hashes import BLOCK_BYTES, BLOCK_HASHES
from couriermail.auth.hmac_context import HMAC_ALGORITHMS, HmacContext
from couriermail.auth.passwords import make_like, verify_password
from couriermail.auth.unix_crypt import crypt, portable_crypt

algorithms = st.sampled_from(HMAC_ALGORITHMS)
salt_letters = st.text("./09azAZ", max_size=20)


@settings(max_examples=60, deadline=None)
@given(algorithms, st.binary(max_size=150), st.binary(max_size=300))
def test_a_context_gives_the_hmac_of_the_standard_library(
    algorithm: str, key: bytes, message: bytes
) -> None:
    """Compute HMAC(challenge) continuing the stored inner, then outer state."""
    password = key.decode("utf-8", "surrogateescape")
    context = HmacContext.from_password(algorithm, password)
    assert context.digest(message) == hmac.new(key, message, algorithm).digest()
    assert HmacContext.from_hex(algorithm, context.to_hex()) == context


@settings(max_examples=60, deadline=None)
@given(algorithms, st.binary(min_size=BLOCK_BYTES, max_size=300))
def test_a_kept_state_continues_to_the_digest(algorithm: str, message: bytes) -> None:
    """A state and what follows its block determine the digest."""
    block_hash = BLOCK_HASHES[algorithm]
    state = block_hash.state_after(message[:BLOCK_BYTES])
    expected = hashlib.new(algorithm, message).digest()
    assert block_hash.finish(state, message[BLOCK_BYTES:]) == expected


@pytest.mark.parametrize("prefix", ["$1$", "$5$", "$6$", "$5$rounds=1000$", "$6$rounds=1001$"])
@settings(max_examples=12, deadline=None)
@given(clear=st.binary(max_size=70).filter(lambda raw: b"\0" not in raw), salt=salt_letters)
def test_the_portable_crypt_is_that_of_libcrypt(prefix: str, clear: bytes, salt: str) -> None:
    """Provide own MD5-crypt/SHA-crypt: the same hash wherever it is computed."""
    setting = f"{prefix}{salt}$".encode()
    expected = crypt(clear, setting)
    assert expected is not None
    assert portable_crypt(clear, setting) == expected
    assert portable_crypt(clear, expected) == expected


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.sampled_from(["{MD5}", "{sha}", "{SSHA}", "{SSHA256}", "{MD5RAW}"]))
def test_what_is_made_like_a_hash_verifies(password: str, prefix: str) -> None:
    """`make(pw, hint)`: same scheme."""
    made = make_like(prefix + "x", password)
    assert verify_password(made, password)
    assert not verify_password(made, password + "x")
    assert made.upper().startswith(prefix.upper())
