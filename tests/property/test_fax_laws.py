"""Laws of page coding: ITU-T T.4 and T.6, spec fax 12."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.fax import (
    Coding,
    DecodedPage,
    FaxError,
    PageEncoder,
    PageLimits,
    changes_of,
    decode_page,
    encode_page,
    pack_row,
    parse_dial_plan,
    parse_fax_address,
    reverse_bits,
    row_bytes,
)

codings = st.sampled_from(list(Coding))


@st.composite
def pages(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    """A width and rows that repeat, shift and change like those of a real page."""
    width = draw(st.sampled_from([1, 8, 13, 64, 1728, 2700]))
    rows: list[bytes] = []
    changes: set[int] = set()
    for _ in range(draw(st.integers(0, 12))):
        if draw(st.booleans()):
            changes = draw(st.sets(st.integers(0, width - 1), max_size=40))
        else:
            shift = draw(st.integers(-4, 4))
            changes = {min(max(position + shift, 0), width - 1) for position in changes}
        rows.append(pack_row(sorted(changes), width))
    return width, rows


@settings(max_examples=150, deadline=None)
@given(pages(), codings, st.integers(1, 5), st.sampled_from([0, 100, 700]))
def test_what_was_coded_is_decoded(
    page: tuple[int, list[bytes]], coding: Coding, k: int, min_row_bits: int
) -> None:
    """Row = runs alternating white, black; decode(encode(page)) is the page."""
    width, rows = page
    data = encode_page(rows, coding=coding, width=width, k=k, min_row_bits=min_row_bits)
    expected = DecodedPage(width=width, rows=tuple(rows), is_complete=True)
    assert decode_page(data, coding=coding, width=width) == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600), codings, st.sampled_from([1, 8, 1728]))
def test_any_bytes_give_a_page(data: bytes, coding: Coding, width: int) -> None:
    """Never read beyond the data; a row may not exceed the width."""
    page = decode_page(data, coding=coding, width=width, limits=PageLimits(max_rows=50))
    assert len(page.rows) <= 50
    assert all(len(row) == row_bytes(width) for row in page.rows)
    assert all(1 <= defect.row <= len(page.rows) for defect in page.defects)
    assert all(0 <= defect.bit <= 8 * len(data) for defect in page.defects)
    numbers = [defect.row for defect in page.defects]
    assert numbers == sorted(set(numbers))


@settings(max_examples=150, deadline=None)
@given(pages(), st.sampled_from([Coding.MH, Coding.MR]), st.data())
def test_damage_in_one_place_costs_few_rows(
    page: tuple[int, list[bytes]], coding: Coding, data: st.DataObject
) -> None:
    """Resynchronise at the next EOL after an invalid code; in 2-D at the next 1-D row."""
    width, rows = page
    coded = bytearray(encode_page(rows * 3, coding=coding, width=width, k=2))
    position = data.draw(st.integers(0, len(coded) - 1))
    coded[position] ^= 1 << data.draw(st.integers(0, 7))
    decoded = decode_page(bytes(coded), coding=coding, width=width)
    # One flipped bit ruins a row or the EOL before it, and in MR the rows up to the next
    # that stands alone; it may make one EOL more or less.
    assert abs(len(decoded.rows) - len(rows) * 3) <= 2
    wrong = sum(one != other for one, other in zip(decoded.rows, rows * 3, strict=False))
    if len(decoded.rows) == len(rows) * 3:
        assert wrong <= 4


@given(pages())
def test_rows_and_their_changes_are_the_same_thing(page: tuple[int, list[bytes]]) -> None:
    """Changes are where the colour is another than before, all of them below the width."""
    width, rows = page
    for row in rows:
        changes = changes_of(row, width)
        assert changes == sorted(set(changes))
        assert pack_row(changes, width) == row


@given(pages(), codings, st.data())
def test_the_encoder_gives_the_same_bytes_row_by_row(
    page: tuple[int, list[bytes]], coding: Coding, data: st.DataObject
) -> None:
    """Split anywhere, same output; it holds less than one byte back."""
    width, rows = page
    encoder = PageEncoder(coding=coding, width=width)
    pieces = [encoder.row(row) for row in rows]
    assert b"".join([*pieces, encoder.finish()]) == encode_page(rows, coding=coding, width=width)


@given(st.binary(max_size=50))
def test_reversing_bits_twice_changes_nothing(data: bytes) -> None:
    """Modems send the lowest bit first; the reversal is its own inverse."""
    assert reverse_bits(reverse_bits(data)) == data


@given(st.text(max_size=80), st.text(alphabet="0123456789#*ABCD-+w", min_size=1, max_size=90))
def test_any_dial_plan_answers_or_refuses(text: str, local: str) -> None:
    """Result longer than 80 characters at any step -> refused; nothing else is raised."""
    plan = parse_dial_plan(text + "\naccept^ . local\n")
    try:
        address = parse_fax_address(f"{local}@fax")
        dialled = plan.dial(address.number, "local") if address else ""
    except FaxError:
        return
    assert 0 < len(dialled) <= 80
