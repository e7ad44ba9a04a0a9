"""Group commit with a store that commits when the test says so (spec mta 8.4 D5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from couriermail.queue.committer import Committer, Work
from couriermail.queue.errors import QueueError, QueueStorageError
from couriermail.queue.settings import QueueSettings
from couriermail.queue.store import Store


class FakeStore:
    """Counts batches; the first waits until the test opens the gate."""

    path = "fake"

    def __init__(self) -> None:
        self.is_started = threading.Event()
        self.gate = threading.Event()
        self.sizes: list[int] = []
        self.error: Exception | None = None

    def share_used_in(self, transaction: object) -> float:
        return 0.0

    def write(self, apply: Callable[[object], None]) -> None:
        transaction = SimpleNamespace(applied=0)
        apply(transaction)
        self.is_started.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.sizes.append(transaction.applied)


class Note(Work):
    """A work that counts itself."""

    def __init__(self, *, is_urgent: bool = True, is_bad: bool = False) -> None:
        super().__init__()
        self.is_urgent = is_urgent
        self._is_bad = is_bad
        self.is_news = is_urgent

    def apply(self, transaction: object) -> None:
        if self._is_bad:
            raise ValueError("bad")
        cast("SimpleNamespace", transaction).applied += 1


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def news() -> list[int]:
    return []


@pytest.fixture
def committer(store: FakeStore, news: list[int]) -> Iterator[Committer]:
    settings = QueueSettings(outcome_delay=5.0, commit_delay=5.0, commit_batch=4, commit_max=8)
    made = Committer(cast("Store", store), settings, lambda: news.append(len(store.sizes)))
    yield made
    store.gate.set()
    made.close()


def put(committer: Committer, count: int, *, is_urgent: bool = True) -> list[Note]:
    works = [Note(is_urgent=is_urgent) for _ in range(count)]
    for work in works:
        committer.put(work)
    return works


def settle(works: list[Note]) -> None:
    for work in works:
        work.ticket.result(timeout=4)  # less than the delays: nothing may wait for them


def test_a_lone_message_does_not_wait(committer: Committer, store: FakeStore) -> None:
    store.gate.set()

    settle(put(committer, 1))

    assert store.sizes == [1]


def test_what_comes_during_a_commit_shares_the_next(committer: Committer, store: FakeStore) -> None:
    first = put(committer, 1)
    assert store.is_started.wait(5)
    rest = put(committer, 7)
    assert not any(work.ticket.done() for work in [*first, *rest])  # only after the commit

    store.gate.set()
    settle([*first, *rest])

    assert store.sizes == [1, 7]


def test_a_transaction_takes_commit_max_at_most(committer: Committer, store: FakeStore) -> None:
    first = put(committer, 1)
    assert store.is_started.wait(5)
    rest = put(committer, 20)
    store.gate.set()

    settle([*first, *rest])

    assert store.sizes == [1, 8, 8, 4]


def test_outcomes_ride_along_with_a_message(committer: Committer, store: FakeStore) -> None:
    store.gate.set()
    outcomes = put(committer, 2, is_urgent=False)

    settle([*put(committer, 1), *outcomes])

    assert store.sizes == [3]


def test_a_full_batch_of_outcomes_does_not_wait(committer: Committer, store: FakeStore) -> None:
    store.gate.set()

    settle(put(committer, 4, is_urgent=False))

    assert store.sizes == [4]


def test_a_commit_waits_for_what_is_being_staged(committer: Committer, store: FakeStore) -> None:
    store.gate.set()
    committer.stage()
    first = put(committer, 1)
    second = Note()
    committer.put(second, was_staged=True)

    settle([*first, second])

    assert store.sizes == [2]


def test_a_staged_submission_that_fails_lets_the_others_go(
    committer: Committer, store: FakeStore
) -> None:
    store.gate.set()
    committer.stage()
    works = put(committer, 1)
    committer.unstage()

    settle(works)

    assert store.sizes == [1]


def test_bad_work_is_thrown_out_of_its_batch(committer: Committer, store: FakeStore) -> None:
    committer.stage()
    good, bad, also_good = Note(), Note(is_bad=True), Note()
    for work in (good, bad):
        committer.put(work)
    committer.put(also_good, was_staged=True)
    store.gate.set()

    settle([good, also_good])

    assert isinstance(bad.ticket.exception(timeout=4), QueueError)
    assert store.sizes == [2]


def test_closing_commits_what_waits_and_then_refuses(
    committer: Committer, store: FakeStore
) -> None:
    store.gate.set()
    outcomes = put(committer, 2, is_urgent=False)

    committer.close()

    settle(outcomes)
    with pytest.raises(QueueStorageError):
        committer.put(Note())


def test_the_scheduler_is_told_after_the_commit_and_only_of_news(
    committer: Committer, store: FakeStore, news: list[int]
) -> None:
    store.gate.set()
    settle(put(committer, 4, is_urgent=False))
    assert news == []

    settle(put(committer, 1))
    committer.close()

    assert news == [2]


def test_an_unexpected_error_reaches_the_waiters_as_ours(
    committer: Committer, store: FakeStore
) -> None:
    store.error = ZeroDivisionError()
    store.gate.set()
    (work,) = put(committer, 1)

    assert isinstance(work.ticket.exception(timeout=4), QueueError)
    store.error = None
    settle(put(committer, 1))  # the thread lives on
