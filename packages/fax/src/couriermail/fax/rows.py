"""Packed bitmap rows and their changing elements.

A row is `bytes`, eight pels to the byte, first pel in the highest bit, 1 = black; bits beyond
the width are ignored.  Its *changes* are the positions where the colour is another than
before, the first pel's predecessor being white: black from `changes[0]`, white again from
`changes[1]`, and so on.  Coding and decoding work on changes only.

Both directions leave the pels to C: a row becomes a text of `0` and `1` in which
`str.find` jumps from change to change; changes become a row by flipping, at each of them,
all pels to its right (an exclusive or with a precomputed mask).
"""

from __future__ import annotations

from functools import cache

__all__ = ["changes_of", "pack_row", "reverse_bits", "row_bytes"]

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def row_bytes(width: int) -> int:
    """How many bytes a row of `width` pels takes."""
    return (width + 7) // 8


def reverse_bits(data: bytes) -> bytes:
    """Reverse the bits of every byte: modems send and receive the lowest bit first."""
    return data.translate(_REVERSED)


def changes_of(row: bytes, width: int) -> list[int]:
    """The changing elements of a packed row, all of them below `width`."""
    if not row.strip(b"\0"):
        return []  # most rows of most pages are white
    pels = bin(int.from_bytes(row, "big") | 1 << len(row) * 8)[3 : 3 + width]
    changes: list[int] = []
    add, find = changes.append, pels.find
    position, other, colour = 0, "0", "1"
    while (position := find(colour, position)) >= 0:
        add(position)
        colour, other = other, colour
    return changes


def pack_row(changes: list[int], width: int) -> bytes:
    """The packed row with these changing elements; those at or beyond `width` do nothing."""
    masks = _masks(width)
    row = 0
    for position in changes:
        row ^= masks[position]
    return row.to_bytes(row_bytes(width), "big")


@cache
def _masks(width: int) -> list[int]:
    """For each position: the pels from there to the end of the row."""
    padding = row_bytes(width) * 8 - width
    return [((1 << (width - position)) - 1) << padding for position in range(width + 1)]
