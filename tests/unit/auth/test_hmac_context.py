"""HMAC contexts (spec auth 4.4; the contexts are those pinned in spec auth 6)."""

from __future__ import annotations

import pytest

from couriermail.auth.hmac_context import HmacContext

CONTEXTS = [
    ("md5", "secret", "cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56"),
    (
        "sha1",
        "secret",
        "091e0f4c6cb5277ee2beb639a60d0831b5c8adcdaee172433df3e96ba4f00fb1b6a490c3929d2034",
    ),
    (
        "sha256",
        "secret",
        "5a84072aab37d22275b139adf7a92564c7f674be98e77d991f6f689d29e05245"
        "72804f31b042016804d3dea2f4e991a21b1c8906be161594b202fb74afc8ceb3",
    ),
    ("md5", "noeol", "91e64ab16dcbc15e0d95968f07b3e87e6861af3aaad6cf0d9a358f042471bb3b"),
]

CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"
DIGEST = "b913a602c7eda7a495b4e6e7334d3890"


@pytest.mark.parametrize(("algorithm", "password", "stored"), CONTEXTS)
def test_pinned_contexts(algorithm: str, password: str, stored: str) -> None:
    context = HmacContext.from_password(algorithm, password)
    assert context.to_hex() == stored
    assert HmacContext.from_hex(algorithm, stored) == context
    assert HmacContext.from_hex(algorithm, stored.upper()) == context
    assert context.is_of(password)
    assert not context.is_of(password + "x")


def test_the_example_of_rfc_2195() -> None:
    context = HmacContext.from_password("md5", "tanstaaftanstaaf")
    assert context.accepts(CHALLENGE, DIGEST)
    assert context.accepts(CHALLENGE, DIGEST.upper())


@pytest.mark.parametrize(
    "digest", ["", DIGEST[:-1], DIGEST + "0", DIGEST[:-1] + "g", "\u00e9" * 32, "\udcff" * 32]
)
def test_another_digest_is_refused(digest: str) -> None:
    assert not HmacContext.from_password("md5", "tanstaaftanstaaf").accepts(CHALLENGE, digest)


@pytest.mark.parametrize(
    "text",
    ["", "00", "0" * 63, "0" * 65, "0" * 80, "g" * 64, " " * 64, "00 " * 21 + "0", "\u0660" * 64],
)
def test_what_is_no_context_is_none(text: str) -> None:
    assert HmacContext.from_hex("md5", text) is None


def test_a_context_is_not_shown() -> None:
    context = HmacContext.from_password("md5", "secret")
    assert repr(context) == "HmacContext(algorithm='md5')"
