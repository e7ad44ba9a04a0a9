"""Courier's port lists (spec smtp.md 2.2)."""

from __future__ import annotations

import pytest

from couriermail.core import ConfigError
from couriermail.mta.listen import ListenAddress, listen, parse_ports


@pytest.mark.parametrize(
    ("ports", "host", "expected"),
    [
        ("25", "", [("", 25)]),
        ("smtp", "127.0.0.1", [("127.0.0.1", 25)]),
        ("25,127.0.0.1.2525", "", [("", 25), ("127.0.0.1", 2525)]),
        ("0.587", "10.0.0.1", [("", 587)]),
        ("25", "0", [("", 25)]),
        (" 25 , 26 ", "", [("", 25), ("", 26)]),
        ("::1.2525", "", [("::1", 2525)]),
        ("0", "127.0.0.1", [("127.0.0.1", 0)]),
    ],
)
def test_port_lists(ports: str, host: str, expected: list[tuple[str, int]]) -> None:
    assert parse_ports(ports, host) == [ListenAddress(*item) for item in expected]


@pytest.mark.parametrize("ports", ["", " , ", "no-such-service", "65536", "127.0.0.1.x", "-1"])
def test_what_is_no_port_list(ports: str) -> None:
    with pytest.raises(ConfigError):
        parse_ports(ports)


def test_an_address_in_use_is_named() -> None:
    with listen(ListenAddress("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: "):
            listen(ListenAddress("127.0.0.1", port))
