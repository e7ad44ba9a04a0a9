"""Laws of the keyword store."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from couriermail.core import ManualClock
from couriermail.maildir import KeywordStore, Maildir, MaildirKey
from couriermail.maildir.keyword_list import (
    format_keyword_list,
    format_keywords,
    parse_keyword_list,
    parse_keywords,
)
from couriermail.maildir.keyword_steps import FileVanished, KeywordLoad, KeywordUpdate

KEYS = st.sampled_from([MaildirKey("1.a"), MaildirKey("2.b")])
WORDS = st.text(
    st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=6
)


class Actor:
    """One process: an update or a load whose steps are taken one by one."""

    def __init__(self, box: Maildir, clock: ManualClock, job: tuple[str, ...]) -> None:
        self.key = MaildirKey(job[1]) if len(job) > 1 else None
        self.word = job[2] if len(job) > 1 else ""
        self._box = box
        self._clock = clock
        self._update: KeywordUpdate | None = None
        self._steps = self._begin()
        self.is_done = False
        self.is_stored = False

    def step(self, last: dict[str, str]) -> None:
        """Take one step; note the update in `last` at the moment when it counts."""
        try:
            next(self._steps)
        except StopIteration:
            self.is_done = True
        except FileVanished:
            self._steps = self._begin()
        if self._update is not None and self._update.is_stored and not self.is_stored:
            assert self.key is not None
            self.is_stored = True
            last[self.key] = self.word

    def _begin(self) -> Iterator[None]:
        if self.key is None:
            return KeywordLoad(self._box.path, self._clock.now(), lambda _: True).steps()
        self._update = KeywordUpdate(self._box.path, self.key, f"{self.word}\n".encode())
        return self._update.steps()


JOBS = st.lists(
    st.one_of(
        st.just(("load",)),
        st.tuples(st.just("update"), KEYS, st.sampled_from(["one", "two", "three"])),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(
    jobs=JOBS,
    order=st.lists(st.integers(0, 5), max_size=60),
    seconds=st.lists(st.sampled_from([0.0, 200.0, 301.0]), max_size=2),
)
@example(  # a slow load writes the list last, and the newer file must not expire before it is saved
    jobs=[("update", "1.a", "one"), ("load",), ("update", "1.a", "two"), ("load",)],
    order=[0, 0, 0, 1, 1, 1, 3, 3, 3, 3, 3, 3, 2, 2, 2, 3, 3, 1, 1, 1, 1, 1],
    seconds=[],
)
def test_the_last_writer_wins_whatever_runs_between_its_steps(
    jobs: list[tuple[str, ...]], order: list[int], seconds: list[float]
) -> None:
    """Spec maildir 4.9a: per-message atomicity; an update that was stored is the newest one.

    Updates count in the order in which they were stored, whatever steps of loads and other
    updates come between; hours later still.
    """
    with tempfile.TemporaryDirectory() as scratch:
        clock = ManualClock(time.time())
        box = Maildir.create(f"{scratch}/k")
        last: dict[str, str] = {}
        actors = [Actor(box, clock, job) for job in jobs]
        pauses = iter(seconds)
        for number in [*order, *range(len(actors)), *(list(range(len(actors))) * 40)]:
            actor = actors[number % len(actors)]
            if not actor.is_done:
                actor.step(last)
            if number == 5:
                clock.advance(next(pauses, 0.0))  # less than the 15 minutes a load may take
        assert all(actor.is_done for actor in actors)
        assert os.listdir(f"{box.path}/tmp") == []
        store = KeywordStore(box.path, clock=clock)
        for hours in (0, 1, 1):
            clock.advance(3600.0 * hours)
            assert {key: words for key, (*words,) in store.load().items()} == {
                key: [word] for key, word in last.items()
            }


@given(st.lists(WORDS))
def test_keywords_of_a_message_come_back(words: list[str]) -> None:
    """Reading what was written gives the words, one spelling each (spec maildir 3.8)."""
    data = format_keywords(words)
    read = parse_keywords(data)
    assert format_keywords(read) == data
    assert {word.encode().lower() for word in read} == {word.encode().lower() for word in words}
    assert set(read) <= set(words)


@given(
    st.dictionaries(
        st.text(
            st.characters(exclude_characters="\n\0:/", exclude_categories=["Cs"]), min_size=1
        ).map(MaildirKey),
        st.lists(WORDS, min_size=1, max_size=4).map(tuple),
        max_size=6,
    )
)
def test_a_table_comes_back(table: dict[MaildirKey, tuple[str, ...]]) -> None:
    """Reading a written table gives an equal one; writing that gives the same text."""
    data = format_keyword_list(table)
    read = parse_keyword_list(data)
    assert read.keys() == table.keys()
    assert format_keyword_list(read) == data


@given(st.binary(max_size=200))
def test_no_table_breaks_the_reader(data: bytes) -> None:
    """Untrusted text raises nothing, and what is read can be written."""
    table = parse_keyword_list(data)
    readable = {key: words for key, words in table.items() if not set(key) & set("\0/")}
    assert parse_keyword_list(format_keyword_list(readable)).keys() == readable.keys()
    words = [word for word in parse_keywords(data) if not set(word) & set("\r\0")]
    assert parse_keywords(format_keywords(words)) == tuple(words)
