"""Password schemes (spec auth 4.3; the hashes are those pinned in spec auth 6)."""

from __future__ import annotations

import ctypes

import pytest

from couriermail.auth import PasswordError, verify_password
from couriermail.auth import passwords as module

HASHES_OF_SECRET = [
    "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
    "{md5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
    "{MD5RAW}5ebe2294ecd0e0f08eab7690d2a6ee69",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SSHA}W9eCVKruNH57X3Fw8AqonGPK/tjw0Qof",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
    "$1$ylkMFqWz$40T/KwYBxcE56dYaLfFdv0",
    "{CRYPT}$1$ylkMFqWz$40T/KwYBxcE56dYaLfFdv0",
    "Rgx56eSfDdLjM",
]


@pytest.mark.parametrize("stored", HASHES_OF_SECRET)
def test_the_right_password_and_only_that_fits(stored: str) -> None:
    assert verify_password(stored, "secret")
    for wrong in ("", "Secret", "secret ", "secre", "secret\0"):
        assert not verify_password(stored, wrong)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        "secret",
        "{PLAIN}secret",
        "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA256}x",
        "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ",
        "{MD5RAW}5EBE2294ECD0E0F08EAB7690D2A6EE69",
        "{CRYPT}",
        "*",
        "*0",
        "!!",
        "{SSHA}\u00fc",
        "\udcff\udcff",
    ],
    ids=ascii,
)
def test_nothing_fits_what_is_no_hash_of_it(stored: str) -> None:
    assert not verify_password(stored, "secret")


def test_salts_of_eight_bytes_are_accepted() -> None:
    from base64 import b64encode
    from hashlib import sha1

    salt = b"\0\xff345678"
    stored = "{SSHA}" + b64encode(sha1(b"secret" + salt).digest() + salt).decode()
    assert verify_password(stored, "secret")


def test_without_libcrypt_the_check_is_an_error_not_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_library(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    module._libcrypt.cache_clear()
    try:
        with pytest.raises(PasswordError) as caught:
            verify_password("$6$salt$hash", "secret")
    finally:
        module._libcrypt.cache_clear()
    assert caught.value.is_temporary
