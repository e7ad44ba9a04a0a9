"""The keyword store: its files, loading, updating (spec maildir 3.8, 4.9a, 6)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, ManualClock, clear_faults, install_faults
from couriermail.maildir import (
    InvalidNameError,
    KeywordStore,
    Maildir,
    MaildirError,
    MaildirKey,
    MaildirLockedError,
    MaildirMissingError,
    format_keyword_list,
    parse_keyword_list,
)
from couriermail.maildir.keyword_steps import FileVanished, KeywordLoad
from couriermail.maildir.locks import LockPolicy, folder_lock

NOW = 1_795_334_130.0
PERIOD = int(NOW) // 300


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def box(tmp_path: Path, clock: ManualClock) -> Maildir:
    Maildir.create(tmp_path / "k")
    return Maildir(tmp_path / "k", clock=clock)


def files(box: Maildir) -> dict[str, str]:
    store = Path(box.path, "courierimapkeywords")
    return {path.name: path.read_text() for path in sorted(store.iterdir())}


def write(box: Maildir, contents: dict[str, str], *, age: float = 0.0) -> None:
    store = Path(box.path, "courierimapkeywords")
    store.mkdir(exist_ok=True)
    for name, text in contents.items():
        (store / name).write_text(text)
        os.utime(store / name, (NOW - age, NOW - age))


def test_pinned_1_an_update_is_a_file_of_lines_and_a_load_makes_the_list(box: Maildir) -> None:
    box.keywords.set("msg1", ["Label0", "Label1"])
    assert files(box) == {"msg1": "Label0\nLabel1\n"}
    assert box.keywords.load() == {"msg1": ("Label0", "Label1")}
    assert files(box) == {
        ":list": "Label0\nLabel1\n\nmsg1:0 1\n",
        f".{PERIOD + 1}.msg1": "Label0\nLabel1\n",
    }


def test_pinned_2_adding_and_removing_do_not_mind_case_and_flags(box: Maildir) -> None:
    keywords = box.keywords
    keywords.set("msg1", ["Label0", "Label1"])
    keywords.add("msg1:2,S", ["Label2"])
    assert keywords.get("msg1") == ("Label0", "Label1", "Label2")
    keywords.remove("msg1", ["label0"])
    assert keywords.get("msg1:2,RS") == ("Label1", "Label2")


def test_pinned_3_the_newest_aged_file_counts(box: Maildir) -> None:
    write(box, {".1.002": "epsilon\n", ".2.002": "zeta\n"})
    assert box.keywords.load() == {"002": ("zeta",)}
    assert ".1.002" not in files(box)


def test_pinned_4_what_a_load_reads_removes_and_renames(box: Maildir, clock: ManualClock) -> None:
    clock.time = 6 * 300.0
    aged = [f".{number}.m{message}" for number in (4, 5) for message in (1, 2, 3, 4)]
    write(box, {name: f"in{name}\n" for name in [*aged, "m3", "m4", "m5"]})
    assert box.keywords.load() == {
        "m1": ("in.5.m1",),
        "m2": ("in.5.m2",),
        "m3": ("inm3",),
        "m4": ("inm4",),
        "m5": ("inm5",),
    }
    left = {name: text for name, text in files(box).items() if name != ":list"}
    assert left == {
        ".5.m1": "in.5.m1\n",
        ".5.m2": "in.5.m2\n",
        ".5.m3": "in.5.m3\n",
        ".5.m4": "in.5.m4\n",
        ".7.m3": "inm3\n",
        ".7.m4": "inm4\n",
        ".7.m5": "inm5\n",
    }


def test_a_store_that_was_never_used_is_not_made(box: Maildir) -> None:
    assert box.keywords.load() == {}
    assert sorted(os.listdir(box.path)) == ["cur", "new", "tmp"]


def test_the_directory_has_the_maildirs_mode(box: Maildir) -> None:
    os.chmod(box.path, 0o750)
    box.keywords.set("m", ["k"])
    assert stat.S_IMODE(os.stat(f"{box.path}/courierimapkeywords").st_mode) == 0o750


def test_an_emptied_message_is_seen_empty_and_leaves_the_list(box: Maildir) -> None:
    box.keywords.set("m", ["k"])
    box.keywords.load()
    box.keywords.set("m", [])
    assert box.keywords.load() == {"m": ()}
    assert files(box)[":list"] == ""
    assert box.keywords.get("m") == ()


def test_an_update_that_meets_a_waiting_one_takes_it_in_first(box: Maildir) -> None:
    box.keywords.set("m", ["one"])
    box.keywords.set("m", ["two"])
    assert files(box)["m"] == "two\n"
    assert files(box)[":list"] == "one\n\nm:0\n"
    assert box.keywords.get("m") == ("two",)


def test_messages_that_are_gone_leave_the_list_and_their_files_expire(
    box: Maildir, clock: ManualClock
) -> None:
    for name in ("here", "gone"):
        box.keywords.set(name, ["k"])
    assert box.keywords.load(lambda key: key == "here") == {"here": ("k",)}
    assert files(box)[":list"] == "k\n\nhere:0\n"
    clock.advance(15 * 60 + 1)
    box.keywords.load(lambda key: key == "here")
    assert set(files(box)) == {":list"}


def test_an_aged_file_that_says_more_than_the_list_is_saved_before_it_expires(
    box: Maildir, clock: ManualClock
) -> None:
    write(box, {".5.m": "newer\n", ":list": "older\n\nm:0\n"}, age=3600)
    assert box.keywords.load() == {"m": ("newer",)}
    clock.advance(3600)
    assert box.keywords.load() == {"m": ("newer",)}
    assert files(box) == {":list": "newer\n\nm:0\n"}


@pytest.mark.parametrize(
    ("age", "stays"), [(14 * 60, True), (16 * 60, False)], ids=["14 minutes", "16 minutes"]
)
def test_scratch_files_are_removed_when_they_are_15_minutes_old(
    box: Maildir, age: float, stays: bool
) -> None:
    write(box, {".tmp.17953.M1P2.host": "half", ".odd": "", ".0.m": "", ".x.m": ""}, age=age)
    box.keywords.load()
    assert bool(files(box)) is stays


def test_what_is_no_keyword_file_is_passed_over_and_stays(box: Maildir, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    write(box, {"a:b": "x\n", "a\nb": "x\n"})
    store = Path(box.path, "courierimapkeywords")
    (store / "linked").symlink_to(secret)
    (store / "directory").mkdir()
    before = set(os.listdir(store))
    assert box.keywords.load() == {}
    assert set(os.listdir(store)) == before


def test_keywords_that_are_no_utf8_come_back_unchanged(box: Maildir) -> None:
    store = Path(box.path, "courierimapkeywords")
    box.keywords.set("n", ["Über"])
    (store / "m").write_bytes(b"\xff\n")
    table = box.keywords.load()
    assert os.fsencode(table[MaildirKey("m")][0]) == b"\xff"
    assert (store / ":list").read_bytes() == "Über\n".encode() + b"\xff\n\nm:1\nn:0\n"
    assert box.keywords.load() == table


@pytest.mark.parametrize("key", ["", ".hid", "a/b", "../x", "a\nb", "a\0b", ":2,S"])
def test_a_name_that_is_no_messages_reaches_no_file(box: Maildir, key: str) -> None:
    for change in (box.keywords.set, box.keywords.add, box.keywords.remove):
        with pytest.raises(InvalidNameError):
            change(key, ["k"])
    with pytest.raises(InvalidNameError):
        box.keywords.get(key)
    assert sorted(os.listdir(box.path)) == ["cur", "new", "tmp"]


@pytest.mark.parametrize("keyword", ["", "a\nb", "a\rb", "a\0b", "\ud800"])
def test_a_keyword_that_cannot_be_stored(box: Maildir, keyword: str) -> None:
    for change in (box.keywords.set, box.keywords.add, box.keywords.remove):
        with pytest.raises(InvalidNameError):
            change("m", ["fine", keyword])
    assert box.keywords.load() == {}


def test_a_missing_maildir_is_said(tmp_path: Path) -> None:
    store = KeywordStore(tmp_path / "nomd")
    with pytest.raises(MaildirMissingError):
        store.load()
    with pytest.raises(MaildirMissingError):
        store.set("m", ["k"])


def test_a_maildir_without_tmp_is_said_and_what_waits_goes_on_waiting(box: Maildir) -> None:
    box.keywords.set("m", ["k"])
    os.rmdir(f"{box.path}/tmp")
    with pytest.raises(MaildirMissingError):
        box.keywords.load()
    assert files(box) == {"m": "k\n"}


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_can_be_read(box: Maildir, code: int) -> None:
    box.keywords.set("m", ["k"])
    install_faults([FaultPlan("maildir.replace-before-rename", error=code)])
    try:
        assert box.keywords.load() == {"m": ("k",)}
    finally:
        clear_faults()
    assert files(box) == {"m": "k\n"}
    assert os.listdir(f"{box.path}/tmp") == []


def test_a_full_disk_is_an_error_and_loses_nothing(box: Maildir) -> None:
    box.keywords.set("m", ["old"])
    try:
        for point in ("maildir.replace-before-rename", "maildir.keywords-written"):
            install_faults([FaultPlan(point, error=errno.ENOSPC)])
            with pytest.raises(MaildirError) as caught:
                box.keywords.set("m", ["new"])
            assert caught.value.errno == errno.ENOSPC
            clear_faults()
    finally:
        clear_faults()
    assert box.keywords.get("m") == ("old",)
    assert not [name for name in files(box) if name.startswith(".tmp")]
    assert os.listdir(f"{box.path}/tmp") == []


def test_a_load_starts_again_when_a_file_vanished(box: Maildir) -> None:
    box.keywords.set("m", ["k"])
    slow = KeywordLoad(box.path, NOW, lambda _: True).steps()
    next(slow)
    assert box.keywords.load() == {"m": ("k",)}  # renames the file that `slow` has found
    with pytest.raises(FileVanished):
        list(slow)
    assert box.keywords.load() == {"m": ("k",)}


def test_somebody_who_is_always_faster_ends_in_a_temporary_error(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.keywords.set("m", ["theirs"])
    monkeypatch.setattr(KeywordStore, "load", lambda _: {})  # whatever it took in, more waits
    pauses: list[float] = []
    ours = KeywordStore(box.path, pause=pauses.append)
    with pytest.raises(MaildirLockedError) as caught:
        ours.set("m", ["ours"])
    assert caught.value.is_temporary
    assert len(pauses) == 999
    assert 0 <= min(pauses) < max(pauses) <= 0.01
    assert files(box) == {"m": "theirs\n"}


LISTS = {
    "one": (b"a\n\nm:0\n", {"m": ("a",)}),
    "two": (b"a\nB\n\nm:0 1\nn:1\n", {"m": ("B", "a"), "n": ("B",)}),
    "empty": (b"", {}),
    "no messages": (b"a\n\n", {}),
    "number too large": (b"a\n\nm:0 7\nn:7\n", {"m": ("a",)}),
    "huge number": (b"a\n\nm:" + b"9" * 5000 + b" 0\n", {"m": ("a",)}),
    "no number": (b"a\n\nm:0 x -1 \nn:\nrubbish\n:0\n", {"m": ("a",)}),
    "same keyword twice": (b"a\nA\n\nm:0 1 0\n", {"m": ("a",)}),
    "no last line end": (b"a\n\nm:0", {"m": ("a",)}),
    "spaces in names": (b"x y\n\na b:0\n", {"a b": ("x y",)}),
}


@pytest.mark.parametrize("name", LISTS)
def test_tables_are_read_leniently(name: str) -> None:
    data, expected = LISTS[name]
    assert parse_keyword_list(data) == expected


def test_tables_are_written_with_one_spelling_per_keyword() -> None:
    table = {MaildirKey("b"): ("foo", "z"), MaildirKey("a"): ("Foo",), MaildirKey("c"): ()}
    assert format_keyword_list(table) == b"Foo\nz\n\na:0\nb:0 1\n"
    with pytest.raises(InvalidNameError):
        format_keyword_list({MaildirKey("a:b"): ("k",)})


def test_the_folder_lock_is_couriers_file_and_goes_away(box: Maildir) -> None:
    impatient = LockPolicy(patience=0)
    with folder_lock(box.path) as lock:
        assert Path(lock.path) == Path(box.path, "tmp", "courier.lock").resolve()
        assert Path(lock.path).read_text() == f"{os.getpid()}:{os.uname().nodename}"
        with pytest.raises(MaildirLockedError), folder_lock(box.path, impatient):
            pass
    assert os.listdir(f"{box.path}/tmp") == []
