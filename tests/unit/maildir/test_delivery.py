"""Delivery: what becomes visible, what fails alone, what is left behind (spec maildir 4.1)."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, StorageError, clear_faults, install_faults
from couriermail.maildir import (
    InvalidNameError,
    Maildir,
    MaildirError,
    MaildirMissingError,
    MaildirStorageError,
    commit_all,
    deliver_all,
)
from couriermail.maildir.writing import Chunks

POINTS = (
    "maildir.tmp-written",
    "maildir.before-rename",
    "maildir.after-rename",
    "maildir.after-directory-sync",
)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Maildir]:
    yield Maildir.create(tmp_path / "md")
    clear_faults()


def files(box: Maildir) -> dict[str, list[str]]:
    return {name: sorted(os.listdir(f"{box.path}/{name}")) for name in ("tmp", "new", "cur")}


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"ab\ncd\n", id="bytes"),
        pytest.param(memoryview(b"ab\ncd\n"), id="memoryview"),
        pytest.param([b"ab\n", memoryview(b"cd\n")], id="list"),
        pytest.param((b"", b"ab\ncd", b"\n"), id="tuple"),
        pytest.param(io.BytesIO(b"ab\ncd\n"), id="file"),
    ],
)
def test_a_message_is_stored_whole_in_whatever_form_it_comes(box: Maildir, chunks: Chunks) -> None:
    key = box.deliver(chunks)
    entry = box.entry(key)
    assert (entry.is_new, entry.size, entry.flags) == (True, 6, "")
    with box.open_message(key) as file:
        assert file.read() == b"ab\ncd\n"
    assert files(box)["tmp"] == []


def test_more_parts_than_one_system_call_takes_are_stored(box: Maildir) -> None:
    key = box.deliver([b"x\n"] * 3000)
    assert os.stat(box.entry(key).path).st_size == box.entry(key).size == 6000


def test_flags_lead_to_cur_and_keywords_are_stored(box: Maildir) -> None:
    key = box.deliver(b"x\n", flags="SF", keywords=["Work", "work", "Über"], when=1700000000.0)
    entry = box.entry(key)
    assert (entry.is_new, entry.flags) == (False, "FS")
    assert (Path(box.path) / "courierimapkeywords" / key).read_text() == "Work\nÜber\n"
    assert os.stat(entry.path).st_mtime == 1700000000.0
    assert key.startswith("1700000000.M0P")


@pytest.mark.parametrize("keyword", ["", "a\nb", "a\0b"])
def test_a_keyword_that_cannot_be_stored_keeps_the_message_out(box: Maildir, keyword: str) -> None:
    with pytest.raises(InvalidNameError):
        box.deliver(b"x\n", keywords=[keyword])
    assert files(box) == {"tmp": [], "new": [], "cur": []}


def test_files_get_the_mode_asked_for(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md")
    box = Maildir(tmp_path / "md", file_mode=0o640)
    mode = os.stat(box.entry(box.deliver(b"x")).path).st_mode & 0o777
    assert mode & ~0o640 == 0
    assert mode & 0o600 == 0o600


def test_a_prepared_message_is_invisible_until_its_commit(box: Maildir) -> None:
    prepared = box.prepare(b"x\n")
    assert list(box) == []
    key = prepared.commit()
    prepared.abort()
    assert [entry.key for entry in box] == [key]


def test_an_abandoned_message_is_removed(box: Maildir) -> None:
    with pytest.raises(RuntimeError), box.prepare(b"x\n", keywords=["k"]):
        raise RuntimeError
    assert files(box) == {"tmp": [], "new": [], "cur": []}
    assert os.listdir(f"{box.path}/courierimapkeywords") == []


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failing_disk_leaves_nothing(box: Maildir, point: str, number: int) -> None:
    install_faults([FaultPlan(point, error=number)])
    with pytest.raises(MaildirStorageError) as caught:
        box.deliver(b"x\n", keywords=["k"])
    assert isinstance(caught.value, StorageError)
    assert caught.value.is_temporary
    assert caught.value.is_full is (number != errno.EIO)
    assert caught.value.errno == number
    assert files(box) == {"tmp": [], "new": [], "cur": []}


@pytest.mark.parametrize("point", POINTS[:2])
def test_one_failure_in_a_batch_does_not_concern_the_others(box: Maildir, point: str) -> None:
    install_faults([FaultPlan(point, after=2, error=errno.ENOSPC)])
    results = box.deliver_batch([b"1\n", b"2\n", b"3\n"])
    assert [result.error is None for result in results] == [True, False, True]
    assert len(files(box)["new"]) == 2
    assert files(box)["tmp"] == []


def test_several_maildirs_share_a_commit_and_a_missing_one_fails_alone(tmp_path: Path) -> None:
    boxes = [Maildir.create(tmp_path / str(number)) for number in range(3)]
    missing = Maildir(tmp_path / "none")
    results = deliver_all([(boxes[0], b"a"), (missing, b"b"), (boxes[1], b"c"), (boxes[2], b"d")])
    assert isinstance(results[1].error, MaildirMissingError)
    assert [len(list(box)) for box in boxes] == [1, 1, 1]
    with pytest.raises(MaildirMissingError):
        results[1].unwrap()


def test_a_batch_larger_than_the_open_file_bound_is_split(box: Maildir) -> None:
    results = box.deliver_batch(b"%d\n" % number for number in range(450))
    assert len({result.unwrap() for result in results}) == 450


def test_a_broken_source_aborts_the_batch_and_leaves_nothing(box: Maildir) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError("source")

    with pytest.raises(RuntimeError):
        box.deliver_batch([b"fine", broken()])
    assert files(box) == {"tmp": [], "new": [], "cur": []}


def test_a_message_deleted_from_tmp_by_others_fails_alone(box: Maildir) -> None:
    first, second = box.prepare(b"1"), box.prepare(b"2")
    for name in os.listdir(f"{box.path}/tmp")[:1]:
        os.unlink(f"{box.path}/tmp/{name}")
    results = commit_all([first, second])
    assert sorted(result.error is None for result in results) == [False, True]


@pytest.mark.parametrize("key", ["", "nope", "../new/x", ".hidden", "a/b"])
def test_an_unknown_key_is_not_found(box: Maildir, key: str) -> None:
    with pytest.raises(MaildirMissingError):
        box.entry(key)


def test_a_link_is_not_opened_as_a_message(box: Maildir, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (Path(box.path) / "new" / "1.link").symlink_to(tmp_path / "secret")
    with pytest.raises(MaildirError):
        box.open_message("1.link")


@pytest.mark.parametrize("answers", [True, False], ids=["syncfs", "no syncfs"])
@pytest.mark.parametrize("count", [1, 8, 20])
def test_a_batch_is_stored_with_and_without_a_shared_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, answers: bool
) -> None:
    asked: list[int] = []

    def shared(descriptor: int) -> bool:
        asked.append(descriptor)
        return answers

    monkeypatch.setattr("couriermail.maildir.syncing._syncfs", shared)
    boxes = [Maildir.create(tmp_path / str(number)) for number in range(count)]
    results = deliver_all((box, b"x\n") for box in boxes)
    assert all(result.error is None for result in results)
    assert all(len(list(box)) == 1 for box in boxes)
    assert len(asked) == (0 if count == 1 else 2)


def test_where_the_shared_sync_fails_the_broken_file_is_found(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("couriermail.maildir.syncing._syncfs", lambda _: False)
    real, calls = os.fdatasync, iter(range(100))

    def broken(descriptor: int) -> None:
        if next(calls) == 3:
            raise OSError(errno.EIO, "I/O error")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", broken)
    results = box.deliver_batch([b"x\n"] * 10)
    assert [number for number, result in enumerate(results) if result.error] == [3]
    assert len(files(box)["new"]) == 9
    assert files(box)["tmp"] == []
