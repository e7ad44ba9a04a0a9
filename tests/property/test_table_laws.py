"""Laws of tables: spec maildir 4.16."""

from __future__ import annotations

import ipaddress
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.table import Table, TableError, address_keys, build_table, expand_range, find_first

keys = st.binary(min_size=1, max_size=511)
values = st.binary(max_size=5000)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, values, max_size=40))
def test_a_table_is_the_mapping_it_was_built_from(pairs: dict[bytes, bytes]) -> None:
    """Byte keys/values, case-sensitive exact match; unique keys; iteration over all pairs."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.dat"
        build_table(path, pairs.items())
        with Table.open(path) as table:
            assert dict(table.items()) == pairs
            assert list(table) == sorted(pairs)
            assert all(table.get(key) == value for key, value in pairs.items())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20_000))
def test_any_other_file_is_a_table_error(content: bytes) -> None:
    """A file that is not ours: clear error, not a crash."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.dat"
        path.write_bytes(content)
        with pytest.raises(TableError):
            Table.open(path)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5000), st.integers(-2, 5002))
def test_exactly_the_addresses_of_a_range_are_found(first: int, size: int, offset: int) -> None:
    """Each resulting octet-prefix becomes a key; lookup strips trailing octets."""
    last = min(first + size, 2**32 - 1)
    lower, upper = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)
    table = dict.fromkeys(expand_range(f"{lower}-{upper}".encode()) or [], b"1")
    probe = min(max(first + offset, 0), 2**32 - 1)
    found = find_first(table, address_keys(str(ipaddress.IPv4Address(probe)).encode()))
    assert (found is not None) == (first <= probe <= last)
