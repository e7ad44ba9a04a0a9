"""Laws of the queue's records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.queue import CorruptMessageError, Envelope, Outcome, Recipient
from couriermail.queue.records import INLINE, BodyRef, decode_message, encode_message
from couriermail.queue.state import Change, StoredState, decode_state, encode_state

TEXT = st.text(st.characters(codec=None), max_size=20)
TIMES = st.floats(0, 4e9)
RECIPIENTS = st.builds(
    Recipient, address=TEXT, original=st.none() | TEXT, notify=st.sampled_from(["", "N", "SFD"])
)
ENVELOPES = st.builds(
    Envelope,
    sender=TEXT,
    recipients=st.lists(RECIPIENTS, min_size=1, max_size=4).map(tuple),
    source=TEXT,
    envid=st.none() | TEXT,
    expires=TIMES,
    warn=st.none() | TIMES,
    delay=st.floats(0, 1e6),
    uid=st.integers(-1, 1 << 30),
    verp=st.booleans(),
    options=st.dictionaries(TEXT, TEXT, max_size=3),
)
OUTCOMES = st.builds(
    Outcome,
    index=st.integers(0, 5),
    kind=st.sampled_from(["success", "failure", "deferral"]),
    flag=st.sampled_from(["", "l", "r"]),
    lines=st.lists(TEXT, max_size=3).map(tuple),
    peer=st.none() | TEXT,
    note=TEXT,
)
CHANGES = st.builds(
    Change,
    now=st.integers(0, 1 << 62),
    outcomes=st.lists(OUTCOMES, max_size=6).map(tuple),
    next_due=st.none() | TIMES,
    warned=st.booleans(),
    reported=st.dictionaries(st.integers(0, 5), st.sampled_from(["S", "F", "SD"])),
    is_round=st.booleans(),
    error=TEXT,
)


@given(ENVELOPES, st.binary(max_size=50))
def test_an_envelope_survives_its_record(envelope: Envelope, body: bytes) -> None:
    """Decoding what was encoded gives the same envelope, and the body lies behind it."""
    record = encode_message(7, 8, 9, envelope, BodyRef(INLINE, 0, len(body), 0)) + body

    decoded = decode_message(1, record)

    assert decoded.envelope == envelope
    assert record[decoded.inline_at :] == body


@given(st.lists(CHANGES, max_size=4))
def test_a_state_survives_its_record(changes: list[Change]) -> None:
    """Decoding what was encoded gives the same state, after any changes."""
    state = StoredState(1)
    for change in changes:
        change.apply_to(state, was_cancelled=False)

    assert decode_state(encode_state(state)) == state


@given(st.binary(max_size=200))
def test_any_octets_are_a_record_or_corruption(data: bytes) -> None:
    """Undecodable records raise `CorruptMessageError` and nothing else."""
    for decode in (lambda d: decode_message(1, d), decode_state):
        try:
            decode(data)
        except CorruptMessageError:
            pass
