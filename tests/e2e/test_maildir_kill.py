"""Killing deliverers: what was acknowledged is there, the rest is whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.maildir import Maildir, QuotaExceeded
from couriermail.maildir.maildirsize import measure

POINTS = [
    "maildir.tmp-written",
    "maildir.before-rename",
    "maildir.after-rename",
    "maildir.after-directory-sync",
]
BODY = b"Subject: x\n\n" + b"line\n" * 2000

DELIVER = """
import sys
from couriermail.core import FaultPlan, install_faults
from couriermail.maildir import Maildir
path, plan, batch = sys.argv[1:]
install_faults([FaultPlan.from_text(plan)])
body = b"Subject: x\\n\\n" + b"line\\n" * 2000
for _ in range(3):
    for result in Maildir(path).deliver_batch([[body[:12], body[12:]]] * int(batch)):
        print(result.unwrap(), flush=True)
"""


def deliver(box: Maildir, plan: str, batch: int) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", DELIVER, box.path, plan, str(batch)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("batch", [1, 5, 12])
@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_delivery_leaves_whole_messages_and_nothing_but_tmp_files(
    tmp_path: Path, point: str, after: int, batch: int
) -> None:
    box = Maildir.create(tmp_path / "md", quota="1000C")
    code, acknowledged = deliver(box, f"{point}:{after}", batch)
    assert code == -9
    visible = {entry.key: entry for entry in box}
    assert set(acknowledged) <= set(visible)
    for entry in visible.values():
        assert Path(entry.path).read_bytes() == BODY
    assert len(visible) + len(os.listdir(f"{box.path}/tmp")) <= 3 * batch
    box.deliver(BODY)  # what is left disturbs nobody


DELIVER_UNTIL_FULL = """
import sys
from couriermail.maildir import Maildir, QuotaExceeded
box = Maildir(sys.argv[1])
stored = 0
for _ in range(20):
    try:
        box.deliver(b"x" * 100)
        stored += 1
    except QuotaExceeded:
        pass
print(stored)
"""


def test_deliverers_at_the_same_time_agree_about_the_quota(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md", quota="30C")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", DELIVER_UNTIL_FULL, box.path], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    stored = sum(int(child.communicate(timeout=60)[0]) for child in children)
    used = measure(box.path)
    assert used.messages == stored == len(os.listdir(f"{box.path}/new"))
    # No lock guards the file: the other deliverers may have messages on their way unseen.
    assert 30 <= stored <= 30 + 2 * (len(children) - 1)
    assert os.listdir(f"{box.path}/tmp") == []
    with pytest.raises(QuotaExceeded):
        box.deliver(b"x")
