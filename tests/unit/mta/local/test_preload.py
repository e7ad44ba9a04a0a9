"""A fork of the courierlocal process imports nothing that every agent would need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys
from couriermail.maildir import Maildir
from couriermail.mta.local import AgentSettings, LocalJob, deliver_batch, serve_agents
from couriermail.mta.local.preload import preload

preload()
before = set(sys.modules)
home = sys.argv[1]
results = []
job = LocalJob(
    key=1, recipient="u@b\\u00fccher.example", sender="s@example.org", user="u", home=home,
    size=9, body=b"S: x\\n\\nbody", quota="100000S", default_instructions="./New/",
)
settings = AgentSettings(create_maildir=True)
COURIER = ["", "./Maildir/\\n./mbox\\n|cat\\n||echo a@b\\n", "|maildrop\\n"]
for text in COURIER:
    with open(f"{home}/.courier", "w") as file:
        file.write(text)
    deliver_batch([job] * 20, settings, results.append)
assert {result.kind for result in results} == {"success"}, results
print(*sorted(set(sys.modules) - before))
"""


def test_agents_import_nothing_after_the_fork(tmp_path: Path) -> None:
    from couriermail.maildir import Maildir

    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    Maildir.create(home / "Maildir")
    (home / ".mailfilter").write_text('if (/^S: x/ && $SIZE < 100)\n cc "|cat"\nto "./Maildir"\n')
    (home / ".mailfilter").chmod(0o600)

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
