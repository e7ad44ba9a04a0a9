"""Tables that are changed key by key (spec maildir 4.16.6, spec filter 4.6)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, clear_faults, install_faults
from couriermail.table import (
    DuplicateKeyError,
    NewTable,
    Table,
    TableBusyError,
    TableError,
    TableMissingError,
    TableSourceError,
    WritableTable,
    build_table,
    build_tables,
    open_table,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "t.dat"
    build_table(path, [(b"a", b"1"), (b"c", b"3")])
    return path


def pairs(path: Path) -> list[tuple[bytes, bytes]]:
    return list(Table.open(path).items())


def writable(path: Path, mode: str) -> WritableTable:
    table = open_table(path, mode)
    assert isinstance(table, WritableTable)
    return table


def test_changes_are_seen_at_once_inside_and_after_closing_outside(path: Path) -> None:
    reader = Table.open(path, revalidate=0)
    with writable(path, "W") as table:
        table.store(b"b", b"2")
        table.store(b"c", b"33")
        assert table.delete(b"a")
        assert (table.get(b"a"), table.get(b"b"), table.get(b"c")) == (None, b"2", b"33")
        assert b"a" not in table
        assert list(table) == [b"b", b"c"]
        assert list(table.items()) == [(b"b", b"2"), (b"c", b"33")]
        assert reader.get(b"a") == b"1"
        assert reader.get(b"b") is None
    assert reader.get(b"a") is None
    assert pairs(path) == [(b"b", b"2"), (b"c", b"33")]
    assert os.listdir(path.parent) == ["t.dat"]


def test_pinned_case_161_store_close_read(tmp_path: Path) -> None:
    name = tmp_path / "new.dat"
    with writable(name, "C") as table:
        table.store(b"k", b"v")
    reader = open_table(name, "R")
    assert reader.get(b"k") == b"v"
    assert not isinstance(reader, WritableTable)
    with pytest.raises(TableMissingError):
        open_table(tmp_path / "missing.dat", "R")


def test_create_keeps_and_new_forgets(path: Path) -> None:
    with writable(path, "C") as table:
        table.store(b"b", b"2")
    assert pairs(path) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]
    with writable(path, "N") as table:
        assert table.get(b"a") is None
    assert pairs(path) == []


def test_write_wants_a_table_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(TableMissingError):
        open_table(tmp_path / "t.dat", "W")
    with pytest.raises(TableMissingError):
        open_table(tmp_path / "nodir/t.dat", "C")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["W", "C"])
def test_a_file_that_is_no_table_is_refused_and_kept(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "t.dat"
    file.write_bytes(b"\xce\x9aW\x13" + bytes(5000))  # as gdbm files begin
    with pytest.raises(TableError):
        open_table(file, mode)
    assert file.stat().st_size == 5004
    assert os.listdir(tmp_path) == ["t.dat"]


@pytest.mark.parametrize("mode", ["", "X", "RW", "r"])
def test_other_modes_are_a_callers_error(path: Path, mode: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        open_table(path, mode)


def test_a_second_writer_is_refused_at_once_and_readers_are_not(path: Path) -> None:
    with writable(path, "W"):
        for mode in "WCN":
            with pytest.raises(TableBusyError):
                open_table(path, mode)
        assert Table.open(path).get(b"a") == b"1"
    writable(path, "W").close()


def test_without_changes_nothing_is_written(path: Path) -> None:
    before = path.stat()
    writable(path, "W").close()
    table = writable(path, "W")
    assert not table.delete(b"nothere")
    table.close()
    assert path.stat().st_ino == before.st_ino
    assert os.listdir(path.parent) == ["t.dat"]


def test_an_exception_drops_the_changes(path: Path) -> None:
    def fail() -> None:
        with writable(path, "W") as table:
            table.store(b"a", b"other")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert pairs(path) == [(b"a", b"1"), (b"c", b"3")]
    assert os.listdir(path.parent) == ["t.dat"]


def test_insert_refuses_what_is_there(path: Path) -> None:
    with writable(path, "W") as table:
        with pytest.raises(DuplicateKeyError):
            table.store(b"a", b"2", replace=False)
        table.delete(b"a")
        table.store(b"a", b"2", replace=False)
    assert pairs(path) == [(b"a", b"2"), (b"c", b"3")]


@pytest.mark.parametrize("key", [b"", b"k" * 512])
def test_keys_that_no_table_holds(path: Path, key: bytes) -> None:
    with writable(path, "W") as table:
        with pytest.raises(TableSourceError):
            table.store(key, b"v")
        assert table.get(key) is None
        table.store(b"k" * 511, b"v")


def test_a_closed_table_answers_nothing(path: Path) -> None:
    table = writable(path, "W")
    table.store(b"x", b"y")
    table.close()
    table.close()
    table.discard()
    for action in (lambda: table.get(b"a"), lambda: table.store(b"a", b"b"), lambda: list(table)):
        with pytest.raises(TableError, match="closed"):
            action()


def test_modes_and_links_are_kept(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    (tmp_path / "link.dat").symlink_to("t.dat")
    with writable(tmp_path / "link.dat", "W") as table:
        table.store(b"b", b"2")
    assert (tmp_path / "link.dat").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert Table.open(path).get(b"b") == b"2"


def test_a_new_file_may_be_written_by_the_group(tmp_path: Path) -> None:
    mask = os.umask(0o002)
    try:
        writable(tmp_path / "n.dat", "N").close()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "n.dat").stat().st_mode) == 0o664


def test_many_and_large_values_fit(path: Path) -> None:
    with writable(path, "W") as table:
        for number in range(3000):
            table.store(b"key%d" % number, bytes(300))
        table.store(b"large", bytes(1_000_000))
    assert len(Table.open(path)) == 3003
    with writable(path, "W") as table:
        for number in range(3000):
            table.delete(b"key%d" % number)
    assert len(Table.open(path)) == 3


@pytest.mark.parametrize("point", ["table.before-sync", "table.before-rename"])
def test_a_full_disk_leaves_the_old_table(path: Path, point: str) -> None:
    table = writable(path, "W")
    table.store(b"a", b"other")
    install_faults([FaultPlan(point, error=28)])
    try:
        with pytest.raises(TableError) as caught:
            table.close()
    finally:
        clear_faults()
    assert caught.value.is_full
    assert pairs(path) == [(b"a", b"1"), (b"c", b"3")]
    assert os.listdir(path.parent) == ["t.dat"]
    writable(path, "W").close()


def test_several_tables_are_made_together_or_not_at_all(tmp_path: Path) -> None:
    good = NewTable(path=str(tmp_path / "a.dat"), pairs=[(b"k", b"v")], mode=0o600)
    bad = NewTable(path=str(tmp_path / "b.dat"), pairs=[(b"k", b"v"), (b"k", b"w")])
    with pytest.raises(DuplicateKeyError):
        build_tables([good, bad])
    missing = NewTable(path=str(tmp_path / "no/c.dat"), pairs=[])
    with pytest.raises(TableError):
        build_tables([good, missing])
    assert os.listdir(tmp_path) == []
    assert build_tables([good, NewTable(path=str(tmp_path / "b.dat"), pairs=[])]) == 1
    assert sorted(os.listdir(tmp_path)) == ["a.dat", "b.dat"]
    assert stat.S_IMODE((tmp_path / "a.dat").stat().st_mode) == 0o600
