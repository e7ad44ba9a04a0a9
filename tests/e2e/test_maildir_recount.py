"""A quota is counted anew while processes deliver, expunge and move."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from couriermail.maildir import Maildir, Usage, recalculate_quota
from couriermail.maildir.maildirsize import measure
from couriermail.maildir.quotarules import QuotaRules

CHANGES = 60
WORKER = """
import sys
from couriermail.maildir import Maildir
box = Maildir(sys.argv[1])
spam = box.folder("Spam")
for number in range(int(sys.argv[2])):
    key = box.deliver(b"x" * 100)
    if number % 3 == 1:
        box.move(key, spam)
    elif number % 3 == 2:
        box.expunge(key)
"""


def test_totals_are_whole_at_every_moment_and_exact_at_the_end(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md", quota="100000000S")
    box.create_folder("Spam")
    box.set_quota_rules(QuotaRules(["Spam"]))
    file = Path(box.path, "maildirsize")
    command = [sys.executable, "-c", WORKER, box.path, str(CHANGES)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    recounts = 0
    try:
        while any(worker.poll() is None for worker in workers):
            recount = recalculate_quota(box.path, pause=lambda _: None)
            recounts += 1
            text = file.read_text()
            assert recount is not None
            assert text.startswith("100000000S\n")
            assert text.endswith("\n")
            assert all(len(line.split()) in {2, 3} for line in text.splitlines()[1:])
    finally:
        codes = [worker.wait(60) for worker in workers]
    assert codes == [0, 0, 0]
    assert recounts > 1
    last = recalculate_quota(box.path)
    assert last is not None
    assert (last.is_exact, last.after) == (True, Usage(100 * CHANGES, CHANGES))
    assert box.usage == measure(box.path) == last.after
    assert len(list(box.folder("Spam"))) == CHANGES
