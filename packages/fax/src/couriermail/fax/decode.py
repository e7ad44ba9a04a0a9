"""Decode pages that came over a telephone line: MH and MR after T.4, MMR after T.6.

Damage is expected, so nothing here raises for it.  A row is bad when a code is invalid, when
its runs do not add up to the width, or when no EOL follows it; decoding goes on at the next
EOL, and in MR at the next row that was coded alone.  Bad rows repeat the last good one and
are reported by number.  MMR has no EOLs: decoding ends at the first damage.

The page is turned into a text of `0` and `1`, in which EOLs are found and codes looked up by
C code.  Memory: eight times the coded size, which is limited, and the rows.

Standard: ITU-T T.4 4.1 and 4.2, ITU-T T.6 2; spec fax 12 (decoder duties).
"""

from __future__ import annotations

import attrs

from couriermail.fax.codes import (
    BLACK_TABLE_BITS,
    EOL,
    HORIZONTAL,
    MODE_BITS,
    PASS,
    decoding_table,
    mode_table,
)
from couriermail.fax.encode import MAX_WIDTH, Coding, next_above
from couriermail.fax.errors import PageError
from couriermail.fax.rows import pack_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DecodedPage", "PageLimits", "RowDefect", "decode_page"]

_ZEROS = "0" * 11
_RTC_EOLS = 6
_PADDING = "0" * 32  # lets slices at the end be of full length; never counted as data


@attrs.frozen(kw_only=True)
class PageLimits:
    """How much of a page is decoded.

    Attributes:
        max_rows: rows; the default is 23 inches at 196 lines per inch (spec fax 12).
        max_page_bytes: coded bytes; the default is more than 4500 rows of single pels take.
    """

    max_rows: int = 4500
    max_page_bytes: int = 8 * 1024 * 1024


@attrs.frozen
class RowDefect:
    """One row that could not be decoded.

    Attributes:
        row: 1-based number of the row on the page.
        bit: offset of the bit where decoding failed.
        reason: what was wrong, in a few words.
    """

    row: int
    bit: int
    reason: str


@attrs.frozen(kw_only=True)
class DecodedPage:
    """The rows of a page and what was wrong with them.

    Attributes:
        width: pels per row.
        rows: packed rows, 1 = black; bad rows repeat the good one before them.
        defects: the bad rows, in order.
        is_complete: True when the end of the page (RTC, EOFB) was received.
    """

    width: int
    rows: tuple[bytes, ...] = attrs.field(repr=False)
    defects: tuple[RowDefect, ...] = ()
    is_complete: bool = False

    @property
    def longest_bad_run(self) -> int:
        """The largest number of bad rows that follow each other."""
        longest = length = 0
        previous = -1
        for defect in self.defects:
            length = length + 1 if defect.row == previous + 1 else 1
            longest = max(longest, length)
            previous = defect.row
        return longest


