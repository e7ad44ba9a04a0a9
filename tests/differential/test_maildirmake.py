"""Our `maildirmake` and Courier's: same output, status and files on the same command lines."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PEER = "maildirmake.courier"
OURS = [sys.executable, "-m", "couriermail.cli.maildirmake"]

LINES = [
    "md2",
    "md",
    "nodir/md",
    "md2 ignored",
    "- ignored",
    "",
    "-x md",
    "-S sh",
    "-Sf F md",
    "-f",
    "-f Drafts md",
    "-fJoined.Sub md",
    "-f .Bad md",
    "-f Foo nomd",
    "-f INBOX.x md",
    "-f Résumé md",
    "-s read md",
    "-s read -f F md",
    "-s write -f F md",
    "-s read,group -f F md",
    "-s write,group -f F md",
    "-s group -f F md",
    "-s xyz -f F md",
    "-s w,g -fF md",
    "-F a.b md",
    "-Fx/y md",
    "-F t~il:de&amp md",
    "-F Résumé md",
    "-q 1000000S,10C md",
    "-q 5C,30000000S md",
    "-q 500C newdir",
    "--add notices=/ md",
    "--add rel=sh md",
    "--add n.x=/ md",
    "--add n=/nonexistent/path md",
    "--add n=/ nomd",
    "--del n nomd",
    "--checkquota md",
]


def tree(root: Path) -> list[tuple[str, int, bytes]]:
    return [
        (
            str(path.relative_to(root)),
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(root.rglob("*"))
    ]


def run(
    command: list[str], line: str, root: Path, charset: str
) -> tuple[int, bytes, bytes, list[tuple[str, int, bytes]]]:
    root.mkdir()
    subprocess.run([PEER, "md"], cwd=root, check=True, timeout=20)
    done = subprocess.run(
        [*command, *line.split()],
        cwd=root,
        env={**os.environ, "LC_ALL": charset, "COURIERMAIL_CONFIG": str(root)},
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr, tree(root)


@pytest.mark.peer(PEER)
@pytest.mark.parametrize("line", LINES)
def test_same_output_status_modes_and_contents(tmp_path: Path, line: str) -> None:
    ours = run(OURS, line, tmp_path / "ours", "C.UTF-8")
    assert ours == run([PEER], line, tmp_path / "peer", "C.UTF-8")


@pytest.mark.peer(PEER)
def test_a_name_that_the_console_charset_cannot_hold(tmp_path: Path) -> None:
    ours = run(OURS, "-F Résumé md", tmp_path / "ours", "C")
    peer = run([PEER], "-F Résumé md", tmp_path / "peer", "C")
    assert (ours[0], ours[2].split()[:2]) == (peer[0], peer[2].split()[:2])
    assert ours[3] == peer[3]


@pytest.mark.peer(PEER)
@pytest.mark.parametrize("line", ["-f A/B md", "--del nothere md"])
def test_same_status_and_files_where_our_message_says_more(tmp_path: Path, line: str) -> None:
    ours = run(OURS, line, tmp_path / "ours", "C.UTF-8")
    peer = run([PEER], line, tmp_path / "peer", "C.UTF-8")
    assert (ours[0], ours[3]) == (peer[0], peer[3]) == (1, peer[3])


@pytest.mark.peer(PEER)
def test_courier_accepts_an_invalid_quota_silently_and_we_do_not(tmp_path: Path) -> None:
    ours = run(OURS, "-q 100X md", tmp_path / "ours", "C.UTF-8")
    peer = run([PEER], "-q 100X md", tmp_path / "peer", "C.UTF-8")
    assert (ours[0], peer[0]) == (1, 0)
    assert ours[1:] == peer[1:]
