"""Killing and racing keyword updates, and killing quota rebuilds: nothing acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.maildir import KeywordStore, Maildir
from couriermail.maildir.maildirsize import measure, read_size_file

CHANGE_KEYWORDS = """
import sys
from couriermail.core import FaultPlan, install_faults
from couriermail.maildir import KeywordStore
path, plan = sys.argv[1:]
install_faults([FaultPlan.from_text(plan)])
store = KeywordStore(path)
for turn in range(3):
    for message in ("m1", "m2"):
        store.set(message, [f"turn{turn}"])
        print(message, f"turn{turn}", flush=True)
    store.load()
"""

POINTS = [
    "maildir.keywords-written",
    "maildir.keywords-linked",
    "maildir.keywords-stored",
    "maildir.replace-before-rename",
    "maildir.replace-after-rename",
    "maildir.keywords-aged",
]


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_update_or_load_loses_no_keyword_that_was_acknowledged(
    tmp_path: Path, point: str, after: int
) -> None:
    box = Maildir.create(tmp_path / "md")
    done = subprocess.run(
        [sys.executable, "-c", CHANGE_KEYWORDS, box.path, f"{point}:{after}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-9, "")
    answers = done.stdout.splitlines()
    allowed = {message: {word} for message, word in map(str.split, answers)}
    # The update that was under way may count or not; nothing else is allowed.
    allowed.setdefault(f"m{len(answers) % 2 + 1}", {""}).add(f"turn{len(answers) // 2}")
    clock = ManualClock(time.time())
    store = KeywordStore(box.path, clock=clock)
    for hours in (0, 1, 1):
        clock.advance(3600.0 * hours)
        for message, words in allowed.items():
            assert " ".join(store.get(message)) in words
    assert set(os.listdir(f"{box.path}/courierimapkeywords")) <= {":list"}


KEEP_CHANGING = """
import sys
from couriermail.maildir import KeywordStore
path, own, turns = sys.argv[1:]
store = KeywordStore(path)
for turn in range(int(turns)):
    store.set("shared", [f"{own}-{turn}"])
    store.set(own, [f"turn{turn}"])
    table = store.load()
    assert table[own] == (f"turn{turn}",), table
    assert len(table["shared"]) == 1, table
"""


def test_processes_that_change_keywords_at_the_same_time_keep_all_of_them(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    turns = 12
    children = [
        subprocess.Popen(
            [sys.executable, "-c", KEEP_CHANGING, box.path, f"own{number}", str(turns)],
            stderr=subprocess.PIPE, text=True,
        )
        for number in range(6)
    ]  # fmt: skip
    assert [child.communicate(timeout=60)[1] for child in children] == [""] * 6
    keywords = box.keywords
    assert {keywords.get(f"own{number}") for number in range(6)} == {(f"turn{turns - 1}",)}
    assert keywords.get("shared") in [(f"own{number}-{turns - 1}",) for number in range(6)]
    assert os.listdir(f"{box.path}/tmp") == []
    assert not [n for n in os.listdir(f"{box.path}/courierimapkeywords") if n.startswith(".tmp")]


ADD_UNDER_LOCK = """
import sys
from couriermail.maildir import KeywordStore
from couriermail.maildir.locks import LockPolicy, folder_lock
path, own = sys.argv[1:]
store = KeywordStore(path)
for turn in range(5):
    with folder_lock(path, LockPolicy(retry_after=0.01, patience=30)):
        store.add("m", [f"{own}-{turn}"])
"""


def test_additions_under_the_folders_lock_are_all_kept(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    children = [
        subprocess.Popen([sys.executable, "-c", ADD_UNDER_LOCK, box.path, f"own{number}"])
        for number in range(3)
    ]
    assert [child.wait(timeout=60) for child in children] == [0, 0, 0]
    expected = {f"own{number}-{turn}" for number in range(3) for turn in range(5)}
    assert set(box.keywords.get("m")) == expected


REBUILD = """
import sys
from couriermail.core import FaultPlan, install_faults
from couriermail.maildir import Maildir
path, plan = sys.argv[1:]
install_faults([FaultPlan.from_text(plan)])
Maildir(path).set_quota("500C")
"""


@pytest.mark.parametrize(
    ("point", "quota"),
    [("maildir.replace-before-rename", "1000C"), ("maildir.replace-after-rename", "500C")],
)
def test_a_killed_quota_rebuild_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, point: str, quota: str
) -> None:
    box = Maildir.create(tmp_path / "md", quota="1000C")
    for _ in range(3):
        box.deliver(b"Subject: x\n\nbody\n")
    done = subprocess.run(
        [sys.executable, "-c", REBUILD, box.path, point],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-9, "")
    file = read_size_file(box.path)
    assert file is not None
    assert (str(file.quota), file.usage) == (quota, measure(box.path))
    box.deliver(b"x\n")  # what is left in tmp/ disturbs nobody
    assert box.usage == measure(box.path)
