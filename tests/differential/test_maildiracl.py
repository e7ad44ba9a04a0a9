"""Our `maildiracl` and Debian's: same answers and files, also when they share a maildir.

Accepted differences, pinned in `tests/unit/cli/test_maildiracl.py` and
`tests/unit/maildir/test_acl.py` unless they are below:

* a list kept for a name moves into the folder when it is read; Debian's moves it when it is set;
* of `administrators` and `group=administrators` one is kept; Debian's keeps both;
* `INBOX.` is no folder name; Debian's takes it for the inbox;
* `-reset` of a missing maildir is an error; Debian's does nothing;
* a line of a file with more than one blank, or a tab, counts; Debian's drops it;
* of rights taken from administrators only `a` and `l` are given back, as the specification has
  it; Debian's drops the whole entry;
* a file that locks out its owner is inherited as it is; Debian's then reads no folder below;
* messages about invalid identifiers and rights say which.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.commands import run_ours, run_peer

from couriermail.maildir import Maildir

PEER = "maildiracl"
ALL = "aceilrstwx"
pytestmark = pytest.mark.peer(PEER)

SESSION = [
    "-list a INBOX",
    "-set a INBOX user=x zqr9",
    "-list a INBOX",
    "-set a INBOX user=x +w",
    "-set a INBOX user=x -zq9",
    "-set a INBOX owner r",
    "-set a INBOX -owner a",
    "-set a INBOX owner -l",
    "-set a INBOX -anyone l",
    "-delete a INBOX owner",
    "-set a INBOX administrators r",
    "-set a INBOX -administrators alrs",
    "-set a INBOX anyone lr",
    "-compute a INBOX user=x",
    "-compute a INBOX owner",
    "-compute a INBOX nobody",
    "-compute a INBOX user=x administrators",
    "-compute a INBOX group=administrators",
    "-set a INBOX.Folder user=user1 rw",
    "-list a INBOX.Folder.Subfolder",
    "-set a INBOX.Folder.Subfolder -user=user1 r",
    "-compute a INBOX.Folder.Subfolder user=user1",
    "-compute a INBOX.Folder.Subfolder user=x user=user1",
    "-list a INBOX.Real",
    "-set a INBOX.Real Résumé lr",
    "-list a INBOX.Real",
    "-delete a INBOX.Real Résumé",
    "-delete a INBOX.Real never",
    "-set a INBOX.Real user=x r+w",
    "-set a INBOX.Real user=y +",
    "-set a INBOX.Real user=z -r",
    "-set a INBOX.Real -- r",
    "-list a INBOX.Real ignored",
    "-list a INBOX.Real.Below.Deep",
    "-reset a",
    "-list nomd INBOX",
    "-list nomd INBOX.x",
    "-list a INBOX..x",
    "-list a inbox",
    "-list a INBOXx",
    "-list a INBOX/x",
    "",
    "-list",
    "-list a",
    "-foo a INBOX",
    "-set a INBOX x",
    "-delete a INBOX",
    "-compute a INBOX",
    "--help a",
]


def prepare(root: Path) -> None:
    root.mkdir()
    Maildir.create(root / "a").create_folder("Real")


def lists(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("courierimap*acl*/*")
        if path.is_file()
    } | {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("courierimapacl")}


def test_a_session_gives_the_same_answers_and_files_alone_and_in_turns(tmp_path: Path) -> None:
    for name in ("ours", "peer", "shared"):
        prepare(tmp_path / name)
    for number, line in enumerate(SESSION):
        words = line.split()
        expected = run_peer(PEER, *words, cwd=tmp_path / "peer")
        assert run_ours(PEER, *words, cwd=tmp_path / "ours") == expected, line
        run = (run_ours, run_peer)[number // 2 % 2]
        assert run(PEER, *words, cwd=tmp_path / "shared") == expected, line
        assert lists(tmp_path / "ours") == lists(tmp_path / "peer") == lists(tmp_path / "shared")


@pytest.mark.parametrize(
    "text",
    [
        b"owner aceilrstwx\n",
        b"anyone lr\nowner la\nadministrators l\n",
        b"user=x r\nuser=y l\nuser=x w\nowner la\n",
        b"norights\n\nuser=z rrzz\nuser=q\nowner al\n",
        b"-administrators al\n-group=administrators al\nowner lra\n",
        b"us\1er l\nanyone la\n",
        "owner al\nuser=Résumé lr\nuser=\N{SNOWMAN} l\n".encode(),
    ],
)
def test_a_file_is_read_alike(tmp_path: Path, text: bytes) -> None:
    for name in ("ours", "peer"):
        prepare(tmp_path / name)
        (tmp_path / name / "a/courierimapacl").write_bytes(text)
    for line in (
        "-list a INBOX",
        "-compute a INBOX owner",
        "-compute a INBOX user=x",
        "-list a INBOX.N",
    ):
        ours = run_ours(PEER, *line.split(), cwd=tmp_path / "ours")
        assert ours == run_peer(PEER, *line.split(), cwd=tmp_path / "peer"), line
    assert lists(tmp_path / "ours") == lists(tmp_path / "peer")


@pytest.mark.parametrize(
    ("text", "line", "ours", "peer"),
    [
        ("anyone   l  r", "-compute a INBOX x", "lr", ""),
        ("anyone\tlr", "-compute a INBOX x", "lr", ""),
        ("-administrators alrs\nowner al", "-compute a INBOX administrators", "aceiltwx", ALL),
        ("owner l", "-compute a INBOX.N x", "", None),
    ],
)
def test_a_file_that_is_read_otherwise(
    tmp_path: Path, text: str, line: str, ours: str, peer: str | None
) -> None:
    for run, expected in ((run_ours, ours), (run_peer, peer)):
        prepare(tmp_path / run.__name__)
        (tmp_path / run.__name__ / "a/courierimapacl").write_text(f"{text}\n")
        done = run(PEER, *line.split(), cwd=tmp_path / run.__name__)
        assert (done.code, done.out.decode()) == (
            (1, "") if expected is None else (0, f"{expected}\n")
        )


def test_reset_removes_the_same_files(tmp_path: Path) -> None:
    for name, run in (("ours", run_ours), ("peer", run_peer)):
        prepare(tmp_path / name)
        Maildir(tmp_path / name / "a").create_folder("P.Q.R")
        for folder in ("P.Q", "Real.Below", "Old", "Young"):
            run(PEER, "-set", "a", f"INBOX.{folder}", "user=x", "l", cwd=tmp_path / name)
            path = tmp_path / name / "a/courierimaphieracl" / folder
            os.utime(path, (0, 0) if folder != "Young" else None)
        assert run(PEER, "-reset", "a", cwd=tmp_path / name).code == 0
    assert lists(tmp_path / "ours") == lists(tmp_path / "peer")
    left = {path.rpartition("/")[2] for path in lists(tmp_path / "ours")}
    assert left >= {"P.Q", "Young"}
    assert "Old" not in left


def test_a_list_kept_for_a_name_moves_when_ours_reads_it_and_debians_finds_it(
    tmp_path: Path,
) -> None:
    prepare(tmp_path / "x")
    run_peer(PEER, "-set", "a", "INBOX.Late", "user=x", "lr", cwd=tmp_path / "x")
    Maildir(tmp_path / "x/a").create_folder("Late")
    answers = [
        run(PEER, "-list", "a", "INBOX.Late", cwd=tmp_path / "x")
        for run in (run_peer, run_ours, run_peer)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert b"user=x\tlr\n" in answers[0].out
    assert set(lists(tmp_path / "x")) == {"a/.Late/courierimapacl"}
