"""Building tables: what is stored, what is refused, and that replacement is atomic."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, clear_faults, install_faults
from couriermail.table import (
    DuplicateKeyError,
    Table,
    TableError,
    TableSourceError,
    build_table,
    compile_table,
)


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    return tmp_path / "x.dat"


def test_stored_pairs_come_back_sorted(table_path: Path) -> None:
    count = build_table(table_path, [(b"b", b"2"), (b"a", b"1"), (b"c", b"\0\xff")])
    with Table.open(table_path) as table:
        assert count == len(table) == 3
        assert list(table.items()) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"\0\xff")]
        assert list(table) == [b"a", b"b", b"c"]


def test_one_file_is_left_and_no_lock_file(table_path: Path) -> None:
    build_table(table_path, [(b"a", b"1")])
    with Table.open(table_path) as table:
        assert table.get(b"a") == b"1"
        assert os.listdir(table_path.parent) == ["x.dat"]


def test_an_empty_table_can_be_built_and_read(table_path: Path) -> None:
    build_table(table_path, [])
    with Table.open(table_path) as table:
        assert (len(table), list(table), table.get(b"a")) == (0, [], None)


@pytest.mark.parametrize("size", [1, 2000, 2001, 4096, 300_000])
def test_values_of_every_size_fit(table_path: Path, size: int) -> None:
    pairs = [(b"%04d" % number, bytes([number % 251]) * size) for number in range(40)]
    build_table(table_path, pairs)
    with Table.open(table_path) as table:
        assert list(table.items()) == pairs


@pytest.mark.parametrize(
    ("key", "words"),
    [(b"", "key of 0 bytes"), (b"k" * 512, "key of 512 bytes")],
    ids=["empty", "longer than LMDB can hold"],
)
def test_an_impossible_key_is_refused_by_name(table_path: Path, key: bytes, words: str) -> None:
    with pytest.raises(TableSourceError, match=words):
        build_table(table_path, [(key, b"1")])
    assert os.listdir(table_path.parent) == []


def test_the_longest_key_is_stored(table_path: Path) -> None:
    build_table(table_path, [(b"k" * 511, b"1")])
    assert Table.open(table_path).get(b"k" * 511) == b"1"


def test_a_duplicate_leaves_the_old_table(table_path: Path) -> None:
    build_table(table_path, [(b"old", b"1")])
    with pytest.raises(DuplicateKeyError, match="Cannot store record for a - duplicate") as caught:
        build_table(table_path, [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")])
    assert caught.value.key == b"a"
    assert os.listdir(table_path.parent) == ["x.dat"]
    assert list(Table.open(table_path)) == [b"old"]


def test_the_mode_is_exact_whatever_the_umask(table_path: Path) -> None:
    build_table(table_path, [], mode=0o660)
    assert stat.S_IMODE(table_path.stat().st_mode) == 0o660
    build_table(table_path, [], mode=0o600)
    assert stat.S_IMODE(table_path.stat().st_mode) == 0o600


def test_what_a_killed_builder_left_is_reused(table_path: Path) -> None:
    leftover = table_path.with_name("x.dat.tmp")
    leftover.write_bytes(b"half a table" * 5000)
    leftover.chmod(0o644)
    build_table(table_path, [(b"a", b"1")], mode=0o600)
    assert os.listdir(table_path.parent) == ["x.dat"]
    assert stat.S_IMODE(table_path.stat().st_mode) == 0o600
    assert list(Table.open(table_path)) == [b"a"]


def test_the_temporary_file_may_not_be_a_link(table_path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    table_path.with_name("x.dat.tmp").symlink_to(victim)
    with pytest.raises(TableError):
        build_table(table_path, [(b"a", b"1")])
    assert victim.read_text() == "precious"


def test_a_hard_link_under_the_temporary_name_is_only_removed(
    table_path: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    table_path.with_name("x.dat.tmp").hardlink_to(victim)
    build_table(table_path, [(b"a", b"1")])
    assert victim.read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["victim", "x.dat"]


@pytest.mark.root
def test_a_temporary_file_of_somebody_else_does_not_become_the_table(table_path: Path) -> None:
    foreign = table_path.with_name("x.dat.tmp")
    foreign.write_bytes(b"")
    os.chown(foreign, 1, 1)
    build_table(table_path, [(b"a", b"1")])
    assert table_path.stat().st_uid == os.geteuid()


def test_a_missing_directory_is_a_table_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot write"):
        build_table(tmp_path / "nowhere" / "x.dat", [])


@pytest.mark.parametrize("point", ["table.before-sync", "table.before-rename"])
def test_a_full_disk_leaves_the_old_table(table_path: Path, point: str) -> None:
    build_table(table_path, [(b"old", b"1")])
    install_faults([FaultPlan(point, error=28)])
    try:
        with pytest.raises(TableError) as caught:
            build_table(table_path, [(b"new", b"1")])
    finally:
        clear_faults()
    assert caught.value.is_full
    assert caught.value.reply.code == 452
    assert os.listdir(table_path.parent) == ["x.dat"]
    assert list(Table.open(table_path)) == [b"old"]


@pytest.mark.parametrize(
    ("point", "survivor"),
    [
        ("table.before-sync", b"old"),
        ("table.before-rename", b"old"),
        ("table.after-rename", b"new"),
    ],
)
def test_killed_anywhere_a_reader_sees_one_whole_table(
    table_path: Path, point: str, survivor: bytes
) -> None:
    build_table(table_path, [(b"old", b"1")] * 1)
    program = (
        "import sys\n"
        "from couriermail.core import FaultPlan, install_faults\n"
        "from couriermail.table import build_table\n"
        "install_faults([FaultPlan(sys.argv[2])])\n"
        "build_table(sys.argv[1], [(b'new', b'2')])\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(table_path), point], check=False)
    assert child.returncode == -signal.SIGKILL
    assert list(Table.open(table_path)) == [survivor]
    build_table(table_path, [(b"next", b"3")])
    assert os.listdir(table_path.parent) == ["x.dat"]
    assert list(Table.open(table_path)) == [b"next"]


def test_builders_of_one_table_wait_for_each_other(table_path: Path) -> None:
    failures: list[BaseException] = []

    def build(letter: bytes) -> None:
        try:
            for _ in range(10):
                build_table(table_path, [(letter + b"%d" % number, b"1") for number in range(50)])
        except BaseException as error:
            failures.append(error)

    builders = [threading.Thread(target=build, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert failures == []
    assert len({key[:1] for key in Table.open(table_path)}) == 1
    assert len(Table.open(table_path)) == 50


def test_compiling_keeps_the_old_table_when_the_source_is_bad(table_path: Path) -> None:
    source = table_path.with_name("source")
    source.write_text("a\t1\n")
    assert compile_table(source, table_path) == 1
    source.write_text("b\t1\n# c\nB\t2\nb\t3\n")
    with pytest.raises(DuplicateKeyError) as caught:
        compile_table(source, table_path, normalise=bytes.lower)
    assert (caught.value.key, caught.value.path, caught.value.line) == (b"b", str(source), 3)
    assert str(caught.value) == "Cannot store record for b - duplicate or out of disk space."
    assert list(Table.open(table_path)) == [b"a"]


def test_a_key_that_is_too_long_is_reported_with_its_line(table_path: Path) -> None:
    source = table_path.with_name("source")
    source.write_text(f"a\t1\n{'k' * 512}\t1\n")
    with pytest.raises(TableSourceError, match="key of 512 bytes") as caught:
        compile_table(source, table_path)
    assert caught.value.line == 2


def test_keys_can_be_normalised_while_compiling(table_path: Path) -> None:
    source = table_path.with_name("source")
    source.write_text("Example.COM\tValue\n")
    compile_table(source, table_path, normalise=bytes.lower)
    assert list(Table.open(table_path).items()) == [(b"example.com", b"Value")]
