from __future__ import annotations

import pytest

from couriermail.queue import Outcome
from couriermail.queue.errors import CorruptMessageError
from couriermail.queue.state import (
    Attempt,
    Change,
    StoredState,
    decode_state,
    encode_state,
    next_due,
    trim_log,
)

NOW = 1_800_000_000_000_000


def changed(state: StoredState, *, was_cancelled: bool = False, **fields: object) -> StoredState:
    Change(now=NOW, **fields).apply_to(state, was_cancelled=was_cancelled)  # type: ignore[arg-type]
    return state


def test_a_state_survives_its_record() -> None:
    state = changed(
        StoredState(5),
        outcomes=(
            Outcome(index=0, kind="success", flag="r", lines=("250 ok",), peer="mx", note="n"),
            Outcome(index=3, kind="deferral", lines=("450 a", "450 b\udcff")),
        ),
        next_due=1_900_000_000.0,
        warned=True,
        reported={0: "S", 3: "D"},
        is_round=True,
    )
    state.held, state.cancelled, state.errors = "why", ("a", "b"), 2

    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize("position", range(0, 60, 4))
def test_a_flipped_octet_is_corruption(position: int) -> None:
    damaged = bytearray(encode_state(changed(StoredState(5), reported={0: "SFD"}, warned=True)))
    damaged[position % len(damaged)] ^= 1

    with pytest.raises(CorruptMessageError):
        decode_state(bytes(damaged))


def test_a_final_outcome_is_final() -> None:
    state = changed(StoredState(5), outcomes=(Outcome(index=0, kind="success", flag="l"),))
    changed(state, outcomes=(Outcome(index=0, kind="failure"),))

    assert (state.recipients[0].state, state.recipients[0].attempts) == ("success", 1)


def test_the_flag_belongs_to_success_only() -> None:
    state = changed(StoredState(5), outcomes=(Outcome(index=0, kind="failure", flag="l"),))

    assert state.recipients[0].flag == ""


def test_report_letters_are_a_set_that_grows() -> None:
    state = changed(StoredState(5), reported={0: "D"})
    changed(state, reported={0: "DF"})

    assert state.recipients[0].reported == "DF"


def test_the_last_note_given_is_kept() -> None:
    state = changed(StoredState(5), outcomes=(Outcome(index=0, kind="deferral", note="one"),))
    changed(state, outcomes=(Outcome(index=0, kind="deferral"),))

    assert state.recipients[0].note == "one"


def test_lines_are_cut_to_1024_characters_and_64_lines() -> None:
    lines = ("x" * 5000, *["y"] * 100)
    state = changed(StoredState(5), outcomes=(Outcome(index=0, kind="deferral", lines=lines),))

    assert [len(line) for line in state.recipients[0].lines] == [1024, *[1] * 63]


def test_a_cancellation_that_the_attempt_did_not_know_makes_the_message_due_at_once() -> None:
    state = StoredState(5, cancelled=("stop",))

    assert changed(state, next_due=1.9e9).next == NOW
    assert changed(state, next_due=1.9e9, was_cancelled=True).next == 1_900_000_000_000_000


def test_the_third_error_in_a_row_holds_the_message() -> None:
    state = StoredState(5)
    for _ in range(2):
        changed(state, error="boom")
    assert decode_state(encode_state(state)).held is None

    changed(state, error="boom")

    assert state.held == "boom"
    assert next_due(encode_state(state)) is None


def test_an_outcome_forgets_the_errors() -> None:
    state = changed(StoredState(5, errors=2), outcomes=(Outcome(index=0, kind="deferral"),))

    assert state.errors == 0


def attempts(rounds: int, recipients: int, text: str = "450 later") -> list[Attempt]:
    return [Attempt(r, i, 0.0, "deferral", text) for r in range(rounds) for i in range(recipients)]


def test_the_log_keeps_first_and_last_rounds() -> None:
    log = attempts(300, 2)

    trim_log(log, 200, 65536)

    assert len(log) == 200
    assert {0, 299} <= {attempt.round for attempt in log}


def test_the_log_keeps_the_last_word_of_a_finished_recipient() -> None:
    log = attempts(100, 3)
    log.insert(120, Attempt(40, 9, 0.0, "failure", "550 no"))

    trim_log(log, 50, 65536)

    assert any(attempt.index == 9 for attempt in log)


@pytest.mark.parametrize(
    ("records", "octets"),
    [pytest.param(200, 65536, id="records"), pytest.param(10_000, 4000, id="text")],
)
def test_the_log_is_bounded_even_when_one_round_is_too_large(records: int, octets: int) -> None:
    log = attempts(2, 2000)

    trim_log(log, records, octets)

    assert len(log) <= records
    assert sum(len(attempt.text) for attempt in log) <= octets
