"""Our `reformail` beside Debian's: output and exit codes, on the corpus and on odd input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.commands import run_ours, run_peer

PATHS = sorted((Path(__file__).parents[1] / "data" / "messages").glob("*/*.eml"))

pytestmark = pytest.mark.peer("reformail")

# Options and input that give something else here, each with its reason.
ACCEPTED = [
    (["-d"], b"A: 1\n b\n\nx\n", "Courier: with -d1 the inner lines of a folded field keep LF"),
    (["-f", "-A", "X: 1"], b"A: 1\n\nx\n", "Courier: a bare -f takes any next word (2.4)"),
    (["-A", "Resent-Message-ID:"], b"A: 1\n\nx\n", "Courier: knows Resent_Message_ID only (2.4.5)"),
    (["-f1"], b">Return-Path: r@s\nErrors-To: \n\nx", "empty sender fields do not count (2.4.6)"),
    (["-s", "cat"], b"From a\n\nx\n", "Courier: empty lines behind the first line are lost (2.4.8)"),
    (["-A", "X: 1", "-s", "cat"], b"A: 1\n\nx\n", "edits and -s exclude each other (2.4.8)"),
]  # fmt: skip

HEADER = (
    b"B: 1\nA: 1\nSUBJECT: two\nA: 2\nB: 2\n  folded\n\tmore\nC: 1\n\nbody\nFrom x\n>From y\nlast"
)
FROM_LINE = (
    b"From joe@example.com  Sat Jan  1 00:00:00 2000\nReturn-Path: <old@x>\nSubject: f\n\n"
    b">From x\n>>From y\nFrom z\n>>>Fromz\n"
)
ODD = b"Subject : y\nfoo\n bar: x\nA: 1\n\t\n  \n b\nC: \n  x\n :\n\nFrom x\n"
CRLF = b"\r\n\nA: 1\r\r\nB:  2\r\n x\r\nSubject: s\r\n\r\nbody\r\r\nx\ry\r\nlast\r"

EDITS = [
    [],
    ["-A", "Z: 1"],
    ["-A", "A: 1", "-a", "Q: 2", "-I", "C: 3", "-i", "D: 4"],
    ["-a", "a: x", "-a", "A: y", "-a", "A: z"],
    ["-i", "subject: new", "-a", "Old-Subject: x"],
    ["-i", "a:"],
    ["-I", "A:"],
    ["-I", "A: "],
    ["-R", "a:", "Renamed:", "-I", "b:"],
    ["-R", "a:", "b:", "-R", "b:", "c:", "-a", "A: x"],
    ["-u", "a:", "-u", "b:", "-A", "novalue"],
    ["-U", "b:", "-U", "a:", "-A", "last: 1"],
    ["-U", "a:", "-u", "a:"],
    ["-x", "b:", "-X", "a:", "-x", "C:"],
    ["-X", "B:", "-c"],
    ["-x", "a"],
    ["-x", "foo", "-X", "subject :"],
    ["-I", "subject :", "-i", "foo"],
    ["-c"],
    ["-c", "-A", "Z: 1"],
    ["-f0"],
    ["-f", "0", "-I", "X: y", "-I", "Return-Path: <q>"],
    ["-f"],
    ["-f0", "-a", "Return-Path: <x>", "-A", "Y: 1"],
    ["-f0", "-u", "Return-Path:", "-R", "Subject:", "s:", "-U", "s:"],
    ["-f1"],
    ["-f1", "-x", "subject:"],
    ["-AX: glued", "-d0"],
    ["--", "-A", "x"],
    ["-"],
    ["word"],
    ["-z"],
    ["-a"],
    ["-A", ""],
    ["-R", "a:"],
    ["-s"],
    ["-D", "30"],
    ["-x", "a:", "-s", "cat"],
]
INPUTS = {
    "plain": HEADER, "from-line": FROM_LINE, "odd": ODD, "crlf": CRLF, "empty": b"",
    "empty-lines": b"\n\r\n\n", "no-body": b"A: 1\n", "no-line-end": b"A: 1", "blank": b" lead\nA: 1\n \n\nx\n",
    "bounce": b"From: a@b\nReturn-Path: <>\n\nx", "addresses": b"Return-Path: (c) \"a b\"@c, Joe <r . t@s>\n\nx",
    "group": b"From: undisclosed: ;\n\nx", "short-from": b"From a\nSubject: y\n\nFrom x\n",
    "bad-from": b"From <> b\nA: 1\n\nb",
}  # fmt: skip


def without_time(output: bytes) -> bytes:
    """The From_ line holds the time of the run."""
    return re.sub(rb"\A(From \S+) \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", rb"\1 TIME", output)


@pytest.mark.parametrize("words", EDITS, ids=" ".join)
def test_edits_give_the_same(words: list[str]) -> None:
    for name, data in INPUTS.items():
        ours, theirs = (
            run_ours("reformail", *words, data=data),
            run_peer("reformail", *words, data=data),
        )
        assert ours.code == theirs.code, name
        assert without_time(ours.out) == without_time(theirs.out), name
        assert bool(ours.err) is bool(theirs.err)


@pytest.mark.parametrize("path", PATHS[::3], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_messages_of_the_corpus_come_out_the_same(path: Path) -> None:
    data = path.read_bytes()
    for words in (
        ["-A", "X-Loop: me"],
        ["-i", "Subject: new", "-I", "Received:", "-U", "to:", "-f0"],
        ["-c", "-f1"],
        ["-x", "subject:", "-X", "received:"],
    ):
        ours = run_ours("reformail", *words, data=data)
        theirs = run_peer("reformail", *words, data=data)
        assert (ours.code, without_time(ours.out), ours.err) == (
            theirs.code, without_time(theirs.out), theirs.err,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "data", "reason"), ACCEPTED, ids=[reason for _, _, reason in ACCEPTED]
)
def test_accepted_differences_are_still_there(words: list[str], data: bytes, reason: str) -> None:
    assert reason
    ours, theirs = (
        run_ours("reformail", *words, data=data),
        run_peer("reformail", *words, data=data),
    )
    assert ours[:2] != theirs[:2]


MBOXES = {
    "three": b"From a b\nA: 1\n\nx\n\nFrom b c\nB: 1\n\n\nFrom x\n",
    "no-from-line": b"\n\nfoo\nFrom b c\nB: 1\n\n\nFrom x\n",
    "crlf": b"From a\r\nb\r\n\r\nFrom c\nx",
    "empty": b"",
    "one-octet": b"F",
    "large": b"From a\nA: 1\n\n" + b"x" * 900 + b"\nFrom b\n" + b"y\n" * 800_000 + b"From c",
}


@pytest.mark.parametrize("data", MBOXES.values(), ids=MBOXES)
@pytest.mark.parametrize("number", [None, "0098", "9", "x9", "000", ""])
def test_mail_files_are_split_alike(
    data: bytes, number: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILENO", raising=False)
    if number is not None:
        monkeypatch.setenv("FILENO", number)
    for script in ('cat; echo "[$FILENO]"', 'cat; echo "[$FILENO]"; test "$FILENO" != 0099'):
        words = ["-s", "sh", "-c", script]
        ours, theirs = (
            run_ours("reformail", *words, data=data),
            run_peer("reformail", *words, data=data),
        )
        if number != "":  # Courier: counts from an empty FILENO; we leave alone what is no number
            assert ours == theirs


def test_duplicates_are_known_alike(tmp_path: Path) -> None:
    """Each reads the list that the other has written."""
    path = str(tmp_path / "seen")
    ids = [b"<a@b>", b"<a@b>", b"<c@d>", b"<e@f>", b"<a@b>", b"<c@d>", b"<e@f>", b"<long@example>"]
    for limit in ("7", "12", "13", "19", "40"):
        answers = []
        for first, second in ((run_ours, run_peer), (run_peer, run_ours)):
            (tmp_path / "seen").unlink(missing_ok=True)
            for index, message_id in enumerate(ids):
                run = second if index % 2 else first
                data = b"X: 1\nMessage-ID:  %s \n\n" % message_id
                done = run("reformail", "-D", limit, path, data=data)
                answers.append((index, limit, done))
        half = len(ids)
        assert answers[:half] == answers[half:]
    assert (tmp_path / "seen").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "data"),
    [
        pytest.param(["-D", "30", "f"], b"A: 1\n\nx\n", id="no-id"),
        pytest.param(["-D", "30", "f"], b"Message-ID:\n\nx\n", id="empty-id"),
        pytest.param(["-D", "30", "none/f"], b"Message-ID: a\n\nx\n", id="no-directory"),
        pytest.param(["-D", "30", "f", "-A", "X: 1"], b"Message-ID: a\n\n", id="edit-behind"),
        pytest.param(["-A", "Message-ID: <q@r>", "-D", "30", "f"], b"A: 1\n\n", id="edit-before"),
        pytest.param(["-x", "a:", "-D", "30", "f"], b"A: 1\n\n", id="extraction"),
    ],
)
def test_odd_uses_of_the_list_end_alike(words: list[str], data: bytes, tmp_path: Path) -> None:
    ours = run_ours("reformail", *words, data=data, cwd=tmp_path)
    (tmp_path / "f").unlink(missing_ok=True)
    theirs = run_peer("reformail", *words, data=data, cwd=tmp_path)
    assert ours[:2] == theirs[:2]
