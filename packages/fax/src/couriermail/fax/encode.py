"""Code pages: one-dimensional (MH) and two-dimensional (MR) after T.4, and T.6 (MMR).

    MH      page = 1*( EOL row ) RTC            RTC = 6 EOL
    MR      page = 1*( EOL tag row ) RTC        tag: 1 = row coded alone, 0 = against the row
                                                before; at least every K-th row alone
    MMR     page = *row EOFB                    EOFB = 2 EOL; the row before the first is white

`PageEncoder` takes rows one by one and holds less than one byte of output and one row, so a
page need not be in memory.

Standard: ITU-T T.4 4.1 and 4.2, ITU-T T.6 2; spec fax 12.
"""

from __future__ import annotations

import enum

import attrs

from couriermail.fax.codes import EOL, HORIZONTAL, PASS, VERTICAL, run_codes
from couriermail.fax.errors import PageError
from couriermail.fax.rows import changes_of, row_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_WIDTH", "Coding", "PageEncoder", "encode_page"]

MAX_WIDTH = 65_535  # far beyond paper; bounds the tables made for a width


class Coding(enum.Enum):
    """How the rows of a page are coded."""

    MH = "MH"
    MR = "MR"
    MMR = "MMR"


def _check_width(instance: object, attribute: object, value: int) -> None:
    if not 0 < value <= MAX_WIDTH:
        raise PageError(f"width {value} is not between 1 and {MAX_WIDTH} pels")


def _check_k(instance: object, attribute: object, value: int) -> None:
    if value < 1:
        raise PageError("K must be at least 1")


@attrs.define(kw_only=True)
class PageEncoder:
    """Codes one page, row by row.

    Attributes:
        coding: MH, MR or MMR.
        width: pels per row.
        k: in MR, every k-th row is coded alone: 2 at 98 lines per inch, 4 at 196 (T.4 4.2.2).
        min_row_bits: rows shorter than this get fill before the next EOL, so that a slow
            printer keeps up (T.4 4.1.3); not in MMR.
        byte_aligned: fill so that every EOL ends on a byte boundary; not in MMR.
    """

    coding: Coding = Coding.MH
    width: int = attrs.field(default=1728, validator=_check_width)
    k: int = attrs.field(default=4, validator=_check_k)
    min_row_bits: int = 0
    byte_aligned: bool = False
    _bits: str = attrs.field(default="", init=False)
    _reference: list[int] = attrs.field(factory=list, init=False)
    _rows: int = attrs.field(default=0, init=False)

    def row(self, row: bytes) -> bytes:
        """Code a row and return the bytes that are complete.

        Args:
            row: packed pels, 1 = black, `(width + 7) // 8` bytes.

        Raises:
            PageError: the row has another length.
        """
        if len(row) != row_bytes(self.width):
            raise PageError(f"row of {len(row)} bytes, {row_bytes(self.width)} expected")
        changes = changes_of(row, self.width)
        is_alone = self.coding is Coding.MH or (
            self.coding is Coding.MR and self._rows % self.k == 0
        )
        if is_alone:
            coded = code_alone(changes, self.width)
        else:
            coded = code_against(changes, self._reference, self.width)
        if self.coding is not Coding.MMR:
            coded = self._line_start(is_alone=is_alone) + coded
            coded = coded.ljust(self.min_row_bits, "0")
        self._reference = changes
        self._rows += 1
        return self._take(coded)

    def finish(self) -> bytes:
        """End the page (RTC or EOFB) and return its last bytes, padded with zero bits."""
        if self.coding is Coding.MMR:
            coded = EOL * 2
        else:
            tag = "1" if self.coding is Coding.MR else ""
            coded = self._line_start(is_alone=True) + (EOL + tag) * 5
        coded += "0" * (-(len(self._bits) + len(coded)) % 8)
        return self._take(coded)

    def _line_start(self, *, is_alone: bool) -> str:
        tag = "" if self.coding is Coding.MH else "1" if is_alone else "0"
        fill = -(len(self._bits) + len(EOL)) % 8 if self.byte_aligned else 0
        return "0" * fill + EOL + tag

    def _take(self, coded: str) -> bytes:
        bits = self._bits + coded
        whole = len(bits) // 8
        self._bits = bits[whole * 8 :]
        return int(bits[: whole * 8], 2).to_bytes(whole, "big") if whole else b""


def encode_page(
    rows: Iterable[bytes],
    *,
    coding: Coding = Coding.MH,
    width: int = 1728,
    k: int = 4,
    min_row_bits: int = 0,
) -> bytes:
    """Code a whole page; see `PageEncoder` for the arguments.

    Raises:
        PageError: a row has the wrong length.
    """
    encoder = PageEncoder(coding=coding, width=width, k=k, min_row_bits=min_row_bits)
    return b"".join([*map(encoder.row, rows), encoder.finish()])


def code_alone(changes: list[int], width: int) -> str:
    """The one-dimensional code of a row: its runs, white first (T.4 4.1.1)."""
    white, black = run_codes(width)
    codes: list[str] = []
    add = codes.append
    start = 0
    this, other = white, black
    for end in (*changes, width):
        add(this[end - start])
        start = end
        this, other = other, this
    return "".join(codes)


def code_against(changes: list[int], reference: list[int], width: int) -> str:
    """The two-dimensional code of a row against the row before it (T.4 4.2.1.3, T.6 2.2)."""
    tables = run_codes(width)
    current = [*changes, width, width, width]
    above = [*reference, width, width, width]
    codes: list[str] = []
    add = codes.append
    a0, colour, index, above_index = -1, 0, 0, 0
    while a0 < width:
        a1 = current[index]
        above_index = next_above(above, above_index, a0, colour)
        b1, b2 = above[above_index], above[above_index + 1]
        if b2 < a1:
            add(PASS)
            a0 = b2
        elif (vertical := VERTICAL.get(a1 - b1)) is not None:
            add(vertical)
            a0 = a1
            colour ^= 1
            index += 1
        else:
            a2 = current[index + 1]
            add(HORIZONTAL)
            add(tables[colour][a1 - max(a0, 0)])
            add(tables[colour ^ 1][a2 - a1])
            a0 = a2
            index += 2
    return "".join(codes)


def next_above(above: list[int], index: int, a0: int, colour: int) -> int:
    """Index of b1: the first change above, right of a0, to the colour opposite to a0's.

    Changes to black have even indices.  `index` is where the last search ended; the answer
    is at most one place before it, so a whole row costs one pass.

    Args:
        above: the changes of the row above, followed by three times the width.
        index: where the search before this one ended.
        a0: the position on the row being coded; -1 at its beginning.
        colour: colour at a0, 0 = white.
    """
    if index & 1 != colour:
        index += -1 if index else 1
    last = len(above) - 2
    while above[index] <= a0 and index < last:
        index += 2
    return min(index, last)
