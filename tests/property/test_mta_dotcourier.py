"""Laws of the dot-courier grammar and of the agent's records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.local.instructions import Command, Forward, Mailbox, parse_instructions
from couriermail.mta.local.ledger import Ledger
from couriermail.mta.local.values import LocalJob, LocalResult
from couriermail.mta.local.wire import (
    Record,
    RecordReader,
    encode_job,
    encode_record,
    encode_result,
    job_from_record,
    result_from_record,
)

texts = st.text(max_size=20)
paths = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
heads = st.dictionaries(texts, texts | st.integers() | st.lists(texts), max_size=4)
records = st.builds(Record, heads, st.binary(max_size=40))
jobs = st.builds(
    LocalJob,
    key=st.integers(0, 2**62),
    recipient=texts,
    original=st.none() | texts,
    sender=texts,
    user=texts,
    home=paths,
    maildir=paths,
    quota=texts,
    extension=paths,
    default_instructions=paths,
    size=st.integers(0, 2**62),
    body=st.binary(max_size=60),
    ledger=texts,
    environment=st.dictionaries(texts, paths, max_size=3),
)
results = st.builds(
    LocalResult,
    key=st.integers(0, 2**62),
    kind=st.sampled_from(["success", "failure", "deferral"]),
    lines=st.lists(paths).map(tuple),
    forwards=st.lists(paths).map(tuple),
    untracked=st.booleans(),
    ledger=texts,
    enhanced=texts,
)


@given(st.lists(records, max_size=5), st.data())
def test_records_are_the_same_however_the_octets_are_split(
    expected: list[Record], data: st.DataObject
) -> None:
    """House rule: same events whatever the split."""
    octets = b"".join(encode_record(record.head, record.body) for record in expected)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    reader = RecordReader()
    found: list[Record] = []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        found += reader.feed(octets[start:end])

    assert found == expected
    assert reader.is_empty


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_other_octets_raise_nothing_but_a_protocol_error(pieces: list[bytes]) -> None:
    """House rule: untrusted input raises nothing else."""
    reader = RecordReader(max_head=1000, max_body=1000)
    try:
        for piece in pieces:
            for record in reader.feed(piece):
                job_from_record(record)
    except AgentProtocolError:
        pass


@given(heads, st.binary(max_size=10))
def test_a_strange_record_is_a_protocol_error_or_a_value(
    head: dict[str, object], body: bytes
) -> None:
    """House rule: untrusted input raises nothing else."""
    for decode in (job_from_record, result_from_record):
        try:
            decode(Record(head, body))
        except AgentProtocolError:
            pass


@given(jobs)
def test_a_job_survives_the_wire(job: LocalJob) -> None:
    """Text that is no UTF-8 survives as JSON escapes of lone surrogates."""
    [record] = RecordReader().feed(encode_job(job))

    assert job_from_record(record) == job


@given(results)
def test_a_result_survives_the_wire(result: LocalResult) -> None:
    """Text that is no UTF-8 survives as JSON escapes of lone surrogates."""
    [record] = RecordReader().feed(encode_result(result))

    assert result_from_record(record) == result


@given(st.text(alphabet='./|&!#\\\n\r \tab@,:;<>()"\x00é'))
def test_any_text_is_read(text: str) -> None:
    """`parse_instructions`: never fails; lines are numbered in order."""
    parsed = parse_instructions(text)
    lines = [item.line for item in parsed.items]

    assert lines == sorted(set(lines))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


mailbox_names = st.text(alphabet="abc/. -", max_size=10).map(lambda name: f"./{name}x")
commands = st.text(alphabet="abc '\\\"$;|", max_size=10).map(lambda text: f"c{text}c")
addresses = st.from_regex(r"[a-z]{1,5}@[a-z]{1,5}", fullmatch=True)
known_lines = st.one_of(
    mailbox_names.map(lambda name: (name, lambda line: Mailbox(line, name))),
    commands.map(lambda text: (f"| {text}", lambda line: Command(line, text))),
    addresses.map(lambda address: (f"&{address}", lambda line: Forward(line, (address,)))),
)


@given(st.lists(known_lines))
def test_every_line_is_one_instruction(lines: list[tuple[str, object]]) -> None:
    """Spec mta.md 11.3: the first character of a line decides what it is."""
    parsed = parse_instructions("\n".join(text for text, _ in lines))

    expected = [make(number) for number, (_, make) in enumerate(lines, 1) if callable(make)]
    assert list(parsed.items) == expected


@given(st.lists(st.tuples(st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.integers(0, 99))))
def test_a_ledger_survives_its_text(entries: list[tuple[str, int]]) -> None:
    """Spec mta.md 11.7: retries skip what is finished."""
    ledger = Ledger()
    for digest, number in entries:
        ledger.record(digest, number)
    again = Ledger.parse(str(ledger))

    assert all(again.is_done(digest, number) for digest, number in entries)
    assert str(again) == str(ledger)
    assert not again.is_done("0" * 15, 0)
