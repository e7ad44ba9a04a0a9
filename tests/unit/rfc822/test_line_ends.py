"""Counting and fetching with CRLF line ends (spec rfc822 1.1.5 and 4.12)."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import CrlfIndex, read_crlf

MIXED = b"\na\r\nb\n\r\n\rc\r\r\nlast"


def crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 65_536])
def test_every_piece_is_a_piece_of_the_whole(step: int) -> None:
    index = CrlfIndex(MIXED, step=step)
    whole = crlf(MIXED)
    assert len(index) == len(whole)
    for offset in range(len(whole) + 2):
        for count in (0, 1, 2, 5, 100):
            assert index.read(offset, count) == whole[offset : offset + count]
    assert b"".join(index.chunks()) == whole


def test_a_range_starts_with_its_own_line_end() -> None:
    data = b"x\r\ny\nz"
    assert read_crlf(data, 0, len(data), 1, 4) == b"\r\ny\r"
    assert read_crlf(data, 3, len(data), 0, 99) == b"y\r\nz"
    index = CrlfIndex(data)
    assert index.size(0, 3) == 3
    assert index.size(3, 5) == 3
    assert index.virtual(len(data)) == len(data) + 1


def test_an_empty_range_has_nothing() -> None:
    assert CrlfIndex(b"").read(0, 10) == b""
    assert len(CrlfIndex(b"abc", 2, 2)) == 0
