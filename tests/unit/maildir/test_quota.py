"""The quota engine: spec maildir 3.6, 4.6 and the pinned cases of section 6."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.maildir import Maildir, Quota, QuotaExceeded, QuotaTextError, Usage, deliver_all
from couriermail.maildir.maildirsize import QuotaAccount, measure, parse_size_file
from couriermail.maildir.quota import parse_quota

MESSAGE = b"Subject: x\n\nabcde\n"  # 18 octets, as in the pinned cases
NOW = 1_795_334_130.0


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def write_size_file(box: Maildir, text: str, age_minutes: float = 0) -> Path:
    path = Path(box.path) / "maildirsize"
    path.write_text(text)
    os.utime(path, (NOW - age_minutes * 60,) * 2)
    return path


def lines_of(box: Maildir) -> list[str]:
    text = (Path(box.path) / "maildirsize").read_text()
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("text", "canonical", "refused"),
    [
        ("1000000S,10C", "1000000S,10C", []),
        ("5C,30000000S", "30000000S,5C", []),
        ("3C", "3C", []),
        ("NOQUOTA", "0", []),
        ("100X", "0", ["100X"]),
        ("7S 9S", "9S", []),
        ("12", "0", ["12"]),
        ("9" * 5000 + "S", f"{2**63 - 1}S", []),
    ],
)
def test_quota_texts_are_read(text: str, canonical: str, refused: list[str]) -> None:
    seen: list[str] = []
    assert str(parse_quota(text, seen.append)) == canonical
    assert seen == refused


@pytest.mark.parametrize("text", ["", "0", "100X", "NOQUOTA", "10S,5X", "0S"])
def test_a_quota_to_install_must_name_a_limit(text: str, tmp_path: Path) -> None:
    with pytest.raises(QuotaTextError):
        Maildir.create(tmp_path / "md", quota=text)
    assert not (tmp_path / "md").exists()


@pytest.mark.parametrize(
    ("quota", "usage", "percent"),
    [
        (Quota(100, 0), Usage(50, 9), 50),
        (Quota(100, 10), Usage(10, 9), 90),
        (Quota(100, 0), Usage(101, 1), 100),
        (Quota(), Usage(5, 5), 0),
        (Quota(20_000_001, 0), Usage(10_000_001, 1), 49),
    ],
)
def test_the_percentage_is_the_larger_share(quota: Quota, usage: Usage, percent: int) -> None:
    assert quota.percent(usage) == percent


def test_the_quota_file_has_the_pinned_form(box: Maildir) -> None:
    box.set_quota("1000000S,10C")
    assert (Path(box.path) / "maildirsize").read_text() == (
        "1000000S,10C\n" + "0".rjust(12) + " " + "0".rjust(12) + "\n"
    )


def test_pinned_three_messages_fit_and_the_fourth_is_refused(box: Maildir) -> None:
    box.set_quota("3C")
    for _ in range(3):
        box.deliver(MESSAGE)
    assert lines_of(box) == ["3C", "0 0", "18 1", "18 1", "18 1"]
    with pytest.raises(QuotaExceeded) as caught:
        box.deliver(MESSAGE)
    assert (caught.value.is_temporary, caught.value.enhanced_code) == (True, "4.2.2")
    assert lines_of(box) == ["3C", "54 3"]
    assert os.listdir(f"{box.path}/tmp") == []


def test_a_message_of_unknown_size_is_refused_after_writing(box: Maildir) -> None:
    box.set_quota("10S")
    with pytest.raises(QuotaExceeded):
        box.deliver(iter([MESSAGE]))
    assert os.listdir(f"{box.path}/tmp") == os.listdir(f"{box.path}/new") == []


@pytest.mark.parametrize(
    ("totals", "age", "accepted"),
    [
        pytest.param("5000 9\n", 0, False, id="pinned-fresh"),
        pytest.param("5000 9\n", 14, False, id="pinned-14-minutes"),
        pytest.param("5000 9\n", 16, True, id="pinned-16-minutes"),
        pytest.param("4000 8\n1000 1\n", 0, True, id="pinned-two-lines"),
    ],
)
def test_old_or_composite_totals_are_counted_again_before_refusing(
    box: Maildir, totals: str, age: float, accepted: bool
) -> None:
    box.deliver(MESSAGE)
    path = write_size_file(box, f"100S\n{totals}", age)
    before = path.read_text()
    box = Maildir(box.path, clock=ManualClock(NOW))
    if accepted:
        box.deliver(MESSAGE)
        assert lines_of(box) == ["100S", "18 1", "18 1"]
    else:
        with pytest.raises(QuotaExceeded):
            box.deliver(MESSAGE)
        assert path.read_text() == before


def test_pinned_a_negative_sum_is_counted_again(box: Maildir) -> None:
    write_size_file(box, "100S\n10 1\n-50 -3\n")
    box.deliver(MESSAGE)
    assert lines_of(box) == ["100S", "0 0", "18 1"]


def test_pinned_junk_lines_add_nothing() -> None:
    data = b"100S\n12   abc\njunk\n\n-5 -1 trailing\n10 2\n"
    file = parse_size_file(data)
    assert (file.usage, file.lines, file.is_stale) == (Usage(5, 1), 5, False)


@pytest.mark.parametrize(("size", "rewritten"), [(5103, False), (5120, True), (5207, True)])
def test_pinned_a_long_file_is_rewritten(box: Maildir, size: int, rewritten: bool) -> None:
    head = "1000000S\n"
    path = write_size_file(box, head + "0 0\n".rjust(size - len(head), " "))
    box.deliver(MESSAGE)
    assert (path.stat().st_size == size + 26) is not rewritten


@pytest.mark.parametrize(
    ("name", "size", "messages"),
    [
        ("1,S=100:2,S", 100, 1),
        ("1:2,S,S=100", 18, 1),
        ("1,S=abc", 0, 1),
        ("1,S=50,S=70", 70, 1),
        ("1:2,ST", 0, 0),
        ("1:2,SaT", 18, 1),
        ("1:1,T", 18, 1),
        (".hidden", 0, 0),
    ],
)
def test_pinned_recalculation_sizes(box: Maildir, name: str, size: int, messages: int) -> None:
    (Path(box.path) / "cur" / name).write_bytes(MESSAGE)
    assert measure(box.path) == Usage(size, messages)


def test_pinned_what_counts_across_folders(box: Maildir) -> None:
    root = Path(box.path)
    for folder in ("Foo", "Trash", "Trash.Sub"):
        box.create_folder(folder)
    (root / "new/1").write_bytes(b"x" * 400)
    (root / "cur/2:2,ST").write_bytes(b"x" * 300)
    (root / ".Foo/cur/2.x,S=150:2,S").write_bytes(b"x" * 200)
    (root / ".Trash/cur/3").write_bytes(b"x" * 100)
    (root / ".Trash.Sub/cur/4").write_bytes(b"x" * 800)
    box.set_quota("10000S")
    assert lines_of(box) == ["10000S", "1350 3"]
    box.folder("Trash").deliver(MESSAGE)
    assert len(lines_of(box)) == 2
    box.folder("Foo").deliver(MESSAGE)
    assert lines_of(box)[-1] == "18 1"
    assert not (root / ".Foo/maildirsize").exists()


def test_a_batch_cannot_pass_the_limit_together(box: Maildir) -> None:
    box.set_quota("3C")
    results = box.deliver_batch([MESSAGE] * 5)
    assert [result.key is not None for result in results] == [True] * 3 + [False] * 2
    assert isinstance(results[4].error, QuotaExceeded)
    assert measure(box.path) == Usage(54, 3)


def test_a_maildir_and_its_folders_share_one_limit_within_a_batch(box: Maildir) -> None:
    box.set_quota("2C")
    places = [box, box.create_folder("A"), box.create_folder("B"), box.folder("Trash")]
    box.create_folder("Trash")
    results = deliver_all((place, MESSAGE) for place in places)
    assert [result.error is None for result in results] == [True, True, False, True]


def test_an_aborted_message_is_not_charged(box: Maildir) -> None:
    box.set_quota("1C")
    account = QuotaAccount.open(box.path)
    assert account is not None
    with box.prepare(MESSAGE):
        pass
    box.deliver(MESSAGE)
    assert lines_of(box) == ["1C", "0 0", "18 1"]


def test_a_maildir_without_the_file_has_no_quota(box: Maildir) -> None:
    box.deliver(MESSAGE)
    assert (box.quota, box.usage) == (None, None)
    assert not (Path(box.path) / "maildirsize").exists()
