"""Alias sources, nesting and the files built from them (spec mta 5.1, 5.2, 19.2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, StorageError, clear_faults, install_faults
from couriermail.mta.aliasbuild import (
    AliasDatabase,
    AliasesBusyError,
    build_aliases,
    compile_aliases,
    install_aliases,
)
from couriermail.mta.aliases import Aliases
from couriermail.mta.config import Config, load_config
from couriermail.mta.errors import AliasErrors

Compile = Callable[[str], AliasDatabase]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "me").write_text("mx.example.com\n")
    (tmp_path / "defaultdomain").write_text("example.com\n")
    (tmp_path / "locals").write_text("localhost\nexample.com\nmx.example.com\n")
    return load_config(tmp_path)


@pytest.fixture
def compiled(config: Config, tmp_path: Path) -> Compile:
    def write_and_compile(text: str) -> AliasDatabase:
        (tmp_path / "aliases").write_text(text)
        return compile_aliases(config)

    return write_and_compile


@pytest.mark.parametrize(
    ("text", "members"),
    [
        pytest.param(
            "root: postmaster\npostmaster: alice\n",
            {
                "root@example.com": ("alice@example.com",),
                "postmaster@example.com": ("alice@example.com",),
            },
            id="nesting",
        ),
        pytest.param(
            "multi: alice, bob, carol@remote.test\nroot: alice\n"
            "nested: multi, root, dave@remote.test\n",
            {
                "multi@example.com": (
                    "alice@example.com",
                    "bob@example.com",
                    "carol@remote.test",
                ),
                "root@example.com": ("alice@example.com",),
                "nested@example.com": (
                    "alice@example.com",
                    "bob@example.com",
                    "carol@remote.test",
                    "dave@remote.test",
                ),
            },
            id="duplicates keep their first place",
        ),
        pytest.param("loop1: loop2\nloop2: loop1\n", {}, id="a cycle vanishes"),
        pytest.param(
            "self: self\n", {"self@example.com": ("self@example.com",)}, id="listing oneself"
        ),
        pytest.param(
            "a: larry\nlarry: larry, moe\n",
            {
                "a@example.com": ("larry@example.com", "moe@example.com"),
                "larry@example.com": ("larry@example.com", "moe@example.com"),
            },
            id="one who lists himself, nested",
        ),
        pytest.param(
            "dup: alice\ndup: bob\n",
            {"dup@example.com": ("alice@example.com", "bob@example.com")},
            id="repeated names add up",
        ),
        pytest.param(
            "Mixed.Case@EXAMPLE.COM: bob\n",
            {"Mixed.Case@example.com": ("bob@example.com",)},
            id="case of the local part stays",
        ),
        pytest.param(
            "PostMaster@localhost: bob\n",
            {"postmaster@example.com": ("bob@example.com",)},
            id="postmaster is folded, locals are one",
        ),
        pytest.param(
            "idn@xn--80akhbyknj4f: bob\n", {"idn@испытание": ("bob@example.com",)}, id="UTF-8 key"
        ),
        pytest.param("bang: x!y!z\n", {"bang@example.com": ("x!y!z",)}, id="bang path"),
        pytest.param(
            "pct: a%b@example.com\n", {"pct@example.com": ("a%b@example.com",)}, id="percent"
        ),
        pytest.param(
            'names: "A, B" <a@x.test>, group: b@x.test, c; (comment)\n',
            {"names@example.com": ("a@x.test", "b@x.test", "c@example.com")},
            id="an RFC 5322 list",
        ),
        pytest.param(
            "long: alice, # first\n\tbob,\n  carol\n# a comment ends it\n",
            {"long@example.com": ("alice@example.com", "bob@example.com", "carol@example.com")},
            id="continuation lines",
        ),
        pytest.param(
            "@Virt.TEST: bob\n@uu.test: h1!h2!\n@two.test: a, b\n",
            {"@virt.test": ("bob",), "@uu.test": ("h1!h2!",), "@two.test": ("a", "b")},
            id="virtual domains stay as they are",
        ),
        pytest.param(
            "user@remote.test: alice\n",
            {"user@remote.test": ("alice@example.com",)},
            id="a stranger's address",
        ),
        pytest.param(
            "gone:\nstays: bob\n", {"stays@example.com": ("bob@example.com",)}, id="empty"
        ),
    ],
)
def test_sources_compile_to_members(
    compiled: Compile, text: str, members: dict[str, tuple[str, ...]]
) -> None:
    assert dict(compiled(text).members) == members


def test_programs_become_files_behind_an_internal_address(compiled: Compile) -> None:
    database = compiled("prog: |/bin/cat >/tmp/x; exit 0\ntwo: |/a/b, c\ntwo: /var/mbox\n")
    assert database.members["prog@example.com"] == ('".xalias/prog@example+2ecom"@example.com',)
    assert dict(database.programs) == {
        "prog@example+2ecom": ("|/bin/cat >/tmp/x; exit 0",),
        "two@example+2ecom": ("|/a/b, c", "/var/mbox"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ok: a\nno colon here\n", "syntax error, line 2"),
        (" : a\n", "syntax error, line 1"),
        ("\n continued\n", "syntax error, line 2"),
        ('"q l": bob\n', '"q l": 553 Syntax error: "q l"@example.com'),
        ("a: b@@c\n", "553 Syntax error"),
        ("a: :include:x\n", "Absolute pathname is required: x"),
        ("a: :include:/nonexistent/x\n", "cannot read /nonexistent/x"),
        ("@v.test: a@b\n", "'a@b' is no target of a virtual domain"),
        ("@v.test: a,\n", "'' is no target of a virtual domain"),
        (f"{'x' * 600}: a\n", "longer than 511 octets"),
        (f"{'x' * 250}: |p\n", "too long a name for a program"),
    ],
)
def test_what_cannot_be_used_is_an_error_with_its_line(
    compiled: Compile, text: str, message: str
) -> None:
    with pytest.raises(AliasErrors) as caught:
        compiled(text)
    assert message in str(caught.value)
    assert caught.value.exit_code == 1


def test_all_errors_of_a_directory_are_reported_together(config: Config, tmp_path: Path) -> None:
    (tmp_path / "aliases").mkdir()
    (tmp_path / "aliases/one").write_text("x\n\ny\n")
    (tmp_path / "aliases/two").write_text("z\n")
    with pytest.raises(AliasErrors) as caught:
        compile_aliases(config)
    assert [(os.path.basename(error.path or ""), error.line) for error in caught.value.errors] == [
        ("one", 1), ("one", 3), ("two", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("a: b\nb: a\n", ["leads back", "no members", "no members"]),
        ("a:\n", ["a has an empty target"]),
        ('a: "|/bin/true"\n', ["take its quotes off"]),
        ("a: b, c\nb: a, d\n", ["a@example.com leads back"]),
    ],
)
def test_odd_entries_are_warned_about(compiled: Compile, text: str, messages: list[str]) -> None:
    warnings = [str(warning) for warning in compiled(text).warnings]
    assert len(warnings) == len(messages)
    for warning, message in zip(warnings, messages, strict=True):
        assert message in warning
        assert "aliases:" in warning


def test_included_files_hold_one_list_per_line(compiled: Compile, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("alice, bob # both\n# nobody\ncarol@x.test\n")
    assert compiled(f"all: :include:{tmp_path}/list\n").members["all@example.com"] == (
        "alice@example.com", "bob@example.com", "carol@x.test",
    )  # fmt: skip


def test_a_cycle_does_not_swallow_other_members(compiled: Compile) -> None:
    database = compiled("x: a\na: b, c\nb: a, d\ny: b\n")
    for name in ("x", "a", "b", "y"):
        members = database.members[f"{name}@example.com"]
        assert sorted(members) == ["c@example.com", "d@example.com"]


def test_a_chain_of_many_aliases_needs_no_stack(compiled: Compile) -> None:
    chain = "".join(f"a{number}: a{number + 1}\n" for number in range(3000))
    database = compiled(chain + "a3000: end@x.test\n")
    assert database.members["a0@example.com"] == ("end@x.test",)


def test_names_and_members_are_folded_where_locallowercase_is_set(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("example.com\n")
    (tmp_path / "locallowercase").touch()
    (tmp_path / "aliases").write_text("Team: Bob\nProg@Remote.test: |x\n")
    database = compile_aliases(load_config(tmp_path))
    assert database.members["team@example.com"] == ("bob@example.com",)
    (member,) = database.members["Prog@remote.test"]
    (file,) = database.programs
    assert member == f'".xalias/{file}"@example.com'
    assert file == file.lower()


def test_building_puts_table_and_programs_in_place_and_removes_old_programs(
    config: Config, tmp_path: Path
) -> None:
    source = tmp_path / "aliases"
    source.write_text("one: |first\nkeep: |kept\n")
    build_aliases(config)
    programs = tmp_path / "aliasdir/.courier-:xalias"
    assert sorted(os.listdir(programs)) == ["keep@example+2ecom", "one@example+2ecom"]
    assert (programs / "one@example+2ecom").read_text() == "|first\n"
    source.write_text("keep: |kept\nroot: alice\n")
    build_aliases(config)
    assert os.listdir(programs) == ["keep@example+2ecom"]
    assert Aliases(config).members("root@example.com", "esmtp") == ("alice@example.com",)


def test_a_failed_build_keeps_the_old_table(config: Config, tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("root: alice\n")
    build_aliases(config)
    (tmp_path / "aliases").write_text("root bob\n")
    with pytest.raises(AliasErrors):
        build_aliases(config)
    assert Aliases(config).members("root@example.com", "esmtp") == ("alice@example.com",)


def test_a_full_disk_keeps_the_old_table(config: Config, tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("root: alice\n")
    build_aliases(config)
    (tmp_path / "aliases").write_text("root: bob\np: |x\n")
    install_faults([FaultPlan("durable.before-rename", error=28)])
    try:
        with pytest.raises(StorageError):
            build_aliases(config)
    finally:
        clear_faults()
    assert Aliases(config).members("root@example.com", "esmtp") == ("alice@example.com",)


def test_two_builds_at_a_time_are_refused(config: Config, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "aliases.dat.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AliasesBusyError) as caught:
            install_aliases(config, AliasDatabase(members={}))
    assert caught.value.exit_code == 1


def test_no_sources_make_an_empty_table(config: Config) -> None:
    assert build_aliases(config).members == {}
    assert Aliases(config).members("root@example.com", "esmtp") is None