class _BadRowError(Exception):
    """Leaves a row at the bit that cannot be decoded; never leaves this module."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


def decode_page(
    data: bytes,
    *,
    coding: Coding = Coding.MH,
    width: int = 1728,
    limits: PageLimits | None = None,
) -> DecodedPage:
    """Decode a page; any bytes give a page, damage is listed in its `defects`.

    Args:
        data: coded page, first transmitted bit in the highest bit of a byte
            (`reverse_bits` for what modems deliver).
        coding: how it was coded.
        width: pels per row.
        limits: where to stop.

    Raises:
        PageError: the width is impossible, or `data` larger than `limits.max_page_bytes`.
    """
    limits = limits or PageLimits()
    if not 0 < width <= MAX_WIDTH:
        raise PageError(f"width {width} is not between 1 and {MAX_WIDTH} pels")
    if len(data) > limits.max_page_bytes:
        raise PageError(
            f"coded page of {len(data)} bytes, at most {limits.max_page_bytes} are decoded"
        )
    decoder = _Decoder(bits=_bits_of(data), width=width, max_rows=limits.max_rows)
    if coding is Coding.MMR:
        decoder.run_without_eols()
    else:
        decoder.run_with_eols(has_tags=coding is Coding.MR)
    return DecodedPage(
        width=width,
        rows=tuple(decoder.rows),
        defects=tuple(decoder.defects),
        is_complete=decoder.is_complete,
    )


def _bits_of(data: bytes) -> str:
    return bin(int.from_bytes(b"\1" + data, "big"))[3:]


@attrs.define(kw_only=True)
class _Decoder:
    """The state of one page: where we are, the row above, what was decoded."""

    bits: str
    width: int
    max_rows: int
    end: int = attrs.field(init=False)
    rows: list[bytes] = attrs.field(factory=list)
    defects: list[RowDefect] = attrs.field(factory=list)
    is_complete: bool = False
    above: list[int] = attrs.field(factory=list)
    is_above_known: bool = False

    def __attrs_post_init__(self) -> None:
        self.end = len(self.bits)
        self.bits += _PADDING

    def run_without_eols(self) -> None:
        """T.6: rows until EOFB, each against the one before."""
        position = 0
        while position < self.end:
            if self.bits.startswith(EOL, position):
                self.is_complete = self.bits.startswith(EOL, position + len(EOL))
                return
            try:
                changes, position = self._row_against(position)
            except _BadRowError as bad:
                if self.bits.find("1", position) >= 0:  # else the padding of the last byte
                    self._add_bad(bad.position, bad.reason)
                return
            if not self._add_good(changes, position):
                return

    def run_with_eols(self, *, has_tags: bool) -> None:
        """T.4: rows between EOLs, until RTC or the end of the data."""
        for position, tag in self._line_starts(has_tags=has_tags):
            if len(self.rows) >= self.max_rows:
                return
            try:
                changes = self._line(position, tag)
            except _BadRowError as bad:
                self._add_bad(bad.position, bad.reason)
                self.is_above_known = False
            else:
                self._add_good(changes, position)
                self.is_above_known = True

    def _line_starts(self, *, has_tags: bool) -> Iterator[tuple[int, str]]:
        """Where rows begin, each with its tag bit; ends after RTC."""
        position, eols = 0, 0
        if not self.bits.startswith(_ZEROS):  # some senders leave out the first EOL
            yield 0, "1"
        while (position := self.bits.find(_ZEROS, position)) >= 0:
            position = self.bits.find("1", position) + 1
            if not position:
                return
            tag = "1"
            if has_tags:
                tag = self.bits[position]
                position += 1
            eols += 1
            if not self.bits.startswith(_ZEROS, position):
                eols = 0
                if position < self.end:
                    yield position, tag
            elif eols == _RTC_EOLS - 1:
                self.is_complete = self.bits.find("1", position) >= 0
                return

    def _line(self, position: int, tag: str) -> list[int]:
        if tag == "1":
            changes, after = self._row_alone(position)
        elif self.is_above_known:
            changes, after = self._row_against(position)
        else:
            raise _BadRowError(position, "the row it refers to is bad")
        if not self.bits.startswith(_ZEROS, after) and after < self.end:
            raise _BadRowError(after, "no EOL after the row")
        return changes

    def _row_alone(self, position: int) -> tuple[list[int], int]:
        """Runs, white first, until they add up to the width (T.4 4.1.1)."""
        changes: list[int] = []
        total, is_black = 0, False
        while total < self.width:
            run, position = self._run(position, is_black=is_black)
            total += run
            _add_change(changes, total)
            is_black = not is_black
        if total > self.width:
            raise _BadRowError(position, "row too long")
        return changes, position

    def _run(self, position: int, *, is_black: bool) -> tuple[int, int]:
        """One run: make-up codes and the terminating code."""
        table = decoding_table(is_black=is_black)
        bits, total = self.bits, 0
        while True:
            code = table.get(bits[position : position + BLACK_TABLE_BITS])
            if code is None:
                raise _BadRowError(position, "invalid code")
            position += code[0]
            total += code[1]
            if position > self.end:
                raise _BadRowError(self.end, "data ends within the row")
            if total > self.width:
                raise _BadRowError(position, "row too long")
            if code[1] < 64:
                return total, position

    def _row_against(self, position: int) -> tuple[list[int], int]:
        """Modes against the row above, until the width is reached (T.4 4.2.1.3, T.6 2.2)."""
        width, bits, modes = self.width, self.bits, mode_table()
        above = [*self.above, width, width, width]
        changes: list[int] = []
        a0, colour, index = -1, 0, 0
        while a0 < width:
            length, mode = modes.get(bits[position : position + MODE_BITS], (0, ""))
            position += length
            index = next_above(above, index, a0, colour)
            if mode == PASS:
                a0 = above[index + 1]
            elif mode == HORIZONTAL:
                first, position = self._run(position, is_black=bool(colour))
                second, position = self._run(position, is_black=not colour)
                a1 = max(a0, 0) + first
                a0 = a1 + second
                _add_change(changes, a1)
                _add_change(changes, a0)
            elif isinstance(mode, int) and a0 < above[index] + mode <= width:
                a0 = above[index] + mode
                changes.append(a0)
                colour ^= 1
            else:
                raise _BadRowError(position, "invalid mode")
        if a0 > width or position > self.end:
            raise _BadRowError(min(position, self.end), "row too long")
        return changes, position

    def _add_good(self, changes: list[int], position: int) -> bool:
        if len(self.rows) >= self.max_rows:
            self.defects.append(RowDefect(len(self.rows), position, "too many rows"))
            return False
        while changes and changes[-1] >= self.width:
            changes.pop()
        self.above = changes
        self.rows.append(pack_row(changes, self.width))
        return True

    def _add_bad(self, position: int, reason: str) -> None:
        self.rows.append(self.rows[-1] if self.rows else pack_row([], self.width))
        self.defects.append(RowDefect(len(self.rows), min(position, self.end), reason))


def _add_change(changes: list[int], position: int) -> None:
    """Note a change of colour; two at one place (an empty run between them) are none."""
    if changes and changes[-1] == position:
        changes.pop()
    else:
        changes.append(position)
