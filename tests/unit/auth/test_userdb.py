"""Userdb lookups: grammar, permissions, changes, compiled tables (spec auth 3.1, 3.2, 4.5)."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from couriermail.auth import Account, AccountOptions, UserdbDirectory, UserdbError
from couriermail.core import ManualClock
from couriermail.table import build_table

JOHN = "john\thome=/home/john|uid=1001|gid=1002|mail=./Mail|gecos=John Smith,Room 1|quota=1000S,10C"


@pytest.fixture
def userdb_path(tmp_path: Path) -> Path:
    return write(
        tmp_path / "userdb", f"{JOHN}|systempw=abc|imappw=zz|options=disableimap=1,foo=7\n"
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def lookup(path: Path, name: str, service: str = "courier") -> Account | None:
    return UserdbDirectory.open(path).lookup(name, service)


def test_every_field_arrives(userdb_path: Path) -> None:
    assert lookup(userdb_path, "john") == Account(
        name="john",
        address="john",
        uid=1001,
        gid=1002,
        home="/home/john",
        maildir="./Mail",
        quota="1000S,10C",
        full_name="John Smith,Room 1",
        options=AccountOptions("disableimap=1,foo=7"),
        password="abc",
    )


@pytest.mark.parametrize(("service", "password"), [("imap", "zz"), ("pop3", "abc")])
def test_a_service_password_comes_before_the_general_one(
    userdb_path: Path, service: str, password: str
) -> None:
    account = lookup(userdb_path, "john", service)
    assert account is not None
    assert account.password == password


def test_the_password_is_not_shown(userdb_path: Path) -> None:
    directory = UserdbDirectory.open(userdb_path)
    account = directory.lookup("john", "imap")
    record = directory.source.find(b"john")
    assert "abc" not in f"{account!r}{directory!r}{record!r}"
    assert "zz" not in f"{account!r}{directory!r}{record!r}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("1001=\tjohn\n", "1001=", id="a reverse entry"),
        pytest.param("word line\n", "word line", id="a line without TAB"),
        pytest.param("pwonly\tsystempw=x\n", "pwonly", id="no home, uid, gid"),
        pytest.param("u\thome=/h|gid=1\n", "u", id="no uid"),
        pytest.param("u\thome=/h|uid=|gid=1\n", "u", id="an empty uid is not user 0"),
        pytest.param("u\thome=/h|uid=x|gid=1\n", "u", id="a uid without digits is not user 0"),
        pytest.param("u\thome=/h|uid=4294967295|gid=1\n", "u", id="the uid of nobody at all"),
        pytest.param("u\thome=/h|uid=99999999999999999999|gid=1\n", "u", id="a huge uid"),
        pytest.param("u\tuid=1|gid=1\n", "u", id="no home"),
        pytest.param("#u\thome=/h|uid=1|gid=1\n", "#u", id="a comment"),
        pytest.param("a/b\thome=/h|uid=1|gid=1\n", "a/b", id="a slash in the name"),
        pytest.param("UPPER\thome=/h|uid=1|gid=1\n", "upper", id="another case"),
        pytest.param("\thome=/h|uid=1|gid=1\n", "", id="no name"),
    ],
)
def test_there_is_no_such_account(tmp_path: Path, text: str, name: str) -> None:
    assert lookup(write(tmp_path / "userdb", text), name) is None


@pytest.mark.parametrize(
    "name",
    [
        "john\n",
        "john\0",
        "john\t",
        "john|",
        "john=",
        "/john",
        "../john",
        "john\r",
        "\udc80",
        "j\x7f",
    ],
    ids=ascii,
)
def test_odd_names_reach_no_entry(userdb_path: Path, name: str) -> None:
    assert lookup(userdb_path, name) is None


def test_the_first_of_equal_fields_counts_and_numbers_are_leading_digits(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", "u\tuid=12ab|uid=0|gid=7|home=/h|home=/other|mail\n")
    account = lookup(path, "u")
    assert account is not None
    assert (account.uid, account.home, account.maildir) == (12, "/h", "")


def test_names_and_paths_beyond_ascii(tmp_path: Path) -> None:
    path = tmp_path / "userdb"
    path.write_bytes("jürgen@bücher.example\tuid=1|gid=1|home=/home/j".encode() + b"\xff\n")
    path.chmod(0o600)
    account = lookup(path, "jürgen@bücher.example")
    assert account is not None
    assert os.fsencode(account.home) == b"/home/j\xff"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o777])
def test_a_userdb_that_others_may_touch_is_refused(userdb_path: Path, mode: int) -> None:
    userdb_path.chmod(mode)
    with pytest.raises(UserdbError, match="MAY NOT HAVE GROUP OR WORLD PERMISSIONS") as caught:
        lookup(userdb_path, "john")
    assert caught.value.is_temporary
    assert caught.value.reply.code == 454


def test_a_missing_userdb_is_temporary_trouble_not_an_unknown_user(tmp_path: Path) -> None:
    directory = UserdbDirectory.open(tmp_path / "none")
    for _ in range(2):
        with pytest.raises(UserdbError, match="not found"):
            directory.lookup("john", "courier")


def test_a_duplicate_name_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "userdb", "a\tuid=1\n\na\tuid=2\n")
    with pytest.raises(UserdbError, match="Cannot store record for a - duplicate") as caught:
        lookup(path, "a")
    assert caught.value.line == 3


def make_tree(tmp_path: Path) -> Path:
    root = tmp_path / "userdb"
    (root / "dom").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    (root / "dom").chmod(0o700)
    write(root / "default", "a\tuid=1|gid=1|home=/a")
    write(root / "dom" / "d1", "b@d\tuid=2|gid=2|home=/b\n")
    write(root / ".hidden", "c\tuid=3|gid=3|home=/c\n")
    write(root / "default~", "d\tuid=4|gid=4|home=/d\n")
    return root


def test_a_directory_is_read_with_what_lies_below(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    found = [lookup(root, name) is not None for name in ("a", "b@d", "c", "d")]
    assert found == [True, True, False, False]


def test_a_leftover_of_a_package_manager_makes_it_unusable(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    write(root / "default.dpkg-old", "x\tuid=1|gid=1|home=/x\n")
    with pytest.raises(UserdbError, match="dpkg-old"):
        lookup(root, "a")


def test_a_readable_file_below_is_refused(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    (root / "dom" / "d1").chmod(0o644)
    with pytest.raises(UserdbError, match="PERMISSIONS"):
        lookup(root, "a")


def test_a_change_is_seen_after_the_interval(userdb_path: Path) -> None:
    clock = ManualClock()
    directory = UserdbDirectory.open(userdb_path, revalidate=2.0, clock=clock)
    assert directory.lookup("jane", "courier") is None
    replacement = write(userdb_path.with_name("new"), "jane\tuid=5|gid=5|home=/home/jane\n")
    replacement.rename(userdb_path)
    clock.advance(1.9)
    assert directory.lookup("jane", "courier") is None
    assert directory.lookup("john", "courier") is not None
    clock.advance(0.2)
    assert directory.lookup("jane", "courier") is not None
    assert directory.lookup("john", "courier") is None


def test_a_new_file_in_a_directory_is_seen(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    clock = ManualClock()
    directory = UserdbDirectory.open(root, clock=clock)
    assert directory.lookup("n", "courier") is None
    write(root / "dom" / "d2", "n\tuid=2|gid=2|home=/n\n")
    clock.advance(1.0)
    assert directory.lookup("n", "courier") is not None


@pytest.mark.parametrize("trouble", ["removed", "permissions", "duplicate"])
def test_a_slip_while_editing_keeps_the_accounts(
    userdb_path: Path, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    clock = ManualClock()
    directory = UserdbDirectory.open(userdb_path, clock=clock)
    assert directory.lookup("john", "courier") is not None
    if trouble == "removed":
        userdb_path.unlink()
    elif trouble == "permissions":
        userdb_path.chmod(0o644)
        os.utime(userdb_path, (1, 1))
    else:
        userdb_path.write_text("a\tx\na\ty\n")
    clock.advance(1.0)
    assert directory.lookup("john", "courier") is not None
    assert "keeping the userdb" in caplog.text


def compile_by_hand(path: Path, version: bytes) -> None:
    fields = b"uid=1001|gid=1002|home=" + version + b"|_="
    build_table(f"{path}.dat", [(b"john", fields), (b"1001=", b"john|_="), (b"pwonly", b"_=")])
    build_table(f"{path}shadow.dat", [(b"john", b"systempw=abc|imappw=zz")], mode=0o600)


def test_compiled_tables_come_before_the_text(userdb_path: Path) -> None:
    compile_by_hand(userdb_path, b"/compiled")
    account = lookup(userdb_path, "john", "imap")
    assert account is not None
    assert (account.home, account.password) == ("/compiled", "zz")
    assert lookup(userdb_path, "1001=") is None
    assert lookup(userdb_path, "pwonly") is None


def test_new_compiled_tables_are_seen_after_the_interval(userdb_path: Path) -> None:
    clock = ManualClock()
    compile_by_hand(userdb_path, b"/first")
    directory = UserdbDirectory.open(userdb_path, clock=clock)
    homes = []
    for version in (b"/first", b"/second"):
        compile_by_hand(userdb_path, version)
        clock.advance(1.0)
        account = directory.lookup("john", "courier")
        homes.append(account.home if account else None)
    assert homes == ["/first", "/second"]


def test_without_the_shadow_table_accounts_have_no_password(userdb_path: Path) -> None:
    compile_by_hand(userdb_path, b"/h")
    Path(f"{userdb_path}shadow.dat").unlink()
    account = lookup(userdb_path, "john")
    assert account is not None
    assert account.password is None


def test_logs_hold_no_password(userdb_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    write(userdb_path, "john\tuid=1|systempw=topsecret\njohn\tuid=1|systempw=topsecret\n")
    with pytest.raises(UserdbError) as caught:
        lookup(userdb_path, "john")
    write(userdb_path, "john\tuid=1|systempw=topsecret\n")
    lookup(userdb_path, "john")
    assert "topsecret" not in f"{caught.value}{caplog.text}"


def test_a_cached_lookup_takes_microseconds_and_no_system_call(userdb_path: Path) -> None:
    directory = UserdbDirectory.open(userdb_path, revalidate=60.0)
    directory.lookup("john", "courier")
    rounds = 5_000
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(rounds):
            directory.lookup("john", "courier")
        best = min(best, (time.perf_counter() - start) / rounds)
    assert best < 5e-6
