"""Debian's `deliverquota` and our deliveries share one maildir and its `maildirsize`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.maildir import Maildir, MaildirError
from couriermail.maildir.maildirsize import measure, read_size_file
from couriermail.maildir.names import size_of

MESSAGE = b"Subject: x\n\nabcde\n"
PEER = "deliverquota"


def peer_delivers(path: Path) -> bool:
    done = subprocess.run(
        [PEER, str(path)], input=MESSAGE, capture_output=True, timeout=20, check=False
    )
    assert done.returncode in (0, 75, 77)
    return done.returncode == 0


def we_deliver(path: Path) -> bool:
    try:
        Maildir(path).deliver(MESSAGE)
    except MaildirError:
        return False
    return True


def lines(path: Path) -> list[str]:
    try:
        text = (path / "maildirsize").read_text()
    except FileNotFoundError:
        return []
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.peer(PEER)
def test_both_continue_the_same_totals(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md", quota="5C")
    path = tmp_path / "md"
    deliverers = [peer_delivers, we_deliver]
    assert [deliverers[turn % 2](path) for turn in range(7)] == [True] * 5 + [False] * 2
    assert lines(path) == ["5C", "90 5"]
    assert measure(box.path).size == 90
    assert {size_of(name) for name in os.listdir(path / "new")} == {18}


STARTS = {
    "one total": "100S\n0 0\n",
    "fresh lie": "100S\n5000 9\n",
    "two lines": "100S\n4000 8\n1000 1\n",
    "negative": "100S\n10 1\n-50 -3\n",
    "junk": "100S\n12   abc\njunk\n\n-5 -1 trailing\n50 2\n",
    "no limit": "0\n0 0\n",
    "empty": "",
    "both limits": "10C,1000S\n990 1\n",
    "exactly full": "100S\n82 1\n",
    "one over": "100S\n83 1\n",
    "long": "100000S\n" + "1 0\n" * 1500,
}


@pytest.mark.peer(PEER)
@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("age_minutes", [0, 14, 16])
def test_same_decision_and_same_file(tmp_path: Path, name: str, age_minutes: int) -> None:
    results = []
    for side, deliver in (("ours", we_deliver), ("peer", peer_delivers)):
        path = tmp_path / side
        Maildir.create(path)
        (path / "new" / "1.a.b").write_bytes(MESSAGE)
        file = path / "maildirsize"
        file.write_text(STARTS[name])
        then = file.stat().st_mtime - age_minutes * 60
        os.utime(file, (then, then))
        results.append((deliver(path), lines(path)))
    assert results[0] == results[1]


WORDS = [
    ("40S", "400S"),  # spec maildir 6 has `36 2` here, which is what the next line gives
    ("40S", "40S", "400S", "NOQUOTA"),
    ("40S", "40S", "40S"),
    ("NOQUOTA", "1C", "2C", "1C"),
    ("100X", "5C,100S", "100S,5C"),
]


@pytest.mark.peer(PEER)
@pytest.mark.parametrize("by_pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_the_second_word_sets_the_same_quota(
    tmp_path: Path, words: tuple[str, ...], by_pipe: bool
) -> None:
    (tmp_path / "msg").write_bytes(MESSAGE)
    ours = [sys.executable, "-m", "couriermail.cli.deliverquota"]
    results: list[list[tuple[bool, bytes, list[str]]]] = []
    for command in (ours, [PEER]):
        path = Path(Maildir.create(tmp_path / f"md{len(results)}").path)
        steps: list[tuple[bool, bytes, list[str]]] = []
        for word in words:
            line = [*command, str(path), word]
            with (tmp_path / "msg").open("rb") as file:
                done = subprocess.run(
                    ["sh", "-c", 'cat | "$@"', "sh", *line] if by_pipe else line,
                    stdin=file, capture_output=True, timeout=20, check=False,
                )  # fmt: skip
            steps.append((done.returncode == 0, done.stderr, lines(path)))
        results.append(steps)
    assert results[0] == results[1]


@pytest.mark.peer(PEER)
@pytest.mark.parametrize("folder", [".Foo", ".Trash", ".Trash.Sub"])
def test_folders_are_charged_to_the_same_file(tmp_path: Path, folder: str) -> None:
    box = Maildir.create(tmp_path / "md", quota="100C")
    box.create_folder(folder[1:])
    path = tmp_path / "md" / folder
    assert peer_delivers(path)
    peer = read_size_file(box.path)
    assert we_deliver(path)
    ours = read_size_file(box.path)
    assert peer is not None
    assert ours is not None
    assert ours.usage.messages == 2 * peer.usage.messages
    assert not (path / "maildirsize").exists()
