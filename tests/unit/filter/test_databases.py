"""The gdbm functions over tables: spec filter 4.6, pinned cases 155, 161 and 164."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.filter import (
    DecisionHost,
    FilterOutcome,
    LocalHost,
    RecipeRuntimeError,
    compile_recipe,
)
from couriermail.table import Table, WritableTable, build_table

MESSAGE = b"Subject: x\n\nbody\n"


def run(home: Path, recipe: str, *, embedded: bool = False) -> FilterOutcome:
    compiled = compile_recipe(f"{recipe}\nexit\n", name="r", embedded=embedded)
    return compiled.run(MESSAGE, host=LocalHost(home))


def values(outcome: FilterOutcome, names: str) -> list[str]:
    return [outcome.variable(name) for name in names]


def test_161_what_is_stored_is_fetched_and_is_there_for_readers_after_closing(
    tmp_path: Path,
) -> None:
    outcome = run(
        tmp_path,
        'A=gdbmopen("db","C")\nB=gdbmstore("k","v")\nC=gdbmfetch("k")\ngdbmclose\n'
        'D=gdbmopen("db","R")\nE=gdbmstore("k","w")\nF=gdbmfetch("k")\nG=gdbmopen("none")\n'
        'H=gdbmfetch("k","","closed")\nI=gdbmstore("k","v")',
    )
    assert values(outcome, "ABCDEFGHI") == ["0", "0", "v", "0", "-1", "v", "-1", "closed", "-1"]


@pytest.mark.parametrize(
    ("mode", "opened", "kept"),
    [
        ("", "0", "-1 old"),
        ("R", "0", "-1 old"),
        ("x", "0", "-1 old"),
        ("W", "0", "0 new"),
        ("rw", "0", "0 new"),
        ("C", "0", "0 new"),
        ("N", "0", "0 new"),
    ],
)
def test_the_last_mode_letter_counts(mode: str, opened: str, kept: str, tmp_path: Path) -> None:
    build_table(tmp_path / "db", [(b"k", b"old"), (b"other", b"1")])
    outcome = run(
        tmp_path,
        f'A=gdbmopen("db","{mode}")\nB=gdbmstore("k","new")\nC=gdbmfetch("k")\n'
        'D=gdbmfetch("other","","gone")',
    )
    assert outcome.variable("A") == opened
    assert f"{outcome.variable('B')} {outcome.variable('C')}" == kept
    assert outcome.variable("D") == ("gone" if mode == "N" else "1")


@pytest.mark.parametrize(("mode", "opened"), [("R", "-1"), ("W", "-1"), ("C", "0"), ("N", "0")])
def test_only_creating_modes_make_a_database(mode: str, opened: str, tmp_path: Path) -> None:
    assert run(tmp_path, f'A=gdbmopen("db","{mode}")').variable("A") == opened
    assert (tmp_path / "db").exists() is (opened == "0")


def test_164_a_second_writer_is_refused_and_a_reader_sees_what_was_there(tmp_path: Path) -> None:
    build_table(tmp_path / "db", [(b"k", b"old")])
    with WritableTable.open(tmp_path / "db") as other:
        other.store(b"k", b"new")
        outcome = run(
            tmp_path,
            'A=gdbmopen("db","W")\nB=gdbmopen("db","C")\nC=gdbmopen("db")\nD=gdbmfetch("k")',
        )
    assert values(outcome, "ABCD") == ["-1", "-1", "0", "old"]


def test_each_recipe_file_has_its_own_database(tmp_path: Path) -> None:
    build_table(tmp_path / "db", [(b"k", b"outer")])
    build_table(tmp_path / "db2", [(b"k", b"inner")])
    (tmp_path / "inc").write_text(
        'A=gdbmfetch("k","","none")\nB=gdbmopen("db2")\nB=gdbmfetch("k")\n'
    )
    outcome = run(tmp_path, 'X=gdbmopen("db")\ninclude "inc"\nC=gdbmfetch("k")')
    assert values(outcome, "ABC") == ["none", "inner", "outer"]


def test_a_key_that_no_table_can_hold_is_refused_and_not_found(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        f'A=gdbmopen("db","C")\nK="{"k" * 600}"\nB=gdbmstore($K,"v")\nC=gdbmfetch($K,"","no")\n'
        'D=gdbmstore("","v")',
    )
    assert values(outcome, "ABCD") == ["0", "-1", "no", "-1"]


def test_what_was_stored_is_kept_when_the_recipe_fails_later(tmp_path: Path) -> None:
    with pytest.raises(RecipeRuntimeError, match="Unable to open include file"):
        run(tmp_path, 'A=gdbmopen("db","C")\nB=gdbmstore("k","v")\ninclude "none"')
    assert Table.open(tmp_path / "db").get(b"k") == b"v"


def test_a_default_is_evaluated_only_when_it_is_needed(tmp_path: Path) -> None:
    build_table(tmp_path / "db", [(b"k", b"v")])
    outcome = run(
        tmp_path,
        'A=gdbmopen("db")\nB=gdbmfetch("k","",(X="no"))\nC=gdbmfetch("z","",(Y="yes"))',
    )
    assert values(outcome, "BXCY") == ["v", "", "yes", "yes"]


def test_fallback_keys_are_bounded(tmp_path: Path) -> None:
    build_table(tmp_path / "db", [(b"a", b"short")])
    deep = "a" + ".x" * 200
    outcome = run(tmp_path, f'A=gdbmopen("db")\nB=gdbmfetch("{deep}","I","none")')
    assert outcome.variable("B") == "none"


@pytest.mark.parametrize("mode", ["W", "C", "n", "RW"])
def test_155_an_embedded_recipe_may_not_write(mode: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeRuntimeError, match="for write in embedded mode not allowed"):
        run(tmp_path, f'X=gdbmopen("x","{mode}")', embedded=True)
    assert [*tmp_path.iterdir()] == []


def test_155_an_embedded_recipe_may_include_import_echo_and_look_up() -> None:
    host = DecisionHost(files={b"inc": b"echo in\n", b"list": b"abc\n"})
    recipe = 'include "inc"\nimport "FOO"\nif (lookup("abc","list"))\necho "hit $FOO"\n'
    compiled = compile_recipe(recipe, name="r", embedded=True)
    compiled.run(MESSAGE, host=host, imports={"FOO": "bar"})
    assert host.echoed == b"in\nhit bar\n"
