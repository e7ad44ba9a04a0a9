"""Our tables beside Debian's makedat, read by Debian's maildrop (spec maildir 4.16)."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from couriermail.table import (
    Table,
    TableSourceError,
    address_keys,
    compile_table,
    domain_keys,
    find_first,
)

pytestmark = [pytest.mark.peer("makedat"), pytest.mark.peer("maildrop")]

ABSENT = "(none)"


def makedat(source: Path, target: Path) -> bool:
    """Compile with the peer; True when it succeeds."""
    command = ["makedat", f"-src={source}", f"-file={target}", f"-tmp={target}.tmp"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def fetch(target: Path, lookups: list[tuple[str, str]]) -> list[str]:
    """Look up (key, option) pairs with maildrop's gdbmfetch."""
    script = target.with_suffix(".filter")
    lines = [f'gdbmopen("{target}")']
    lines += [f'echo gdbmfetch("{key}", "{option}", "{ABSENT}")' for key, option in lookups]
    script.write_text("\n".join([*lines, "EXITCODE=0", "exit", ""]))
    script.chmod(0o600)
    done = subprocess.run(
        ["maildrop", str(script)],
        input="Subject: x\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def keys_of(key: bytes, option: str) -> Iterable[bytes]:
    """The keys of a lookup with maildrop's option."""
    if option == "D":
        return domain_keys(key)
    return address_keys(key) if option == "I" else (key,)


def ours(table: Table, lookups: list[tuple[str, str]]) -> list[str]:
    """The same lookups with our library."""
    found = [find_first(table, keys_of(key.encode(), option)) for key, option in lookups]
    return [match.value.decode() if match else ABSENT for match in found]


@pytest.mark.parametrize(
    "text",
    [
        "example.com\ndomain.com\tok\nfoo.domain.com\tbad\tx\nlast.com\t\n",
        "# comment\n\na\t1\n#b\t2\nb\t3\n",
        "\tvalue\na\tx y  z\n",
        "a b\tc\n A\tupper\n",
        "a\t1\n.\nb\t2\n",
        "a\t1\nA\t2\n",
    ],
    ids=["values", "comments", "empty key", "blanks", "a dot ends it", "case"],
)
def test_the_same_text_gives_the_same_table(tmp_path: Path, text: str) -> None:
    source = tmp_path / "source"
    source.write_text(text)
    assert makedat(source, tmp_path / "theirs.dat")
    compile_table(source, tmp_path / "ours.dat")
    keys = ["example.com", "domain.com", "foo.domain.com", "last.com", "a", "b", "A", "a b", " A"]
    lookups = [(key, "") for key in keys]
    table = Table.open(tmp_path / "ours.dat")
    assert ours(table, lookups) == fetch(tmp_path / "theirs.dat", lookups)


def test_both_refuse_a_duplicate_and_leave_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("k\t1\nk\t2\n")
    assert not makedat(source, tmp_path / "theirs.dat")
    with pytest.raises(TableSourceError):
        compile_table(source, tmp_path / "ours.dat")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("name", "theirs"), [("a.rpmsave", "1"), ("a.rpmnew", "1"), ("a.dpkg-old", ABSENT)]
)
def test_only_ours_stops_at_what_a_package_manager_left(
    tmp_path: Path, name: str, theirs: str
) -> None:
    """Courier: Debian's makedat compiles such files in, or skips them; newer ones refuse them."""
    source = tmp_path / "source"
    source.mkdir()
    (source / name).write_text("k\t1\n")
    assert makedat(source, tmp_path / "theirs.dat")
    assert fetch(tmp_path / "theirs.dat", [("k", "")]) == [theirs]
    with pytest.raises(TableSourceError, match=name):
        compile_table(source, tmp_path / "ours.dat")


@pytest.mark.parametrize(
    ("key", "option", "candidates"),
    [
        ("u@a.b.c", "D", ("u@a.b.c", "u@", "a.b.c", "b.c", "c", "@a.b.c", ".b.c")),
        ("a.b.c", "D", ("a.b.c", "b.c", "c", "a", "a.b", ".c")),
        ("1.2.3.4", "I", ("1.2.3.4", "1.2.3", "1.2", "1", "2.3.4")),
    ],
    ids=["address", "domain", "IP address"],
)
def test_fallbacks_ask_in_the_same_order(
    tmp_path: Path, key: str, option: str, candidates: tuple[str, ...]
) -> None:
    for number, pair in enumerate(itertools.combinations(candidates, 2)):
        source = tmp_path / "source"
        source.write_text("".join(f"{name}\t<{name}>\n" for name in pair))
        theirs, own = tmp_path / f"theirs{number}.dat", tmp_path / f"ours{number}.dat"
        assert makedat(source, theirs)
        compile_table(source, own)
        assert ours(Table.open(own), [(key, option)]) == fetch(theirs, [(key, option)]), pair
