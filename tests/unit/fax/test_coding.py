"""Page coding: known code words, ends of pages, damage (ITU-T T.4, T.6; spec fax 12)."""

from __future__ import annotations

import random

import pytest

from couriermail.fax import (
    Coding,
    DecodedPage,
    PageEncoder,
    PageError,
    PageLimits,
    RowDefect,
    changes_of,
    decode_page,
    encode_page,
    pack_row,
    reverse_bits,
)
from couriermail.fax.codes import EOL, decoding_table, run_codes
from couriermail.fax.encode import code_against, code_alone

WIDTH = 1728
WHITE = bytes(WIDTH // 8)


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def bytes_of(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def some_rows(count: int, seed: int = 1) -> list[bytes]:
    """Rows like those of text: strokes that move a little from row to row, white between."""
    chance = random.Random(seed)
    rows: list[bytes] = []
    changes: list[int] = []
    for _ in range(count):
        if chance.random() < 0.15:
            changes = sorted(chance.sample(range(WIDTH), chance.randrange(0, 60)))
        moved = {min(max(0, position + chance.randrange(-3, 4)), WIDTH - 1) for position in changes}
        rows.append(pack_row(sorted(moved), WIDTH))
    return rows


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ((1728,), "010011011 00110101"),
        ((0, 1728), "00110101 0000001100101 0000110111"),
        ((0, 1, 1727), "00110101 010 011000 00110100"),
        ((4, 3, 1721), "1011 10 011000 01011010"),
        ((63, 64, 1601), "00110100 0000001111 0000110111 010011010 000111"),
    ],
    ids=["white row", "black row", "one black pel", "short runs", "terminating and make-up"],
)
def test_runs_have_the_code_words_of_the_standard(runs: tuple[int, ...], code: str) -> None:
    changes = [sum(runs[: index + 1]) for index in range(len(runs) - 1)]
    assert code_alone(changes, WIDTH) == code.replace(" ", "")


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (1792, "00000001000 00110101"),
        (2560, "000000011111 00110101"),
        (2623, "000000011111 00110100"),
        (2624, "000000011111 11011 00110101"),
        (5200, "000000011111 000000011111 11011 101010"),
    ],
)
def test_wide_rows_use_the_common_make_up_codes(run: int, code: str) -> None:
    white, _ = run_codes(6000)
    assert white[run] == code.replace(" ", "")


@pytest.mark.parametrize("is_black", [False, True], ids=["white", "black"])
def test_no_code_is_the_beginning_of_another(is_black: bool) -> None:
    white, black = run_codes(2560)
    codes = [(black if is_black else white)[run] for run in range(64)]
    table = decoding_table(is_black=is_black)
    assert sum(2 ** (13 - length) for length in (len(code) for code in codes)) < 2**13
    assert len({entry[1] for entry in table.values()}) == 64 + 27 + 13
    assert not any(bits.startswith("0" * 11) for bits in table)


@pytest.mark.parametrize(
    ("above", "row", "code"),
    [
        ([], [], "1"),
        ([10, 20], [10, 20], "111"),
        ([10, 20], [11, 22], "0110000111"),
        ([10, 20], [9, 17], "01000000101"),
        ([10, 20], [], "00011"),
        ([], [4, 7], "001" + "1011" + "10" + "1"),
        ([0, 5], [0, 5], "111"),
        ([], [0, 5], "001" + "00110101" + "0011" + "1"),
        ([1727], [1727], "11"),
    ],
    ids=[
        "white under white",
        "straight down",
        "to the right",
        "to the left",
        "pass",
        "horizontal",
        "black edge under black edge",
        "black edge under white",
        "last pel",
    ],
)
def test_rows_against_the_row_above(above: list[int], row: list[int], code: str) -> None:
    assert code_against(row, above, WIDTH) == code


def test_a_one_dimensional_page_has_eols_and_ends_in_six() -> None:
    row = EOL + "010011011" + "00110101"
    assert bits_of(encode_page([WHITE, WHITE])).startswith(row * 2 + EOL * 6)


def test_a_two_dimensional_page_has_tags_and_every_kth_row_alone() -> None:
    alone = EOL + "1" + "010011011" + "00110101"
    against = EOL + "0" + "1"
    expected = alone + against + alone + (EOL + "1") * 6
    assert bits_of(encode_page([WHITE] * 3, coding=Coding.MR, k=2)).startswith(expected)


def test_a_t6_page_is_one_bit_per_unchanged_row_and_eofb() -> None:
    assert bits_of(encode_page([WHITE] * 5, coding=Coding.MMR)) == "11111" + EOL * 2 + "000"


def test_an_empty_page_decodes_to_no_rows() -> None:
    for coding in Coding:
        page = decode_page(encode_page([], coding=coding), coding=coding)
        assert (page.rows, page.defects, page.is_complete) == ((), (), True)


def test_fill_keeps_every_row_at_the_scan_time() -> None:
    encoder = PageEncoder(min_row_bits=288)
    assert [len(encoder.row(WHITE)) for _ in range(4)] == [36] * 4
    page = decode_page(encode_page([WHITE] * 4, min_row_bits=288))
    assert (len(page.rows), page.defects, page.is_complete) == (4, (), True)


