"""`maildrop -M` beside Debian's, as a recipient's filter is run (spec filter 2.1, 4.12).

Both run as the same ordinary user, in the same home.  Debian's takes the home from the passwd
file, so it runs in a mount namespace of its own where a file with one more user lies over it.
Compared are the exit code and what `echo` printed.

Accepted differences:

* `-D`: Debian's stand-alone build has no such option.  A recipient filter is run with it; here
  ours has it and Debian's not.
* Group and world bits of the recipe and of its directory: Debian's patch forbids the right to
  write alone; ours forbids all of them, as the newest maildrop (case 149).  The unit tests have
  those.
* What is said on standard error: ours also names the place and the cure, and the first words
  are compared for wrong rights only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.support.mailsite import reachable_directory, user_python

UID = 54331
MAILDROP = "from couriermail.cli.maildrop import main; main()"
MESSAGE = b"Return-Path: <s@x.example>\nSubject: hello\nTo: tess@example.com\n\nbody\n"
VARIABLES = {
    "PATH": "/usr/bin:/bin",
    "SENDER": "s@x.example",
    "TCPREMOTEIP": "192.0.2.1",
    "DEFAULT": "./Mail",
    "MAILDIRQUOTA": "9S",
    "LC_TIME": "C",
}

pytestmark = [pytest.mark.peer("maildrop"), pytest.mark.root]


@attrs.frozen
class Outcome:
    """What a run is compared by."""

    code: int
    output: bytes


@attrs.define
class Bench:
    """One home, and both programs."""

    root: Path
    python: str
    ours: dict[str, str]

    @property
    def home(self) -> Path:
        return self.root / "home"

    def recipe(self, name: str, text: str, mode: int = 0o600) -> None:
        path = self.home / ".mailfilters" / name
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, UID, UID)

    def debian(self, *words: str) -> tuple[Outcome, bytes]:
        script = f'mount --bind {self.root}/passwd /etc/passwd && exec "$@"'
        become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        command = ["unshare", "-m", "sh", "-c", script, "sh", *become, "maildrop", *words]
        return self._run(command, VARIABLES)

    def couriermail(self, *words: str) -> tuple[Outcome, bytes]:
        ids = ["-D", f"{UID}/{UID}"] if "-M" in words else []
        become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        return self._run(
            [*become, self.python, "-c", MAILDROP, *ids, *words],
            {**VARIABLES, **self.ours, "COURIERMAIL_CONFIG": str(self.root / "etc")},
        )

    def _run(self, command: list[str], environment: dict[str, str]) -> tuple[Outcome, bytes]:
        done = subprocess.run(
            command, input=MESSAGE, env={**environment, "HOME": str(self.home)}, cwd="/",
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout), done.stderr


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = user_python()
    if found is None:
        pytest.skip("the interpreter lies in a directory that only root can read")
    if not all(map(shutil.which, ("unshare", "setpriv"))):
        pytest.skip("unshare or setpriv is missing")
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("mount namespaces are not allowed here")
    python, environment = found
    with reachable_directory() as root:
        made = Bench(root, python, environment)
        (made.home / ".mailfilters").mkdir(parents=True)
        for path in (made.home, made.home / ".mailfilters"):
            path.chmod(0o700)
            os.chown(path, UID, UID)
        user = f"tess:x:{UID}:{UID}::{made.home}:/bin/sh\n"
        (root / "passwd").write_text(Path("/etc/passwd").read_text() + user)
        yield made


JUDGEMENTS = [
    pytest.param("EXITCODE=99\n", id="exitcode"),
    pytest.param("EXITCODE=99\nexit\n", id="exit"),
    pytest.param('EXITCODE="300"\n', id="modulo"),
    pytest.param('EXITCODE="abc"\n', id="not-a-number"),
    pytest.param('echo "go away"\nEXITCODE=1\n', id="text"),
    pytest.param('echo "550-one"\necho "550 two"\nEXITCODE=1\nexit\n', id="lines"),
    pytest.param('echo "$1|$2|$3|$4|$5|$6"\n', id="arguments"),
    pytest.param('import SENDER\nimport TCPREMOTEIP\necho "$SENDER $TCPREMOTEIP"\n', id="import"),
    pytest.param('echo "$SENDER|$TCPREMOTEIP|$LC_TIME"\n', id="not-imported"),
    pytest.param('echo "$MAILFILTER|$HOME|$FROM"\n', id="variables"),
    pytest.param('if (/^Subject: *(.*)/)\n{\n  echo "550 $MATCH1"\n  EXITCODE=1\n}\n', id="header"),
    pytest.param('if (/^body/:b)\n{\n  EXITCODE=5\n}\n', id="body"),
    pytest.param("", id="empty"),
    pytest.param('to "x"\n', id="154-to"),
    pytest.param('cc "x"\n', id="cc"),
    pytest.param('xfilter "cat"\n', id="xfilter"),
    pytest.param('system "true"\n', id="system"),
    pytest.param("x=`echo a`\n", id="backtick"),
    pytest.param('logfile "l"\n', id="logfile"),
    pytest.param('dotlock "l" {\necho "x"\n}\n', id="dotlock"),
    pytest.param("if (\n", id="syntax"),
    pytest.param('include "nosuch"\n', id="include-missing"),
    pytest.param('exception {\ninclude "nosuch"\n}\necho "on"\nEXITCODE=3\n', id="trapped"),
]  # fmt: skip


@pytest.mark.parametrize("recipe", JUDGEMENTS)
def test_a_recipe_judges_as_in_debian(recipe: str, bench: Bench) -> None:
    bench.recipe("rcptfilter-lists-default", recipe)
    words = ("-M", "rcptfilter-lists-a.b", "host", "192.0.2.1", "s@x.example", "b1", "b2")
    expected, _ = bench.debian(*words)
    found, _ = bench.couriermail(*words)
    assert found == expected
    assert not (bench.home / "Maildir").exists()


@pytest.mark.parametrize(
    "files",
    [
        ["rcptfilter-x-y", "rcptfilter-x-y-default", "rcptfilter-x-default", "default"],
        ["rcptfilter-x-y-default", "rcptfilter-x-default", "rcptfilter-default"],
        ["rcptfilter-x-default", "rcptfilter-default"],
        ["rcptfilter-default", "default"],
        ["default"],
        ["rcptfilter", "rcptfilter-x", "x-default"],
        [],
    ],
    ids=lambda files: files[0] if files else "none",
)
@pytest.mark.parametrize(
    "name", ["rcptfilter-x-y", "rcptfilter", "rcptfilter-x--y", "smtpfilter-x"]
)
def test_the_same_file_is_found_as_in_debian(files: list[str], name: str, bench: Bench) -> None:
    for number, file in enumerate(files, 1):
        bench.recipe(file, f'echo "{file} $MAILFILTER"\nEXITCODE={number}\n')
    expected, _ = bench.debian("-M", name)
    found, _ = bench.couriermail("-M", name)
    assert found == expected


@pytest.mark.parametrize(
    "name", ["../x.y", "a/b", ".hidden", "rcptfilter-alias-sales@example.com", "a:b"]
)
def test_a_name_is_no_path_as_in_debian(name: str, bench: Bench) -> None:
    safe = name.replace("/", ":").replace(".", ":")
    bench.recipe(safe, 'echo "$MAILFILTER"\nEXITCODE=9\n')
    expected, _ = bench.debian("-M", name)
    found, _ = bench.couriermail("-M", name)
    assert found == expected == Outcome(9, f"{safe}\n".encode())


@pytest.mark.parametrize(
    ("place", "mode", "owner"),
    [
        pytest.param(".", 0o1700, UID, id="148-sticky-home"),
        pytest.param(".", 0o702, UID, id="148-world-writable-home"),
        pytest.param(".", 0o720, UID, id="148-group-writable-home"),
        pytest.param(".", 0o755, 0, id="home-of-root"),
        pytest.param(".mailfilters", 0o707, UID, id="world-directory"),
        pytest.param(".mailfilters", 0o700, 0, id="directory-of-root"),
        pytest.param(".mailfilters/rcptfilter", 0o602, UID, id="world-writable-recipe"),
        pytest.param(".mailfilters/rcptfilter", 0o400, UID, id="149-read-only-recipe"),
        pytest.param(".mailfilters/rcptfilter", 0o600, 0, id="recipe-of-root"),
    ],
)
def test_rights_are_asked_for_as_in_debian(place: str, mode: int, owner: int, bench: Bench) -> None:
    bench.recipe("rcptfilter", "EXITCODE=9\n")
    path = bench.home / place
    path.chmod(mode)
    os.chown(path, owner, owner)
    expected, complaint = bench.debian("-M", "rcptfilter")
    found, said = bench.couriermail("-M", "rcptfilter")
    assert found == expected
    if b"permissions on the filter file" not in said:  # Debian's patch has a text of its own
        assert first_words(said) == first_words(complaint)


def first_words(said: bytes) -> bytes:
    """A complaint without the program's name and what follows a dash."""
    return said.partition(b": ")[2].partition(b" - ")[0].rstrip(b".\n")


@pytest.mark.parametrize("kind", ["directory", "fifo", "link"])
def test_what_is_no_recipe_file_is_treated_as_in_debian(kind: str, bench: Bench) -> None:
    path = bench.home / ".mailfilters" / "rcptfilter"
    if kind == "directory":
        path.mkdir(mode=0o700)
        os.chown(path, UID, UID)
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
        os.chown(path, UID, UID)
    else:
        bench.recipe("other", "EXITCODE=9\n")
        path.symlink_to("other")
    found, said = bench.couriermail("-M", "rcptfilter")
    assert b"Traceback" not in said
    if kind == "fifo":  # Debian's waits for somebody to write into it
        assert found.code == 75
        return
    expected, _ = bench.debian("-M", "rcptfilter")
    assert found == expected
