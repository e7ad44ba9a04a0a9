"""Editing and compiling a userdb (spec auth 2.5, 2.6, 3.2, 6)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from couriermail.auth import UserdbDirectory
from couriermail.auth.errors import (
    DuplicateNameError,
    UserdbError,
    UserdbInputError,
    UserdbLinkError,
)
from couriermail.auth.userdb_compile import change_fields, compile_userdb
from couriermail.auth.userdb_edit import UserdbDocument, edit_userdb, read_userdb_document
from couriermail.auth.userdb_tables import RUN_KEY, UserdbTables
from couriermail.core import FaultPlan, clear_faults, install_faults
from couriermail.table import Table, build_table

TEXT = b"""# people
john\thome=/home/john|uid=1001|gid=1001

#jane\tuid=1
malformed
1001=\tjohn
"""


def write(path: Path, text: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(text)
    path.chmod(0o600)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_pinned_a_new_record_a_new_field_and_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "userdb"
    with edit_userdb(path) as document:
        document.set(b"john", {b"home": b"/home/john", b"uid": b"1001", b"gid": b"1001"})
    assert path.read_bytes() == b"john\thome=/home/john|uid=1001|gid=1001\n"
    assert mode_of(path) == 0o600
    assert mode_of(tmp_path / ".lock.userdb") == 0o600
    with edit_userdb(path) as document:
        document.set(b"john", {b"systempw": b"sekrit"})
    assert path.read_bytes() == b"john\thome=/home/john|uid=1001|gid=1001|systempw=sekrit\n"
    before = path.stat().st_ino
    with edit_userdb(path) as document:
        document.delete(b"nosuch")
        document.unset(b"nosuch", [b"mail"])
        document.unset(b"john", [])
        document.unset(b"john", [b"mail"])
    assert path.stat().st_ino == before
    assert sorted(os.listdir(tmp_path)) == [".lock.userdb", "userdb"]


def test_what_is_not_changed_stays_byte_for_byte() -> None:
    document = UserdbDocument.parse(TEXT)
    document.set(b"john", {b"uid": b"7", b"mail": b"./Mail", b"flag": None})
    document.set(b"new", {b"uid": b"8"})
    changed = TEXT.replace(b"uid=1001|gid=1001", b"uid=7|gid=1001|mail=./Mail|flag")
    assert document.to_bytes() == changed + b"new\tuid=8\n"
    document.delete(b"new")
    document.unset(b"john", [b"flag", b"mail"])
    document.set(b"john", {b"uid": b"1001"})
    assert document.to_bytes() == TEXT
    assert document.names() == [b"john", b"1001="]
    assert document.fields(b"john") == [b"home=/home/john", b"uid=1001", b"gid=1001"]
    assert document.fields(b"#jane") is None


def test_a_text_without_its_last_newline_gets_one() -> None:
    document = UserdbDocument.parse(b"a\tuid=1")
    document.set(b"b", {b"uid": b"2"})
    assert document.to_bytes() == b"a\tuid=1\nb\tuid=2\n"


@pytest.mark.parametrize("name", [b"", b"a\tb", b"a\nb", b"a|b", b"a\0b", b"#a", b"\x7f"])
def test_names_that_no_record_can_have(name: bytes) -> None:
    document = UserdbDocument.parse(TEXT)
    with pytest.raises(UserdbInputError):
        document.set(name, {b"uid": b"1"})
    assert document.to_bytes() == TEXT


@pytest.mark.parametrize(
    "values",
    [
        {},
        {b"a": b"b|c"},
        {b"a": b"b\nc"},
        {b"a|b": b"c"},
        {b"": b"c"},
        {b"a=b": b"c"},
        {b"a": b"\0"},
    ],
)
def test_fields_that_no_record_can_hold(values: dict[bytes, bytes]) -> None:
    with pytest.raises(UserdbInputError):
        UserdbDocument.parse(TEXT).set(b"john", {**values})


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "real/users", b"a\tuid=1\n")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("real/users")
    with edit_userdb(tmp_path / "link") as document:
        document.delete(b"a")
    assert (tmp_path / "link").is_symlink()
    assert path.read_bytes() == b""
    assert mode_of(path) == 0o640
    assert (tmp_path / "real/.lock.users").exists()


@pytest.mark.root
def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "users", b"a\tuid=1\n")
    os.chown(path, 1234, 1235)
    with edit_userdb(path) as document:
        document.delete(b"a")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)
    assert mode_of(path) == 0o600


def edit(path: Path) -> None:
    with edit_userdb(path) as document:
        document.set(b"a", {b"uid": b"1"})


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserdbError, match="not a file"):
        edit(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserdbError, match="not a file"):
        edit(tmp_path / "fifo")
    with pytest.raises(UserdbError, match="No such file or directory"):
        edit(tmp_path / "nodir/users")
    with pytest.raises(UserdbError, match="No such file or directory"):
        read_userdb_document(tmp_path / "users")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".lock.users").symlink_to("elsewhere")
    with pytest.raises(UserdbError):
        edit(tmp_path / "users")
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_the_place_of_the_temporary_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / ".tmp.users").symlink_to("elsewhere")
    edit(tmp_path / "users")
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert not (tmp_path / "users").is_symlink()


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "users", TEXT)
    install_faults([FaultPlan("userdb.before-rename", error=28)])
    try:
        with pytest.raises(UserdbError, match="No space left"):
            edit(path)
    finally:
        clear_faults()
    assert path.read_bytes() == TEXT
    assert sorted(os.listdir(tmp_path)) == [".lock.users", "users"]


COMPILATION = b"""john\tuid=1001|gid=1001|home=/home/john|systempw=abc|imappw=zz|shell=/bin/sh|hmac-md5pw=00
1001=\tjohn
pwonly\tsystempw=x
empty\t
eq\tpw=1|a=b=c|xpw|=pw|ypw=
word line without tab
# comment\tx
"""


def tables(path: Path) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    main = dict(Table.open(f"{path}.dat").items())
    shadow = dict(Table.open(f"{path}shadow.dat").items())
    assert main.pop(RUN_KEY) == shadow.pop(RUN_KEY)
    return main, shadow


def test_pinned_compilation_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", COMPILATION)
    assert compile_userdb(f"{path}/") == 6
    assert tables(path) == (
        {
            b"john": b"uid=1001|gid=1001|home=/home/john|shell=/bin/sh|_=",
            b"1001=": b"john|_=",
            b"pwonly": b"_=",
            b"empty": b"_=",
            b"eq": b"a=b=c|xpw|=pw|_=",
            b"word line without tab": b"1",
        },
        {
            b"john": b"systempw=abc|imappw=zz|hmac-md5pw=00",
            b"pwonly": b"systempw=x",
            b"eq": b"pw=1|ypw=",
            b"word line without tab": b"1",
        },
    )
    assert mode_of(tmp_path / "userdb.dat") == 0o644
    assert mode_of(tmp_path / "userdbshadow.dat") == 0o600
    assert sorted(os.listdir(tmp_path)) == [
        "userdb",
        "userdb.dat",
        "userdb.lock",
        "userdbshadow.dat",
    ]


def test_pinned_compilation_of_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "userdb"
    write(path / "default", b"a\tuid=1")
    write(path / "dom/d1", b"b@d\tuid=2\n")
    write(path / ".hidden", b"c\tuid=3\n")
    write(path / "old~", b"d\tuid=4\n")
    for directory in (path, path / "dom"):
        directory.chmod(0o700)
    compile_userdb(path)
    assert tables(path)[0] == {b"a": b"uid=1|_=default/", b"b@d": b"uid=2|_=dom/d1/"}


def test_a_line_of_one_dot_ends_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", b"a\tuid=1\n.\nb\tuid=2\n")
    compile_userdb(path)
    assert set(tables(path)[0]) == {b"a", b"b"}


def test_pinned_refusals_change_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", b"a\tuid=1\n")
    compile_userdb(path)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    path.chmod(0o644)
    with pytest.raises(UserdbError, match=r"userdb: MAY NOT HAVE GROUP OR WORLD PERMISSIONS!!$"):
        compile_userdb(path)
    path.chmod(0o600)
    path.write_bytes(b"a\tuid=1\nb\tuid=2\na\tuid=3\n")
    with pytest.raises(DuplicateNameError) as caught:
        compile_userdb(path)
    assert caught.value.line == 3
    assert caught.value.reason == "Cannot store record for a - duplicate or out of disk space."
    path.write_bytes(b"a" * 512 + b"\tuid=1\n")
    with pytest.raises(UserdbError, match="userdb:1"):
        compile_userdb(path)
    path.write_bytes(b"=\tuid=1\n")
    with pytest.raises(UserdbError, match="userdb:1"):
        compile_userdb(path)
    path.write_bytes(before["userdb"])
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_a_missing_userdb_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(UserdbError, match=r"userdb: not found\.$"):
        compile_userdb(tmp_path / "userdb")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("link", ["userdb", "userdb.dat", "userdbshadow.dat"])
def test_pinned_links_are_refused(tmp_path: Path, link: str) -> None:
    write(tmp_path / "userdb", b"a\tuid=1\n").rename(tmp_path / "real")
    (tmp_path / link).symlink_to("real")
    if link != "userdb":
        write(tmp_path / "userdb", b"a\tuid=1\n")
    with pytest.raises(UserdbLinkError) as caught:
        compile_userdb(tmp_path / "userdb")
    assert caught.value.path == str(tmp_path / link)
    assert (tmp_path / "real").read_bytes() == b"a\tuid=1\n"


def test_tables_of_two_runs_are_not_read_together(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", b"a\tuid=1|gid=1|home=/a|systempw=x\n")
    compile_userdb(path)
    source = UserdbTables(str(path))
    assert source.refresh()
    build_table(f"{path}shadow.dat", [(RUN_KEY, b"another"), (b"a", b"systempw=y")])
    with pytest.raises(UserdbError, match="run makeuserdb again"):
        source.refresh()
    record = source.find(b"a")
    assert record is not None
    assert record.password("imap") == "x"
    with pytest.raises(UserdbError):
        UserdbDirectory.open(path).lookup("a", "imap")
    compile_userdb(path)
    assert UserdbDirectory.open(path).lookup("a", "imap") is not None


def test_a_change_of_fields_reaches_text_and_tables(tmp_path: Path) -> None:
    path = tmp_path / "userdb"
    users = write(path / "d/users", b"# c\na\tuid=1|systempw=x\n")
    for directory in (path, path / "d"):
        directory.chmod(0o700)
    compile_userdb(path)
    change_fields(str(path), b"a", {b"systempw": b"y"})
    assert users.read_bytes() == b"# c\na\tuid=1|systempw=y\n"
    assert tables(path)[1] == {b"a": b"systempw=y"}
    with pytest.raises(UserdbError, match="no record"):
        change_fields(str(path), b"nobody", {b"systempw": b"y"})


@pytest.mark.parametrize(
    "point", ["userdb.before-sync", "table.before-sync", "table.before-rename"]
)
def test_a_change_that_fails_changes_neither(tmp_path: Path, point: str) -> None:
    path = write(tmp_path / "userdb", b"a\tuid=1|systempw=x\n")
    compile_userdb(path)
    before = tables(path)
    install_faults([FaultPlan(point, error=28)])
    try:
        with pytest.raises(UserdbError):
            change_fields(str(path), b"a", {b"systempw": b"y"})
    finally:
        clear_faults()
    assert path.read_bytes() == b"a\tuid=1|systempw=x\n"
    assert tables(path) == before


def test_a_change_is_not_begun_when_the_rest_cannot_be_compiled(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", b"a\tuid=1|systempw=x\n")
    compile_userdb(path)
    text = b"a\tuid=1|systempw=x\nb\tx\nb\tx\n"
    path.write_bytes(text)
    with pytest.raises(UserdbError):
        change_fields(str(path), b"a", {b"systempw": b"y"})
    assert path.read_bytes() == text
