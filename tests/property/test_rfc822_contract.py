"""The contract of the room: octets come back, memory is bounded, nothing is touched early."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import HeaderReader, Headers, Message, MessageFileError

GIGABYTE = 1 << 30
A_LARGE_FILE = GIGABYTE // 8
HEAD = (
    b"From: a@b\nSubject: big\nMime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n"
    b"--A\n\nx\n--A\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
)

PROGRAM = """
import resource, sys
from couriermail.rfc822 import Message
import couriermail.rfc822.structure, couriermail.rfc822.body, couriermail.rfc822.content
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
before = anonymous()
with Message.open(sys.argv[1]) as message:
    assert message.headers["Subject"] == "big"
    assert [part.section for part in message.walk()] == ["1", "1.1", "1.2"]
    print(anonymous() - before)
    pieces = message.root.children[1].iter_decoded()
    for _ in range(200):
        next(pieces, None)
    print(anonymous() - before)
"""


def sparse_file(path: Path, size: int = GIGABYTE) -> None:
    with path.open("wb") as file:
        file.write(HEAD)
        file.truncate(size)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(A_LARGE_FILE, id="128 MiB"),
        pytest.param(GIGABYTE, id="1 GiB", marks=pytest.mark.slow),
    ],
)
def test_a_large_file_opens_and_is_walked_in_less_than_30_mib(tmp_path: Path, size: int) -> None:
    """A 1 GiB message parses with < 30 MiB growth (spec rfc822 1.1.2)."""
    path = tmp_path / "big.eml"
    sparse_file(path, size)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True
    )
    assert all(int(kilobytes) < 30_000 for kilobytes in done.stdout.split())


def test_opening_a_gigabyte_touches_its_header_only(tmp_path: Path) -> None:
    """Opening touches neither bodies nor the text of headers that nobody asked for."""
    path = tmp_path / "big.eml"
    sparse_file(path)
    tracemalloc.start()
    try:
        with Message.open(path) as message:
            assert message.headers["Subject"] == "big"
            assert message.body_span[0] == HEAD.index(b"\n\n--A") + 2
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_reading_a_large_body_takes_one_window() -> None:
    """Decoders are streaming, with bounded memory (spec rfc822 1.1.4)."""
    data = HEAD + b"QUJD" * 19 + (b"\n" + b"QUJD" * 19) * 60_000 + b"\n--A--\n"
    message = Message(data)
    part = message.root.children[1]
    tracemalloc.start()
    try:
        size = sum(map(len, part.iter_decoded()))
        assert message.defects(with_content=True) == []
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert size == 57 * 60_001


def test_the_tree_of_a_large_message_takes_a_fraction_of_it() -> None:
    """Peak memory stays below 1.2 times the octets given."""
    data = HEAD + b"QUJD" * 2_000_000 + b"\n--A--\n"
    tracemalloc.start()
    try:
        message = Message(data)
        assert len(list(message.walk())) == 3
        assert tracemalloc.get_traced_memory()[1] < len(data) // 5
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_a_header_is_the_same_however_it_arrives(data: bytes, sizes: list[int]) -> None:
    """The streaming reader gives the block that the whole octets give."""
    reader, position, turn, rest = HeaderReader(), 0, 0, b""
    while position < len(data):
        piece = data[position : position + sizes[turn % len(sizes)]]
        if reader.is_complete:
            rest += piece
        elif reader.feed(piece):
            rest += reader.rest
        position, turn = position + len(piece), turn + 1
    reader.close()
    assert reader.headers.raw == Headers(data).raw
    assert reader.headers.raw + rest == data


@given(st.binary(max_size=300))
def test_octets_come_back(data: bytes) -> None:
    """What was not changed comes back byte for byte."""
    message = Message(data)
    assert bytes(message) == data
    assert message.headers.raw + data[message.body_span[0] :] == data
    for part in message.walk():
        start, end = part.span
        assert part.headers.raw + part.body() == data[start:end]


def test_a_file_that_is_no_message_is_our_error(tmp_path: Path) -> None:
    """No exception but ours comes out."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "absent", tmp_path / "pipe", "\0"):
        with pytest.raises(MessageFileError):
            Message.open(path)
