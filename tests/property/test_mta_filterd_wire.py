"""filterd's records: what is encoded is read back, and nothing else is read as a call."""

from __future__ import annotations

import json
import os
import struct

from hypothesis import given
from hypothesis import strategies as st

from couriermail.filter.rcptfilter import FilterAccount, FilterCall, FilterCallError, FilterResult
from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.local.wire import Record
from couriermail.mta.rcptfilter.wire import (
    call_from_record,
    encode_call,
    encode_result,
    reader_of_requests,
    reader_of_results,
    result_from_record,
)

# Any octets without NUL, as names in a file system are decoded.
TEXTS = st.binary(max_size=30).map(lambda octets: os.fsdecode(octets.replace(b"\0", b"0")))
NAMES = st.text("abcXYZ09-:@._", min_size=1, max_size=40).filter(lambda name: name[0] != ".")
VARIABLES = st.dictionaries(st.text("ABC_9", min_size=1, max_size=8), TEXTS, max_size=5)
IDS = st.integers(0, 2**32)
CALLS = st.builds(
    FilterCall,
    account=st.builds(FilterAccount, uid=IDS, gid=IDS, home=TEXTS, maildir=TEXTS, quota=TEXTS),
    name=NAMES,
    sender=TEXTS,
    environment=VARIABLES,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = ("filter", "uid", "gid", "home", "maildir", "quota", "name", "sender", "environment")


@given(CALLS, st.booleans(), st.integers(1, 50))
def test_a_call_is_read_back_however_it_is_split(
    call: FilterCall, has_message: bool, size: int
) -> None:
    data = encode_call(call, has_message=has_message)
    reader = reader_of_requests()
    records = []
    for start in range(0, len(data), size):
        records += reader.feed(data[start : start + size])
    (record,) = records
    assert call_from_record(record) == (call, has_message)


@given(CALLS, st.dictionaries(st.sampled_from(FIELDS), VALUES), st.sets(st.sampled_from(FIELDS)))
def test_a_changed_request_is_a_call_or_a_known_error(
    call: FilterCall, changes: dict[str, object], missing: set[str]
) -> None:
    (record,) = reader_of_requests().feed(encode_call(call, has_message=False))
    head = {**record.head, **changes}
    changed = Record({name: head[name] for name in head if name not in missing})
    try:
        found, _ = call_from_record(changed)
    except (AgentProtocolError, FilterCallError):
        return
    # Whatever came through can be executed: no NUL, no path, and text for every word.
    words = [*found.arguments, *found.variables, *found.variables.values()]
    assert all(b"\0" not in os.fsencode(word) for word in words)
    assert "/" not in found.name
    assert not found.name.startswith(".")


@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_octets_are_records_or_a_known_error(head: bytes) -> None:
    for data in (head, struct.pack("!II", len(head), 0) + head):
        try:
            for record in reader_of_requests().feed(data):
                call_from_record(record)
        except (AgentProtocolError, FilterCallError):
            pass


@given(st.none() | st.integers(0, 255), st.binary(max_size=3000))
def test_a_result_is_read_back_up_to_its_bound(exit_code: int | None, output: bytes) -> None:
    (record,) = reader_of_results().feed(encode_result(FilterResult(exit_code, output)))
    assert result_from_record(record) == FilterResult(exit_code, output[:2047])
