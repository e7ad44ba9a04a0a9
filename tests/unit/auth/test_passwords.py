"""Password schemes (spec auth 4.3; the hashes are those pinned in spec auth 6)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from couriermail.auth import passwords, unix_crypt
from couriermail.auth.errors import PasswordError
from couriermail.auth.passwords import (
    SCHEMES,
    PasswordVerifier,
    default_scheme,
    hash_password,
    make_like,
    verify_password,
)

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
    "$5$couriersalt$A0jyMNMtSL8qKoZ3LjLYoypdOeTxZP0eBNsqK0j.I58",
    "$6$couriersalt$4yOdKQdKSrTkVqz7pOS8jGBEvJOjY2tIuxqlRuhbyX4iuq0F61qROvk.VwBJM5UvwlQ6WbmQSXg8YtdU80cL.1",
    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
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


@pytest.fixture
def no_libcrypt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system whose loader finds no libcrypt."""

    def no_library(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    unix_crypt._libcrypt.cache_clear()
    yield
    unix_crypt._libcrypt.cache_clear()


@pytest.mark.usefixtures("no_libcrypt")
@pytest.mark.parametrize("stored", ["$y$j9T$salt$hash", "Rgx56eSfDdLjM", "$2b$05$x"])
def test_without_libcrypt_the_check_is_an_error_not_a_refusal(stored: str) -> None:
    with pytest.raises(PasswordError) as caught:
        verify_password(stored, "secret")
    assert caught.value.is_temporary


@pytest.mark.usefixtures("no_libcrypt")
def test_without_libcrypt_the_three_oldest_schemes_still_work() -> None:
    assert verify_password("$1$ylkMFqWz$40T/KwYBxcE56dYaLfFdv0", "secret")
    assert default_scheme() == "sha512-crypt"
    stored = hash_password("secret")
    assert stored.startswith("$6$")
    assert verify_password(stored, "secret")
    with pytest.raises(PasswordError, match="not available"):
        hash_password("secret", "bcrypt")


def test_the_strongest_scheme_of_the_system_is_the_default() -> None:
    prefix = "$y$" if unix_crypt.has_scheme("$y$") else "$6$"
    assert hash_password("secret").startswith(prefix)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_scheme_makes_is_accepted_and_differs_each_time(scheme: str) -> None:
    if scheme == "argon2id":
        pytest.importorskip("argon2")
    prefix = passwords._CRYPT_SETTINGS.get(scheme)
    if prefix and not unix_crypt.has_scheme(prefix):
        pytest.skip(f"scheme absent: {scheme}")
    one, other = hash_password("p\udcff\u00e9w", scheme), hash_password("p\udcff\u00e9w", scheme)
    assert verify_password(one, "p\udcff\u00e9w")
    assert not verify_password(one, "p\udcfe\u00e9w")
    is_salted = scheme not in {"md5", "md5raw", "sha", "sha256", "sha512"}
    assert (one != other) == is_salted
    assert "|" not in one


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(PasswordError, match="rot13"):
        hash_password("secret", "rot13")


def test_a_password_that_crypt_cannot_hold_is_refused() -> None:
    with pytest.raises(PasswordError):
        hash_password("a\0b", "sha512-crypt")


@pytest.mark.parametrize(
    ("stored", "start"),
    [
        ("$1$salt$hash", "$1$"),
        ("{md5}x", "{MD5}"),
        ("{MD5RAW}x", "{MD5RAW}"),
        ("{SHA}x", "{SHA}"),
        ("{SSHA}x", "{SSHA}"),
        ("{SSHA512}x", "{SSHA512}"),
        ("{SHA256}x", "{SHA256}"),
        ("{SHA512}x", "{SHA512}"),
        ("$5$x$y", "$5$"),
        ("$6$x$y", "$6$"),
        ("$2y$05$x", "$2b$"),
        ("$y$j9T$x$y", "$y$"),
        ("{CRYPT}$6$x$y", "{CRYPT}$6$"),
        ("{crypt}Rgx56eSfDdLjM", "{crypt}$5$"),
        ("{BLF-CRYPT}$2a$05$x", "{BLF-CRYPT}$2b$"),
        ("{SHA256-CRYPT}$5$x$y", "{SHA256-CRYPT}$5$"),
        ("{SHA512-CRYPT}$6$x$y", "{SHA512-CRYPT}$6$"),
        ("Rgx56eSfDdLjM", "$5$"),
        ("{PLAIN}x", "$5$"),
        ("{SHA1}x", "$5$"),
        ("{yescrypt}x", "$5$"),
        ("", "$5$"),
        (None, "$5$"),
    ],
    ids=ascii,
)
def test_a_new_hash_keeps_the_scheme_of_the_old_one(stored: str | None, start: str) -> None:
    made = make_like(stored, "new", default="sha256-crypt")
    assert made.startswith(start)
    assert verify_password(made, "new")


@pytest.mark.parametrize(
    "stored",
    [
        "{BLF-CRYPT}$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
        "{sha512-crypt}$1$ylkMFqWz$40T/KwYBxcE56dYaLfFdv0",
    ],
)
def test_prefixes_of_other_systems_lead_to_crypt(stored: str) -> None:
    assert verify_password(stored, "secret") == (not stored.startswith("{BLF"))


def test_an_unknown_name_costs_one_check_of_the_last_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def record(stored: str, password: str) -> bool:
        checked.append(stored)
        return True

    monkeypatch.setattr(passwords, "verify_password", record)
    verifier = PasswordVerifier()
    assert not verifier.verify(None, "secret")
    assert verifier.verify("{MD5}x", "secret")
    assert not verifier.verify(None, "secret")
    assert [stored[:3] for stored in checked] == [hash_password("x")[:3], "{MD", "{MD"]
