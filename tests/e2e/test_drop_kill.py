"""A daemon killed between the commit of a drop file's message and the file's removal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.open_admission import OpenAdmission

from couriermail.core import ManualClock
from couriermail.mta.dropbox import DropBox
from couriermail.mta.submission import SubmissionSettings, Submitter
from couriermail.mta.submitdrop import submit_to_drop
from couriermail.queue import Outcome, Queue, QueueSettings

SETTINGS = QueueSettings(min_free=0, min_inodes=0)


def importing(directory: Path, queue: Queue) -> DropBox:
    settings = SubmissionSettings(me="a.example", default_domain="a.example", message_id_host="a")
    return DropBox(str(directory / "drop"), Submitter(queue, OpenAdmission(), settings))


CHILD = """
import sys
from pathlib import Path
from couriermail.core import FaultPlan, install_faults
from couriermail.queue import Queue
from tests.e2e.test_drop_kill import SETTINGS, importing

directory = Path(sys.argv[1])
install_faults([FaultPlan(sys.argv[2])])
with Queue.open(directory / "queue", settings=SETTINGS) as queue:
    importing(directory, queue).import_all()
"""


@pytest.mark.parametrize("point", ["queue.before-commit", "queue.after-commit", "drop.imported"])
def test_one_file_is_one_message_even_if_it_was_delivered_meanwhile(
    tmp_path: Path, point: str
) -> None:
    for name in ("tmp", "new", "bad"):
        (tmp_path / "drop" / name).mkdir(parents=True)
    submit_to_drop(
        str(tmp_path / "drop"), [("from", "a@b"), ("rcpt", "c@d")], [b"Subject: once\n\n"]
    )
    root = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), point], cwd=root, check=False, timeout=60
    )
    assert child.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path / "drop" / "new")) == 1
    delivered = 0
    with Queue.open(tmp_path / "queue", settings=SETTINGS) as queue:
        delivered += deliver_all(queue)

        box = importing(tmp_path, queue)
        box.recover(ManualClock().now())
        box.import_all()
        queue.clear_mark("settled").result()
        delivered += deliver_all(queue)

    assert delivered == 1
    assert os.listdir(tmp_path / "drop" / "new") == []


def deliver_all(queue: Queue) -> int:
    jobs = queue.lease(10, 4e9)
    for job in jobs:
        queue.finish(job, [Outcome(index=0, kind="success")], remove=True).result()
    return len(jobs)