def test_aligned_eols_end_on_a_byte() -> None:
    rows = some_rows(20)
    encoder = PageEncoder(byte_aligned=True)
    data = b"".join([*map(encoder.row, rows), encoder.finish()])
    assert data.startswith(b"\x00\x01")
    assert decode_page(data).rows == tuple(rows)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 1728, 2048, 2432, 2623, 2624, 4000])
@pytest.mark.parametrize("coding", list(Coding))
def test_every_width_comes_back(width: int, coding: Coding) -> None:
    edges = [[], [0], [width - 1], [width // 2], [0, 1], list(range(width))]
    rows = [pack_row(sorted(set(changes)), width) for changes in edges]
    page = decode_page(encode_page(rows, coding=coding, width=width), coding=coding, width=width)
    assert page == DecodedPage(width=width, rows=tuple(rows), is_complete=True)


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(PageError, match="215 bytes, 216 expected"):
        encode_page([WHITE[:-1]])


@pytest.mark.parametrize("width", [0, -1, 65_536])
def test_an_impossible_width_is_refused(width: int) -> None:
    with pytest.raises(PageError):
        PageEncoder(width=width)
    with pytest.raises(PageError):
        decode_page(b"", width=width)


def test_bits_beyond_the_width_are_ignored() -> None:
    assert changes_of(b"\x0f\xff", 10) == [4]


def test_reversed_bits_are_those_of_a_modem() -> None:
    assert reverse_bits(b"\x01\x80\xf0\x12") == b"\x80\x01\x0f\x48"


def coded_rows(rows: list[bytes]) -> list[str]:
    return [code_alone(changes_of(row, WIDTH), WIDTH) for row in rows]


def test_a_bad_row_repeats_the_good_one_before_it() -> None:
    rows = some_rows(5)
    coded = coded_rows(rows)
    coded[2] = coded[2][:40] + "00000000" + coded[2][48:70]  # eight zeros begin no white code
    page = decode_page(bytes_of(EOL.join(["", *coded]) + EOL * 6))
    assert page.rows == (*rows[:2], rows[1], *rows[3:])
    assert [defect.row for defect in page.defects] == [3]
    assert page.is_complete


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("010011011" + "00110101" + "11", "no EOL after the row"),
        ("010011010" + "00110101", "invalid code"),
        ("010011011" + "000111", "row too long"),
        ("0000000011", "invalid code"),
    ],
    ids=["pels too many", "pels too few", "longer than the width", "no code"],
)
def test_a_row_that_does_not_add_up_is_bad(row: str, reason: str) -> None:
    good = "010011011" + "00110101"
    page = decode_page(bytes_of(EOL + good + EOL + row + EOL + good + EOL * 6))
    assert len(page.rows) == 3
    assert [(defect.row, defect.reason) for defect in page.defects] == [(2, reason)]


def test_after_damage_rows_against_bad_rows_are_bad_until_one_stands_alone() -> None:
    rows = some_rows(12, seed=3)
    encoder = PageEncoder(coding=Coding.MR, k=4)
    bits = bits_of(b"".join([*map(encoder.row, rows), encoder.finish()]))
    starts = [position for position in range(len(bits)) if bits.startswith(EOL + "0", position)]
    broken = starts[0] + len(EOL) + 1  # the second row
    bits = bits[:broken] + "0000000001" + bits[broken:]
    page = decode_page(bytes_of(bits), coding=Coding.MR)
    assert [defect.row for defect in page.defects] == [2, 3, 4]
    assert page.longest_bad_run == 3
    assert page.rows[4:] == tuple(rows[4:])
    assert page.rows[1:4] == (rows[0],) * 3


def test_t6_ends_at_the_first_damage() -> None:
    page = decode_page(bytes_of("11111" + "00000000011" + "11111"), coding=Coding.MMR)
    assert [defect.row for defect in page.defects] == [6]
    assert len(page.rows) == 6
    assert not page.is_complete


@pytest.mark.parametrize("coding", list(Coding))
def test_a_page_that_is_cut_off_keeps_the_rows_before(coding: Coding) -> None:
    rows = some_rows(40)
    data = encode_page(rows, coding=coding)
    page = decode_page(data[: len(data) // 2], coding=coding)
    assert not page.is_complete
    good = len(page.rows) - len(page.defects)
    assert 5 < good < 40
    assert page.rows[:good] == tuple(rows[:good])


def test_rows_are_limited() -> None:
    data = encode_page([WHITE] * 20)
    page = decode_page(data, limits=PageLimits(max_rows=7))
    assert (len(page.rows), page.is_complete) == (7, False)
    assert decode_page(b"\xff" * 100, coding=Coding.MMR).defects == ()
    page = decode_page(b"\xff" * 2, coding=Coding.MMR, limits=PageLimits(max_rows=7))
    assert page.defects == (RowDefect(7, 8, "too many rows"),)


def test_too_many_coded_bytes_are_refused() -> None:
    with pytest.raises(PageError, match="at most 10"):
        decode_page(bytes(11), limits=PageLimits(max_page_bytes=10))


def test_a_first_eol_that_is_missing_costs_nothing() -> None:
    good = "010011011" + "00110101"
    page = decode_page(bytes_of(good + EOL + good + EOL * 6))
    assert (len(page.rows), page.defects, page.is_complete) == (2, (), True)
