"""Domains of international mail, by IDNA 2008 and without the package that knows it."""

from __future__ import annotations

import sys

import pytest

from couriermail.rfc822.idn import domain_to_ascii, domain_to_unicode


@pytest.fixture(params=["with idna", "without idna"])
def has_idna(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "without idna":
        monkeypatch.setitem(sys.modules, "idna", None)  # makes the import fail
        return False
    pytest.importorskip("idna")
    return True


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        pytest.param("Bücher.Example", "xn--bcher-kva.example", id="mapped to lower case"),
        pytest.param("a_b.bücher", "a_b.xn--bcher-kva", id="ASCII labels are left alone"),
        pytest.param("例え。テスト", "xn--r8jz45g.xn--zckzah", id="ideographic full stop"),
        pytest.param("☃.net", "xn--n3h.net", id="a symbol, which IDNA 2008 refuses"),
        pytest.param("é" * 64 + ".net", "é" * 64 + ".net", id="label too long"),
        pytest.param("é" * 300, "é" * 300, id="domain too long"),
        pytest.param("[192.0.2.1]", "[192.0.2.1]", id="literal"),
        pytest.param("é..x", "xn--9ca..x", id="empty label"),
    ],
)
def test_domains_in_ascii(has_idna: bool, domain: str, expected: str) -> None:
    assert domain_to_ascii(domain) == expected


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        pytest.param("XN--bcher-kva.example", "bücher.example", id="U-label"),
        pytest.param("xn--n3h.net", "☃.net", id="a symbol"),
        pytest.param("xn--a.xn--", "xn--a.xn--", id="bad labels"),
    ],
)
def test_domains_for_showing(has_idna: bool, domain: str, expected: str) -> None:
    assert domain_to_unicode(domain) == expected


def test_sharp_s_and_final_sigma_are_kept_by_idna_2008_only(has_idna: bool) -> None:
    # RFC 5894 7.2: the two of them have A-labels of their own since 2008
    expected = "xn--fa-hia.de" if has_idna else "fass.de"
    assert domain_to_ascii("faß.de") == expected
    assert domain_to_unicode("xn--fa-hia.de") == ("faß.de" if has_idna else "xn--fa-hia.de")
    assert domain_to_ascii("βόλος") == ("xn--nxasmm1c" if has_idna else "xn--nxasmq6b")
