"""Fifteen processes at one maildir: 8 deliver, 4 change, 2 list, 1 expunges.

The children are this file run as a program, until the time is over.  Each tells at its end, as
JSON, what it did and what it saw; the test holds that against what is in the maildir.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from couriermail.maildir import Maildir, MaildirMissingError
from couriermail.maildir.maildirsize import measure

CAST = {"deliver": 8, "change": 4, "list": 2, "expunge": 1}
BATCH = 5
ON_THE_WAY = 4 * BATCH + 4 + 4 + 1  # messages that all of them deliver or change at one moment
Report: TypeAlias = dict[str, list[str]]


def body_for(number: int) -> bytes:
    """A message that tells how long it is."""
    lines = number % 40
    return b"Lines: %d\n\n" % lines + b"line\n" * lines


def is_whole(data: bytes) -> bool:
    head, _, body = data.partition(b"\n\n")
    return body == b"line\n" * int(head.removeprefix(b"Lines: "))


class Child:
    """One process; `own` is its number within its role."""

    def __init__(self, path: str, own: int, seconds: float) -> None:
        self.box = Maildir(path)
        self.own = own
        self.random = random.Random(own)
        self.end = time.monotonic() + seconds

    def is_on(self) -> bool:
        return time.monotonic() < self.end

    def deliver(self) -> Report:
        keys: list[str] = []
        while self.is_on():
            if self.own % 2:
                keys.append(self.box.deliver(body_for(len(keys))))
            else:
                batch = [body_for(number) for number in range(BATCH)]
                keys += [result.unwrap() for result in self.box.deliver_batch(batch)]
        return {"delivered": keys}

    def change(self) -> Report:
        """Half of the messages have one process that changes them, the others all four."""
        flags: dict[str, str] = {}
        words: dict[str, str] = {}
        count = 0
        while self.is_on():
            keys = list(self.box.scan())
            for key in self.random.sample(keys, min(len(keys), 40)):
                owner = sum(key.encode()) % 8
                if owner >= 4 or owner == self.own:
                    letters = "".join(self.random.sample("FRST", self.random.randrange(5)))
                    word = f"word{count}"
                    try:
                        self.box.set_flags(key, letters)
                    except MaildirMissingError:
                        continue  # expunged
                    self.box.keywords.set(key, [word])
                    count += 1
                    if owner == self.own:
                        flags[key], words[key] = "".join(sorted(letters)), word
        return {
            "flags": [f"{key} {text}" for key, text in flags.items()],
            "words": [f"{key} {text}" for key, text in words.items()],
            "changes": [str(count)],
        }

    def list(self) -> Report:
        """A key that was seen and is not seen any more must never come back."""
        before: set[str] = set()
        gone: set[str] = set()
        rounds = 0
        while self.is_on():
            listed = list(self.box.listing().keys if rounds % 2 else self.box.scan())
            keys = set[str](listed)
            assert len(keys) == len(listed), "seen twice"
            assert not keys & gone, f"left out before: {keys & gone}"
            gone |= before - keys
            before = keys
            for key in self.random.sample(listed, min(len(listed), 20)):
                try:
                    with self.box.open_message(key) as file:
                        assert is_whole(file.read()), key
                except MaildirMissingError:
                    pass  # must be in the expunger's report
            rounds += 1
        return {"gone": sorted(gone), "rounds": [str(rounds)]}

    def expunge(self) -> Report:
        keys: list[str] = []
        while self.is_on():
            listed = self.box.listing().keys
            for key in self.random.sample(listed, min(len(listed) // 4, 100)):
                self.box.expunge(key)
                keys.append(key)
        return {"expunged": keys}


def run_all(path: str, seconds: float) -> dict[str, list[Report]]:
    """Run the cast to the end; a child that says anything on stderr has failed."""
    children = [
        (role, subprocess.Popen(
            [sys.executable, __file__, role, path, str(own), str(seconds)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ))
        for role, count in CAST.items()
        for own in range(count)
    ]  # fmt: skip
    reports: dict[str, list[Report]] = {role: [] for role in CAST}
    outputs = [(role, *child.communicate(timeout=seconds + 60)) for role, child in children]
    assert [(role, errors[-2000:]) for role, _, errors in outputs if errors] == []
    for role, output, _ in outputs:
        reports[role].append(json.loads(output))
    return reports


def joined(reports: list[Report], what: str) -> list[str]:
    return [item for report in reports for item in report[what]]


@pytest.mark.parametrize(
    "seconds", [3.0, pytest.param(60.0, marks=pytest.mark.slow)], ids=["3s", "60s"]
)
def test_nothing_is_lost_or_seen_twice_while_fifteen_processes_use_a_maildir(
    tmp_path: Path, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    box = Maildir.create(tmp_path / "md", quota="1000000000000S,100000000C")
    reports = run_all(box.path, seconds)
    delivered = Counter(joined(reports["deliver"], "delivered"))
    expunged = Counter(joined(reports["expunge"], "expunged"))
    assert max(delivered.values()) == max(expunged.values()) == 1
    left = list(box.listing().keys)
    assert Counter(left) == delivered - expunged
    assert expunged.keys() <= delivered.keys()
    assert set(joined(reports["list"], "gone")) <= expunged.keys()
    for entry in box:
        assert is_whole(Path(entry.path).read_bytes())
    check_changes(box, reports["change"], set(left))
    drift = check_quota(box)
    count = {name: sum(map(int, joined(reports[role], name)))
             for role, name in (("change", "changes"), ("list", "rounds"))}  # fmt: skip
    with capsys.disabled():
        print(
            f"\nmaildir stress, {seconds:.0f} s, 15 processes: {delivered.total()} delivered, "
            f"{count['changes']} changes of flags and keywords, {count['rounds']} listings, "
            f"{expunged.total()} expunged; nothing lost or twice; quota off by {drift} messages "
            "before the recount, exact after it"
        )


def check_changes(box: Maildir, reports: list[Report], left: set[str]) -> None:
    """The last change by the only process that changes a message is what counts."""
    flags = dict(line.split(" ") for line in joined(reports, "flags"))
    words = dict(line.split(" ") for line in joined(reports, "words"))
    table = {str(key): value for key, value in box.keywords.load().items()}
    kept = flags.keys() & left
    assert kept
    assert {key: flags[key] for key in kept} == {
        key: letters for key, letters, _ in box.listing() if key in kept
    }
    assert {key: (words[key],) for key in kept} == {key: table.get(key) for key in kept}


def check_quota(box: Maildir) -> int:
    """How many messages the quota file was off; a recount makes it exact.

    No lock guards the file.  What was on the way when it was last rewritten may be counted
    twice or not at all, and so once more where one rewrite overtook another.
    """
    usage, real = box.usage, measure(box.path)
    assert usage is not None
    assert os.listdir(f"{box.path}/tmp") == []
    quota = box.quota
    assert quota is not None
    box.set_quota(quota)
    assert box.usage == real
    drift = usage.messages - real.messages
    assert abs(drift) <= 2 * ON_THE_WAY
    return drift


def main() -> None:
    role, path, own, seconds = sys.argv[1:]
    child = Child(path, int(own), float(seconds))
    roles: dict[str, Callable[[], Report]] = {
        "deliver": child.deliver, "change": child.change,
        "list": child.list, "expunge": child.expunge,
    }  # fmt: skip
    print(json.dumps(roles[role]()))


if __name__ == "__main__":
    main()
