"""The code tables of ITU-T T.4 and T.6, as texts of `0` and `1`, first transmitted bit first.

Each list holds the codes in the order of their run lengths: terminating codes for 0 to 63,
then make-up codes for 64, 128, ... 1728 (T.4 tables 2 and 3a); the common make-up codes are
those for 1792, 1856, ... 2560 in both colours (T.4 table 3b).

Codes are handled as texts because Python searches, slices and looks up short texts in C:
`decoding_table` maps every 13 bits that can stand at the beginning of a code to that code.
"""

from __future__ import annotations

from functools import cache

__all__ = [
    "BLACK_TABLE_BITS",
    "EOL",
    "HORIZONTAL",
    "MODE_BITS",
    "PASS",
    "VERTICAL",
    "decoding_table",
    "mode_table",
    "run_codes",
]

EOL = "000000000001"  # T.4 4.1.2: end of line; any number of zeros may precede it
PASS = "0001"  # noqa: S105 - the name that T.4 table 4 gives this two-dimensional mode
HORIZONTAL = "001"
VERTICAL = {  # a1 minus b1 -> code
    0: "1",
    1: "011",
    2: "000011",
    3: "0000011",
    -1: "010",
    -2: "000010",
    -3: "0000010",
}
BLACK_TABLE_BITS = 13  # the longest code of either colour
MODE_BITS = 7
_LARGEST_MAKE_UP = 2560


def _table(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WHITE = _table(
    """
    00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100
    110101 101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011
    0100100 0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101
    00010110 00010111 00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101
    00001010 00001011 01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001
    01011010 01011011 01001010 01001011 00110010 00110011 00110100 11011 10010 010111 0110111
    00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 011010010
    011010011 011010100 011010101 011010110 011010111 011011000 011011001 011011010 011011011
    010011000 010011001 010011010 011000 010011011
    """
)

_BLACK = _table(
    """
    0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100
    00000111 000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100
    00000110111 00000101000 00000010111 00000011000 000011001010 000011001011 000011001100
    000011001101 000001101000 000001101001 000001101010 000001101011 000011010010 000011010011
    000011010100 000011010101 000011010110 000011010111 000001101100 000001101101 000011011010
    000011011011 000001010100 000001010101 000001010110 000001010111 000001100100 000001100101
    000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 000000101000
    000001011000 000001011001 000000101011 000000101100 000001011010 000001100110 000001100111
    0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101
    0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101
    0000001110010 0000001110011 0000001110100 0000001110101 0000001110110 0000001110111
    0000001010010 0000001010011 0000001010100 0000001010101 0000001011010 0000001011011
    0000001100100 0000001100101
    """
)

_COMMON = _table(
    """
    00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101
    000000010110 000000010111 000000011100 000000011101 000000011110 000000011111
    """
)


@cache
def run_codes(width: int) -> tuple[list[str], list[str]]:
    """For white and for black: the complete code of every run from 0 to `width` pels."""
    return _complete_codes(_WHITE, width), _complete_codes(_BLACK, width)


@cache
def decoding_table(*, is_black: bool) -> dict[str, tuple[int, int]]:
    """Every text of 13 bits that begins with a code -> (length of the code, run)."""
    table = _lengths(_BLACK if is_black else _WHITE)
    return {
        bits: (len(code), run)
        for run, code in table.items()
        for bits in _continuations(code, BLACK_TABLE_BITS)
    }


@cache
def mode_table() -> dict[str, tuple[int, int | str]]:
    """Every text of 7 bits that begins with a mode -> (length, vertical offset or mode code)."""
    modes: list[tuple[str, int | str]] = [(PASS, PASS), (HORIZONTAL, HORIZONTAL)]
    modes += [(code, offset) for offset, code in VERTICAL.items()]
    return {
        bits: (len(code), meaning)
        for code, meaning in modes
        for bits in _continuations(code, MODE_BITS)
    }


def _lengths(codes: tuple[str, ...]) -> dict[int, str]:
    """Run length -> code of one colour, make-up codes included."""
    lengths = [*range(64), *range(64, 1729, 64)]
    table = dict(zip(lengths, codes, strict=True))
    table.update(zip(range(1792, _LARGEST_MAKE_UP + 1, 64), _COMMON, strict=True))
    return table


def _complete_codes(codes: tuple[str, ...], width: int) -> list[str]:
    table = _lengths(codes)
    complete = [table[run] for run in range(min(64, width + 1))]
    for run in range(64, width + 1):
        # T.4 4.1.1: runs beyond 2623 repeat the make-up code for 2560.
        repeats, rest = divmod(run, _LARGEST_MAKE_UP)
        make_up = table[rest // 64 * 64] if rest >= 64 else ""
        complete.append(table[_LARGEST_MAKE_UP] * repeats + make_up + table[rest % 64])
    return complete


def _continuations(code: str, length: int) -> list[str]:
    free = length - len(code)
    return [code + format(rest, f"0{free}b") for rest in range(1 << free)] if free else [code]
