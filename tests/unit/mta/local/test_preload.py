"""A fork of the courierlocal process imports nothing that every agent would need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = '''
import os, sys
from couriermail.filter import compile_recipe
from couriermail.filter.local import LocalHost
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
RECIPE = """
logfile "log"
include "included"
import RECIPIENT
dotlock "d.lock" {
 A=1
}
flock "f.lock" {
 A=1
}
B=`cat`
xfilter "cat"
system "true"
foreach /^S: (.*)/
{
 C=getaddr($MATCH)
 C=tolower("X")
 C=substr("abc", 1)
 C=length("x")
 C=escape("a b")
}
if (hasaddr("a@b") || lookup("x", "list", "D") || /^S: [a-z]+$/:h || "x" =~ /y/)
{
 D=time
}
exception {
 to "./no/such"
}
cc "./mbox"
cc "| cat"
SENDMAIL="/bin/true"
cc "! a@b"
FLAGS="S"
KEYWORDS="k"
to "./Maildir"
"""
for name, text in (("included", "X=1"), ("list", "x")):
    with open(f"{home}/{name}", "w") as file:
        file.write(text)
outcome = compile_recipe(RECIPE, name="r").run(
    job.body, host=LocalHost(home), env={"MAILDIRQUOTA": "100000S"}, sender="s@example.org"
)
assert len(outcome.deliveries) == 4, outcome
print(*sorted(set(sys.modules) - before))
'''


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
