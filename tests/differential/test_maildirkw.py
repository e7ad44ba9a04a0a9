"""Our `maildirkw` and Debian's share keyword stores, and give the same answers.

Accepted differences, pinned in `tests/unit/cli/test_maildirkw.py` unless they are below:

* the usage text is our own;
* `-c` is a usage error, Debian's takes it and does nothing;
* an update that meets a waiting one takes that into `:list` first; Debian's replaces it;
* an empty keyword is an error; Debian's drops it and the other keywords of the line;
* a hidden message name is an error; Debian's stores it where no reader looks;
* a missing maildir is exit code 1 for `-L` as well, and the message names the maildir as given;
* `-L` does not create the store; `-l` leaves no scratch files in `tmp/`;
* messages and keywords are in bytewise order, those of Debian's in that of its hash tables.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours, run_peer

from couriermail.maildir import Maildir, parse_keyword_list

PEER = "maildirkw"
pytestmark = pytest.mark.peer(PEER)

RUNNERS = {"ours": run_ours, "peer": run_peer}
SESSION = [
    "k msg1 Label0 Label1",
    "-L k",
    "-a k msg1:2,S Label2",
    "-L k",
    "-r k msg1 label0",
    "k msg2 zz Aa b Label2",
    "-a k msg2 AA",
    "-r k msg2 ZZ nothere",
    "-L k",
    "k msg1",
    "-L k",
    "-a -r k msg2 Aa",
    "-ra k new x",
    "-l -a k new y",
    "-lL k",
    "k odd a(b) x,y %*",
    "-L k ignored",
]


def answer(command: str, line: str, root: Path) -> Done:
    """What one of the commands says, its lines and their keywords in order."""
    done = RUNNERS[command](PEER, *line.split(), cwd=root)
    lines = [words.split() for words in done.out.splitlines()]
    ordered = [b" ".join([name, *sorted(keywords)]) for name, *keywords in lines]
    return Done(done.code, b"\n".join(sorted(ordered)), done.err)


def state(root: Path) -> tuple[dict[str, bytes], object]:
    """The files of a store, with `.N.` taken from aged names, and what `:list` says."""
    store = root / "k/courierimapkeywords"
    files = {
        path.name.partition(".")[2].partition(".")[2] or path.name: path.read_bytes()
        for path in sorted(store.iterdir())
        if path.name != ":list"
    }
    table = store / ":list"
    return files, parse_keyword_list(table.read_bytes()) if table.exists() else None


@pytest.mark.parametrize("first", [0, 1])
def test_taking_turns_in_one_store_gives_what_debians_gives_alone(
    tmp_path: Path, first: int
) -> None:
    for name in ("shared", "peer"):
        (tmp_path / name).mkdir()
        Maildir.create(tmp_path / name / "k")
    for number, line in enumerate(SESSION):
        command = ("ours", "peer")[(number + first) % 2]
        expected = answer("peer", line, tmp_path / "peer")
        assert answer(command, line, tmp_path / "shared") == expected, line


@pytest.mark.parametrize("line", SESSION)
def test_same_answer_and_same_store(tmp_path: Path, line: str) -> None:
    states = {}
    answers = {}
    for command in RUNNERS:
        root = tmp_path / command
        root.mkdir()
        box = Maildir.create(root / "k")
        box.keywords.set("msg1", ["Label0", "Label1"])
        box.keywords.load()
        box.keywords.set("msg2", ["Label1", "zz"])
        answers[command] = answer(command, line, root)
        answer("peer", "-L k", root)
        states[command] = state(root)
    assert answers["ours"] == answers["peer"]
    assert states["ours"] == states["peer"]


@pytest.mark.parametrize("line", ["", "-h", "-x k m", "-L", "k", "-a k", "-Lx k"])
def test_same_status_of_a_line_that_cannot_be_understood(tmp_path: Path, line: str) -> None:
    Maildir.create(tmp_path / "k")
    ours = run_ours(PEER, *line.split(), cwd=tmp_path)
    peer = run_peer(PEER, *line.split(), cwd=tmp_path)
    assert (ours.code, ours.out[:17]) == (peer.code, peer.out[:17]) == (1, b"Usage: maildirkw ")


@pytest.mark.parametrize(("line", "code"), [("nomd m x", 1), ("-L nomd", 0)])
def test_a_missing_maildir(tmp_path: Path, line: str, code: int) -> None:
    ours, peer = (RUNNERS[one](PEER, *line.split(), cwd=tmp_path) for one in RUNNERS)
    assert (ours.code, peer.code) == (1, code)
    assert ours.err == b"nomd: No such file or directory\n"
    assert b"No such file or directory" in peer.err or code == 0


def test_debians_lock_and_ours_are_one_and_a_dead_holders_is_removed(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "k")
    lock = Path(box.path, "tmp/courier.lock")
    lock.write_text(f"99999999:{os.uname().nodename}")
    for command in ("ours", "peer", "ours"):  # Debian's would sleep for 5 s after removing it
        assert RUNNERS[command](PEER, "-l", "-a", "k", "m", command, cwd=tmp_path).code == 0
        assert not lock.exists()
    assert box.keywords.get("m") == ("ours", "peer")
