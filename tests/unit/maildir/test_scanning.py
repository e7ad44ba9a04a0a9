"""Listing while other programs rename (spec maildir 3.2)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from couriermail.maildir import Maildir, MaildirMissingError, scan
from couriermail.maildir.scanning import MAX_PASSES


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def test_a_snapshot_knows_each_message_by_its_key(box: Maildir) -> None:
    new = box.deliver(b"one\n")
    seen = box.deliver(b"two\n", flags="S")
    Path(box.path, "cur", ".hidden").touch()
    snapshot = box.scan()
    assert {key: snapshot[key].flags for key in snapshot} == {new: "", seen: "S"}
    assert (len(snapshot), snapshot[new].is_new, "x" in snapshot) == (2, True, False)
    assert repr(snapshot) == f"Snapshot('{box.path}', 2 messages)"


def test_a_folder_at_rest_is_read_once(box: Maildir, monkeypatch: pytest.MonkeyPatch) -> None:
    box.deliver(b"one\n")
    for sub in ("new", "cur"):
        os.utime(f"{box.path}/{sub}", (1, 1))
    assert passes(box, monkeypatch) == 2  # directories, so one pass


def test_a_folder_that_changed_just_now_is_read_until_two_passes_agree(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.deliver(b"one\n")
    future = time.time() + 1000
    os.utime(f"{box.path}/new", (future, future))
    assert passes(box, monkeypatch) == 4


def passes(box: Maildir, monkeypatch: pytest.MonkeyPatch) -> int:
    listed: list[str] = []
    real = os.listdir

    def counting(path: str) -> list[str]:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", counting)
    assert len(scan(box.path)) == 1
    return len(listed)


def test_a_message_that_one_pass_does_not_show_is_not_lost(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = time.time() + 1000
    os.utime(f"{box.path}/cur", (future, future))
    shown = iter([["a:2,", "b:2,"], ["a:2,S"], ["a:2,S", "b:2,T", "c:2,"]])
    last = [f"{name}:2," for name in "abcd"]

    def listdir(path: str) -> list[str]:
        return next(shown, last) if path.endswith("cur") else []

    monkeypatch.setattr(os, "listdir", listdir)
    assert sorted(scan(box.path)) == ["a", "b", "c", "d"]


def test_a_folder_that_never_rests_gives_what_the_last_two_passes_showed(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = time.time() + 1000
    os.utime(f"{box.path}/cur", (future, future))
    shown = iter(range(MAX_PASSES + 1))
    monkeypatch.setattr(os, "listdir",
        lambda path: [f"m{next(shown)}:2,"] if path.endswith("cur") else [],
    )  # fmt: skip
    assert sorted(scan(box.path)) == ["m6", "m7"]


def test_nothing_is_lost_or_seen_twice_while_another_process_renames(box: Maildir) -> None:
    keys = {f"{number}.M1P1.host" for number in range(400)}
    for key in keys:
        Path(box.path, "cur", f"{key}:2,").touch()
    stop = Path(box.path, "stop")
    child = os.fork()
    if not child:
        _rename_until(box.path, sorted(keys), str(stop))
    try:
        end = time.monotonic() + 1.0
        rounds = 0
        while time.monotonic() < end:
            snapshot = scan(box.path)
            assert set(snapshot) == keys
            box.open_message(min(keys)).close()
            rounds += 1
        assert rounds > 3
    finally:
        stop.touch()
        _, status = os.waitpid(child, 0)
    assert status == 0  # the other process renamed all the time


def _rename_until(path: str, keys: list[str], stop: str) -> None:
    """Moves messages between `new` and `cur` flags, in a child; never returns."""
    end = time.monotonic() + 20
    try:
        while not os.path.exists(stop) and time.monotonic() < end:
            for old, new in (("cur/{}:2,", "cur/{}:2,S"), ("cur/{}:2,S", "cur/{}:2,")):
                for key in keys:
                    os.rename(f"{path}/{old.format(key)}", f"{path}/{new.format(key)}")
        os._exit(0)
    finally:
        os._exit(1)


def test_a_message_with_standard_flags_is_found_without_reading_the_folder(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = ("", "S", "RS", "DF", "DFPRST")
    keys = {box.deliver(b"x\n", flags=flags): flags for flags in letters}
    Path(box.path, "cur", "none-at-all").touch()
    monkeypatch.setattr(os, "listdir", None)
    assert {key: box.entry(key).flags for key in keys} == keys
    assert box.entry("none-at-all").name == "none-at-all"


def test_a_message_with_other_flags_is_found_by_reading_the_folder(box: Maildir) -> None:
    Path(box.path, "cur", "1.M1P1.host:2,FSa").touch()
    assert box.entry("1.M1P1.host").flags == "FSa"


@pytest.mark.parametrize("key", ["", ".", "..", "../cur/x", "a\0b", ".hidden", "x:2,S", "none"])
def test_a_key_reaches_no_other_file(box: Maildir, key: str) -> None:
    Path(box.path, "cur", "x:2,S").touch()
    Path(box.path, "cur", ".hidden:2,S").touch()
    with pytest.raises(MaildirMissingError):
        box.open_message(key)


def test_scanning_no_maildir_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MaildirMissingError):
        scan(tmp_path / "none")
