"""Our `deliverquota` and both of Debian's: same output, files and totals.

Accepted differences, each pinned by a test below or in `tests/unit/cli/test_deliverquota.py`:

* over quota Courier's exits 77 for a file and 75 for a pipe, maildrop's 77: ours 75 for both, and
  77 when it is called as maildrop's;
* the warning counts the message itself however it came; Courier's does so for a pipe only;
* a refused message that comes by a pipe is warned of as well, and a warning into a full maildir
  is recorded at once, not by the next recount;
* `-w` with something that is no number is a usage error, not 0;
* an option without its value is a usage error, not a maildir of that name;
* an empty maildir name is a usage error; Courier's writes to `/tmp` and `/new`;
* the quota is said to be unparsable once, not once per reading;
* a disk that is full is exit code 75, and what is delivered is synced.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours, run_peer

from couriermail.cli.deliverquota import read_command_line
from couriermail.maildir import Maildir

PEER = "deliverquota.courier"
MESSAGE = b"Subject: x\n\nabcde\n"
TEMPLATE = b"From: postmaster\nSubject: full\n\nfull\n"

NAME = re.compile(r"\d+\.M\d+P\d+V[0-9A-F]{16}I[0-9A-F]{16}(_warn)?\.")
STAMPS = re.compile(rb"(?m)^(Date:|Message-Id:) .*$")

pytestmark = pytest.mark.peer(PEER)

LINES = [
    "",
    "md",
    "-c md",
    "-c new/maildir",
    "-c md/.Foo",
    "-c half",
    "-c file",
    "file",
    "file/x",
    "nosuch",
    "nosuch/x",
    "md/.Foo",
    "md/.Sub",
    "md/.Trash",
    "-x md",
    "-cw md",
    "-w5 md",
    "-- md",
    "-w 101 md",
    "-w -2 md",
    "-w -1 -W t md",
    "-w 0 -W t md",
    "-w 0 -W t md/.Sub",
    "-w 1 -W t md",
    "-w 0 -W nosuch md",
    "-W t md",
    "full",
    "full NOQUOTA",
    "full 5X",
    "full 5X300C",
    "full 1000C",
    "md 40S",
    "md 10S",
    "md 1C,1000S",
    "md 0S",
    "md 40S ignored",
    "md/.Sub 40S",
    "-w 30 -W t md 3C",
]


def layout(root: Path) -> None:
    root.mkdir()
    box = Maildir.create(root / "md")
    for name in ("Sub", "Trash"):
        box.create_folder(name)
    full = Maildir.create(root / "full")
    (root / "full/new/1.held").write_bytes(MESSAGE)
    full.set_quota("1C")
    (root / "half/cur").mkdir(parents=True)
    (root / "file").write_bytes(b"")
    (root / "t").write_bytes(TEMPLATE)


def tree(root: Path) -> list[tuple[str, int, bytes]]:
    return sorted(
        (
            NAME.sub(r"NAME\1.", str(path.relative_to(root))),
            stat.S_IMODE(path.stat().st_mode),
            STAMPS.sub(rb"\1", path.read_bytes()) if path.is_file() else b"",
        )
        for path in root.rglob("*")
    )


def peer_reads_file(root: Path, *words: str, command: str = f"/usr/bin/{PEER}") -> Done:
    (root / "message").write_bytes(MESSAGE)
    with (root / "message").open("rb") as file:
        done = subprocess.run(
            [command, *words], stdin=file, capture_output=True, check=False, cwd=root, timeout=20
        )
    (root / "message").unlink()
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("line", LINES)
def test_same_answer_and_same_files(tmp_path: Path, line: str) -> None:
    layout(tmp_path / "ours")
    layout(tmp_path / "peer")
    ours = run_ours("deliverquota", *line.split(), data=MESSAGE, cwd=tmp_path / "ours")
    peer = run_peer(PEER, *line.split(), data=MESSAGE, cwd=tmp_path / "peer")
    assert (ours.code, ours.out) == (peer.code, peer.out)
    complaints = peer.err.replace(f"/usr/bin/{PEER}".encode(), b"deliverquota").splitlines()
    assert ours.err.splitlines() == list(dict.fromkeys(complaints))
    assert tree(tmp_path / "ours") == tree(tmp_path / "peer")


@pytest.mark.parametrize("line", [line for line in LINES if "-w" not in line])
def test_a_message_in_a_file_gives_the_same_files(tmp_path: Path, line: str) -> None:
    layout(tmp_path / "ours")
    layout(tmp_path / "peer")
    ours = run_ours("deliverquota", *line.split(), data=MESSAGE, cwd=tmp_path / "ours")
    peer = peer_reads_file(tmp_path / "peer", *line.split())
    assert (77 if b"exceeded" in ours.out else ours.code, ours.out) == (peer.code, peer.out)
    assert tree(tmp_path / "ours") == tree(tmp_path / "peer")


def test_refused_messages_are_warned_of(tmp_path: Path) -> None:
    trees = []
    for side in ("ours", "file", "pipe"):
        root = tmp_path / side
        layout(root)
        words = ("-w", "100", "-W", "t", "full")
        if side == "ours":
            assert run_ours("deliverquota", *words, data=MESSAGE, cwd=root).code == 75
        elif side == "file":
            assert peer_reads_file(root, *words).code == 77
        else:
            assert run_peer(PEER, *words, data=MESSAGE, cwd=root).code == 75
        trees.append([file for file in tree(root) if file[0] != "full/maildirsize"])
    assert trees[0] == trees[1]
    layout(tmp_path / "untouched")
    assert {*trees[2]} < {*tree(tmp_path / "untouched")}


@pytest.mark.peer("deliverquota.maildrop")
def test_the_other_personality_is_maildrops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    peer = shutil.which("deliverquota.maildrop")
    assert peer is not None
    layout(tmp_path / "peer")
    code = peer_reads_file(tmp_path / "peer", "full", command=peer).code
    assert code == read_command_line("deliverquota.maildrop", ["full"]).over_quota_status == 77
