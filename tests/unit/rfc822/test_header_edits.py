"""Header edits, line filters, id lists: the parts of `reformail` (spec rfc822 2.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822.header_edits import HeaderEdits, field_key, join_folded, raw_fields
from couriermail.rfc822.line_filter import LineFilter
from couriermail.rfc822.seen_ids import SeenIds


@pytest.mark.parametrize(
    ("raw", "key"),
    [(b"Subject: x\n", b"subject:"), (b"Subject : x\n", b"subject :"), (b"line\n a: b\n", b"line"),
     (b"", b"")],
    ids=repr,
)  # fmt: skip
def test_a_field_is_found_by_its_name_and_colon(raw: bytes, key: bytes) -> None:
    assert field_key(raw) == key


def test_the_edits_are_tried_in_their_order() -> None:
    edits = HeaderEdits()
    edits.supersede.append(b"A: new")
    edits.replace += [b"old-a:", b"B: x"]
    edits.rename.append((b"c:", b"D:"))
    edits.keep_first.append(b"c:")
    assert edits.apply(b"A: 1\nB: 2\nC: 3\nC: 4\n") == b"D: 3\nA: new\nB: x\n"
    assert edits.apply(b"") == b"A: new\nB: x\n"


@given(st.lists(st.sampled_from([b"A: 1\n", b"b: 2\n c\n", b"\xff\n", b"A : x\n", b"x"])))
def test_a_header_that_no_edit_names_is_kept(fields: list[bytes]) -> None:
    """What is not touched comes out octet for octet; a last line gets its line end."""
    block = b"".join(field if field.endswith(b"\n") else field + b"\n" for field in fields)
    assert HeaderEdits().apply(block) == block
    assert b"".join(raw_fields(block)) == block
    assert HeaderEdits().is_empty


@pytest.mark.parametrize(
    ("raw", "joined"),
    [(b"A: 1\n", b"A: 1\n"), (b"A: 1\n b\n\tc\n", b"A: 1 b c\n"), (b"A:\n x\n", b"A: x\n"),
     (b"A: 1\n\t\n  \n b\n", b"A: 1 b\n")],
    ids=repr,
)  # fmt: skip
def test_folded_fields_are_joined_by_one_blank(raw: bytes, joined: bytes) -> None:
    assert join_folded(raw) == joined


PIECES = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b">", b"From ", b"Fr", b"om ", b"x", b">>From y\n"])
)


@given(PIECES, st.integers(0, 3))
def test_a_filter_gives_the_same_however_its_input_is_cut(pieces: list[bytes], kind: int) -> None:
    """Same octets in, same octets out, whatever the split."""
    options = {"quote_from": kind == 1, "unquote_from": kind == 2, "crlf": kind == 3}
    whole, split = LineFilter(**options), LineFilter(**options)
    expected = whole.feed(b"".join(pieces)) + whole.close()
    assert b"".join(map(split.feed, pieces)) + split.close() == expected
    assert not expected or expected.endswith(b"\n")


@given(PIECES)
def test_quoting_can_be_undone(pieces: list[bytes]) -> None:
    """RFC 4155: lines that start with `From ` get a `>`, and lose it again."""
    plain, quote, unquote = LineFilter(), LineFilter(quote_from=True), LineFilter(unquote_from=True)
    data = b"".join(pieces).replace(b"\r", b"")  # each pass drops one CR before a line feed
    quoted = quote.feed(data) + quote.close()
    assert not quoted.startswith(b"From ")
    assert b"\nFrom " not in quoted
    assert unquote.feed(quoted) + unquote.close() == plain.feed(data) + plain.close()


def test_a_line_of_nothing_but_quotes_is_not_held_for_ever() -> None:
    lines = LineFilter(unquote_from=True)
    out = [lines.feed(b">" * 1000) for _ in range(100)]
    assert len(b"".join(out)) > 90_000


@pytest.mark.parametrize(
    ("data", "ids"),
    [(b"", []), (b"a\0b\0\0", [b"a", b"b"]), (b"a\0b\0", [b"a", b"b"]), (b"a\0b\0\0old\0", [b"a", b"b"]),
     (b"a\0cut", [b"a"]), (b"\0\0", [])],
    ids=repr,
)  # fmt: skip
def test_lists_of_both_generations_are_read(data: bytes, ids: list[bytes]) -> None:
    assert SeenIds(data).ids == ids


@given(
    st.lists(st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name), min_size=1),
    st.integers(0, 60),
)
def test_a_list_is_bounded_and_ends_with_the_newest(names: list[bytes], limit: int) -> None:
    """Spec rfc822 2.4.7: the oldest are dropped while the data is not shorter than the limit."""
    seen = SeenIds()
    for name in names:
        was_known = name in seen.ids
        assert seen.see(name, limit) is was_known
        assert seen.ids[-1] == name
        assert len(seen.ids) == 1 or len(bytes(seen)) - 1 < limit
        assert SeenIds(bytes(seen)).ids == seen.ids
