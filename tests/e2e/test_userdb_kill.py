"""makeuserdb, userdb, a password change and a table's writer, killed at every fault point.

What a reader then finds is the old state or the new one, and the next run puts all right.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.auth import UserdbError, UserdbModule, compile_userdb, hash_password
from couriermail.auth.userdb_tables import UserdbTables
from couriermail.table import Table, build_table, open_table

OLD, NEW = hash_password("old", "ssha256"), hash_password("new", "ssha256")
RECORD = "a\tuid=1|gid=1|home=/{home}|systempw={stored}\n"

PROGRAM = """
import sys
from couriermail.core import FaultPlan, install_faults
from couriermail.auth import UserdbModule, compile_userdb, edit_userdb
from couriermail.table import open_table
action, path, point = sys.argv[1:]
install_faults([FaultPlan.from_text(point)])
if action == "makeuserdb":
    compile_userdb(path)
elif action == "userdb":
    with edit_userdb(path) as document:
        document.set(b"b", {b"uid": b"2"})
elif action == "change":
    UserdbModule.open(path).change_password("a", "old", "new", "login")
else:
    with open_table(path + ".dat", "W") as table:
        table.store(b"k", b"new")
"""

SYNC, RENAME, RENAMED = "table.before-sync", "table.before-rename", "table.after-rename"


def killed(action: str, path: Path, point: str) -> None:
    """Run an action in a child that dies at the point."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, action, path, point], check=False)
    assert done.returncode == -signal.SIGKILL


def write(path: Path, home: str, stored: str) -> None:
    path.write_text(RECORD.format(home=home, stored=stored))
    path.chmod(0o600)


def state(path: Path) -> tuple[str, str] | None:
    """Home and password in the tables; None when they do not belong together."""
    tables = UserdbTables(str(path))
    try:
        tables.refresh()
    except UserdbError:
        return None
    record = tables.find(b"a")
    assert record is not None
    return record.field("home") or "", record.password("login") or ""


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (SYNC, ("/old", OLD)),
        (f"{SYNC}:2", ("/old", OLD)),
        (RENAME, ("/old", OLD)),
        (f"{RENAME}:2", None),
        (RENAMED, ("/new", NEW)),
    ],
)
def test_makeuserdb_leaves_a_pair_that_belongs_together_or_says_so(
    tmp_path: Path, point: str, expected: tuple[str, str] | None
) -> None:
    path = tmp_path / "userdb"
    write(path, "old", OLD)
    compile_userdb(path)
    write(path, "new", NEW)
    killed("makeuserdb", path, point)
    assert state(path) == expected
    compile_userdb(path)
    assert state(path) == ("/new", NEW)
    assert sorted(os.listdir(tmp_path)) == [
        "userdb",
        "userdb.dat",
        "userdb.lock",
        "userdbshadow.dat",
    ]


@pytest.mark.parametrize(
    ("point", "is_new"),
    [("userdb.before-sync", False), ("userdb.before-rename", False), ("userdb.after-rename", True)],
)
def test_userdb_leaves_the_old_text_or_the_new_one(
    tmp_path: Path, point: str, *, is_new: bool
) -> None:
    path = tmp_path / "userdb"
    write(path, "old", OLD)
    old = path.read_bytes()
    killed("userdb", path, point)
    assert path.read_bytes() == (old + b"b\tuid=2\n" if is_new else old)
    subprocess.run([sys.executable, "-c", PROGRAM, "userdb", path, "none"], check=True)
    assert path.read_bytes() == old + b"b\tuid=2\n"
    assert sorted(os.listdir(tmp_path)) == [".lock.userdb", "userdb"]


@pytest.mark.parametrize(
    ("point", "works"),
    [
        ("userdb.before-sync", {"old"}),
        ("userdb.before-rename", {"old"}),
        ("userdb.after-rename", {"old"}),
        (SYNC, {"old"}),
        (RENAME, {"old"}),
        (f"{RENAME}:2", set()),
        (RENAMED, {"new"}),
    ],
)
def test_a_password_change_leaves_one_password(tmp_path: Path, point: str, works: set[str]) -> None:
    path = tmp_path / "userdb"
    write(path, "h", OLD)
    compile_userdb(path)
    killed("change", path, point)
    assert logins(path) == works
    compile_userdb(path)
    text = path.read_text()
    assert logins(path) == ({"old"} if OLD in text else {"new"})


def logins(path: Path) -> set[str]:
    """The passwords that are accepted; none when the tables cannot be used."""
    module = UserdbModule.open(path)
    try:
        return {word for word in ("old", "new") if module.login("a", word, "login") is not None}
    except UserdbError:
        return set()


@pytest.mark.parametrize(("point", "value"), [(SYNC, b"old"), (RENAME, b"old"), (RENAMED, b"new")])
def test_a_writer_of_a_table_leaves_the_old_one_or_the_new_one(
    tmp_path: Path, point: str, value: bytes
) -> None:
    path = tmp_path / "t"
    build_table(f"{path}.dat", [(b"k", b"old")])
    killed("table", path, point)
    assert Table.open(f"{path}.dat").get(b"k") == value
    open_table(f"{path}.dat", "W").close()
    assert os.listdir(tmp_path) == ["t.dat"]
