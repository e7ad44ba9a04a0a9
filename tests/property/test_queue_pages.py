"""A damaged database file is read as far as it makes sense, and nothing else happens."""

from __future__ import annotations

import os
import tempfile
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.queue import Envelope, Queue, Recipient, Submission
from couriermail.queue.pages import PageFile

NAMES = ("meta", "msg", "state", "due", "body", "bodyref", "bad")


@cache
def sound_file() -> bytes:
    envelope = Envelope(sender="a@b", recipients=(Recipient(address="c@d"),))
    with tempfile.TemporaryDirectory() as directory:
        with Queue.open(directory) as queue:
            for size in (10, 3000):
                queue.submit([Submission(i, envelope, b"x" * size) for i in queue.new_ids(40)])
        with open(os.path.join(directory, "data.mdb"), "rb") as stream:
            return stream.read()


def read_all(data: bytes) -> dict[str, list[tuple[bytes, bytes]]] | None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(data)
        stream.flush()
        try:
            pages = PageFile(stream.name)
        except ValueError:
            return None
        try:
            return {name: list(pages.rows(name)) for name in NAMES}
        finally:
            pages.close()


def test_a_sound_file_is_read_whole() -> None:
    rows = read_all(sound_file())

    assert rows is not None
    assert len(rows["msg"]) == len(rows["due"]) == 80
    assert [key for key, _ in rows["msg"]] == sorted(key for key, _ in rows["msg"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(sound_file()) - 1), st.integers(0, 255)), max_size=30),
    st.integers(0, len(sound_file())),
)
def test_damage_never_does_more_than_lose_rows(damage: list[tuple[int, int]], length: int) -> None:
    """Any octets and any length: rows or `ValueError`, in bounded time."""
    data = bytearray(sound_file())
    for position, value in damage:
        data[position] = value
    del data[length:]

    rows = read_all(bytes(data))

    assert rows is None or all(len(found) <= 20_000 for found in rows.values())
