"""Reading tables: lookups, new versions, damage, threads and forks."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.table import Table, TableError, TableMissingError, build_table


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    path = tmp_path / "x.dat"
    build_table(path, [(b"key", b"first")])
    return path


@pytest.mark.parametrize("key", [b"", b"k" * 512, b"Key", b"ke", b"key\0"], ids=repr)
def test_a_key_that_is_not_there_is_none(table_path: Path, key: bytes) -> None:
    table = Table.open(table_path)
    assert table.get(key) is None
    assert key not in table


def test_a_new_version_is_seen_after_the_interval(table_path: Path) -> None:
    clock = ManualClock()
    table = Table.open(table_path, revalidate=5.0, clock=clock)
    build_table(table_path, [(b"key", b"second")])
    clock.advance(4.9)
    assert table.get(b"key") == b"first"
    clock.advance(0.2)
    assert table.get(b"key") == b"second"


def test_refresh_sees_a_new_version_at_once(table_path: Path) -> None:
    table = Table.open(table_path)
    assert not table.refresh()
    build_table(table_path, [(b"key", b"second")])
    assert table.refresh()
    assert table.get(b"key") == b"second"


def test_an_iteration_finishes_on_its_own_version(table_path: Path) -> None:
    build_table(table_path, [(b"a", b"1"), (b"b", b"1")])
    table = Table.open(table_path)
    pairs = table.items()
    assert next(pairs) == (b"a", b"1")
    build_table(table_path, [(b"c", b"2")])
    table.refresh()
    table.close()
    assert list(pairs) == [(b"b", b"1")]


def test_the_same_file_can_be_opened_twice(table_path: Path) -> None:
    first, second = Table.open(table_path), Table.open(table_path)
    first.close()
    assert second.get(b"key") == b"first"


def test_a_closed_table_says_so(table_path: Path) -> None:
    with Table.open(table_path) as table:
        pass
    with pytest.raises(TableError, match="closed"):
        table.get(b"key")


def test_a_missing_table_has_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(TableMissingError) as caught:
        Table.open(tmp_path / "none.dat")
    assert caught.value.is_temporary


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\0" * 20_000, b"\xce\x9aW\x13" + b"x" * 9000],
    ids=["empty", "text", "zeros", "another database's magic"],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.dat"
    path.write_bytes(content)
    with pytest.raises(TableError, match="not a usable table"):
        Table.open(path)


def test_a_truncated_table_is_refused_instead_of_killing_us(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    build_table(path, [(b"%05d" % number, b"v" * 50) for number in range(2000)])
    os.truncate(path, path.stat().st_size - 4096)
    with pytest.raises(TableError, match="truncated"):
        Table.open(path)


@pytest.mark.parametrize("trouble", ["removed", "no table"])
def test_trouble_with_the_next_version_keeps_this_one(
    table_path: Path, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    table = Table.open(table_path, revalidate=0)
    table_path.unlink()
    if trouble == "no table":
        table_path.write_bytes(b"hello")
    assert table.get(b"key") == b"first"
    assert "keeping the version" in caplog.text
    with pytest.raises(TableError):
        table.refresh()


def test_readers_never_see_half_a_table(table_path: Path) -> None:
    versions = 60
    table = Table.open(table_path, revalidate=0)
    seen: list[set[bytes]] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                seen.append({value for _, value in table.items()})
                table.get(b"000")
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for version in range(versions):
            build_table(table_path, [(b"%03d" % key, b"%d" % version) for key in range(200)])
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert seen
    assert all(len(values) == 1 for values in seen)


def test_a_forked_child_reads_on(table_path: Path) -> None:
    table = Table.open(table_path)
    table.get(b"key")
    child = os.fork()
    if child == 0:
        os._exit(0 if table.get(b"key") == b"first" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
