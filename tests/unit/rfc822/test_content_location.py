"""Locations behind bases (spec rfc822 4.25)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import append_url

BASE = "http://example.com/a/b"


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        pytest.param(BASE, "ftp://x/y", "ftp://x/y", id="a-whole-url-wins"),
        pytest.param(BASE, "cid:x", "cid:x", id="any-scheme-wins"),
        pytest.param(BASE, "//host/c", "http://host/c", id="host"),
        pytest.param(BASE, "/c", "http://example.com/c", id="path"),
        pytest.param(BASE, "c.png", "http://example.com/a/b/c.png", id="name"),
        pytest.param(BASE + "/", "c", "http://example.com/a/b/c", id="one-slash"),
        pytest.param("", "c", "c", id="no-base"),
        pytest.param(BASE, "", BASE, id="no-location"),
        pytest.param("dir", "/c", "/c", id="base-without-scheme"),
        pytest.param("mid:x", "/c", "mid:/c", id="base-without-host"),
        pytest.param(BASE, "1:2", BASE + "/1:2", id="no-scheme-starts-with-a-digit"),
    ],
)
def test_a_location_is_put_behind_its_base(base: str, location: str, url: str) -> None:
    assert append_url(base, location) == url
