"""Our `mailbot` beside Debian's: who is answered, every format, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours, run_peer

PATHS = sorted((Path(__file__).parents[1] / "data" / "messages").glob("*/*.eml"))

pytestmark = pytest.mark.peer("mailbot")

HEAD = (
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\nFrom: Ann <ann@example.com>\nTo: me@example.com\n"
    b"Message-ID: <1@example.com>\nSubject: hi\n"
)
TEXT = b"\nHello\n> old\n"
MIXED = (
    HEAD + b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n"
    b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n--B\n"
    b"Content-Type: application/pdf; name=x.pdf\nContent-Transfer-Encoding: base64\n\nAAAA\n--B--\n"
)
FLOWED = (
    HEAD
    + b"Mime-Version: 1.0\nContent-Type: text/plain; format=flowed\n\na \nb\n> q \n> r\n-- \nAnn\n"
)
MESSAGES = {"plain": HEAD + TEXT, "mixed": MIXED, "flowed": FLOWED}

OPTIONS = [
    ["-t", "t.txt"],
    ["-m", "t.mime"],
    ["-t", "t.txt", "-N"],
    ["-t", "t.txt", "-e"],
    ["-t", "t.txt", "-c", "iso-8859-1"],
    ["-t", "t.txt", "-T", "replyall"],
    ["-t", "t.txt", "-T", "replylist"],
    ["-t", "t.txt", "-T", "replydsn"],
    ["-t", "t.txt", "-M", "me@example.org"],
    ["-t", "t.txt", "-M", "me@example.org", "-a", "-N"],
    ["-t", "t.txt", "-T", "replyfeedback", "-R", "fraud", "--feedback-incidents", "2"],
    ["-t", "t.txt", "-T", "feedback", "-R", "abuse", "-a"],
    ["-t", "t.txt", "-T", "forward"],
    ["-t", "t.txt", "-T", "forward", "-F", "-- old --"],
    ["-t", "t.txt", "-T", "forwardatt"],
    ["-T", "replydraft", "-l", "vac"],
    ["-t", "t.txt", "-A", "From: me@example.org", "-A", "X-A: 1", "-s", "Away"],
    ["-t", "t.txt", "-S", "%d, %F (%f) wrote about %s:%n%%"],
    ["-t", "t.txt", "-r", "ME@example.com,zz@x"],
    ["-t", "t.txt", "-r", "zz@x"],
]

# Fields that are left out before answers are compared, see `normal`.
ADDED = (
    rb"(?:Content-Transfer-Encoding|Reporting-MTA|Feedback-Type|User-Agent|Arrival-Date|"
    rb"Content-Disposition|Mime-Version)"
)

# Messages of the corpus that get another answer here, by the end of their names.
ODD_MESSAGES = {
    "/016": "octets that are no UTF-8 become UTF-8 in the new header",
    "/024": "octets that are no UTF-8 become UTF-8 in the new header",
    "--multiple_content_types": "needless angle brackets are left out",
    "--raw_email_multiple_from": "two addresses get the comma that the original lacks",
}

ACCEPTED = [
    (["-t", "t.txt"], b"Return-Path: <>\n" + HEAD, "bounces get no answer (4.17.7)"),
    (["-t", "t.txt"], b"List-Post: <mailto:x>\n" + HEAD, "lists get no answer (4.17.7)"),
    (["-t", "t.txt"], b"Reply-To: \n" + HEAD, "a Reply-To without address: nobody to answer (4.17.1)"),
    (["-t", "t.txt"], b"Auto-Submitted: no; x\n" + HEAD, "the word ends at its parameters (4.17.7)"),
    (["-t", "t.txt"], b"Auto-Submitted: No\n" + HEAD, "Debian compares the case (4.17.2)"),
    (["-t", "t.txt"], b"Content-Type: Multipart/Report\n" + HEAD, "Debian compares the case (4.17.2)"),
    (["-t", "t.txt"], b"Precedence: a\nPrecedence: bulk\n" + HEAD, "any mark is enough"),
    (["-t", "t.txt"], b"Reply-To: a@b\nReply-To: c@d\n" + HEAD, "Debian takes the last of several"),
    (["-t", "t.txt", "-fbob@x"], HEAD, "-f names who is answered (4.17.4)"),
    ([], HEAD, "no text is an empty text (2.2)"),
    (["-t", "nofile"], HEAD, "exit codes tell what is wrong (2.2)"),
    (["-t", "t.txt", "-c", "nocs"], HEAD, "exit codes tell what is wrong (2.2)"),
    (["-t", "t.txt", "-R", "abuse"], HEAD, "exit codes tell what is wrong (2.2)"),
    (["-t", "t.txt", "-T", "bogus"], HEAD, "an unknown format is an error (2.2)"),
    (["-t", "t.txt", "-A", "no field"], HEAD, "what is no field does not get into a header"),
    (["-t", "t.txt", "-S", "On %d, %F (%f) wrote about %s, %i:"], HEAD + TEXT,
     "a long salutation is wrapped (rfc822 4.22.7)"),
    (["-m", "html"], HEAD, "a text that is not plain is not refused, but stands alone (2.2)"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with texts and a draft, which both commands run in."""
    monkeypatch.delenv("SENDER", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (tmp_path / "t.txt").write_bytes(b"Away.\nUntil \nMonday.\n")
    (tmp_path / "t.mime").write_bytes(b"Content-Type: text/plain; charset=utf-8\nX-A: b\n\nAway.\n")
    (tmp_path / "html").write_bytes(b"Content-Type: text/html\n\n<p>Away.\n")
    for part in ("tmp", "new", "cur"):
        (tmp_path / "vac" / part).mkdir(parents=True)
    (tmp_path / "vac/cur/1.x:2,S").write_bytes(b"Content-Type: text/plain\nSubject: d\n\ndraft\n")
    return tmp_path


def both(words: list[str], data: bytes, place: Path) -> tuple[Done, Done]:
    """What ours and Debian's do."""
    return (
        run_ours("mailbot", *words, "-n", data=data, cwd=place),
        run_peer("mailbot", *words, "-n", data=data, cwd=place),
    )


def normal(output: bytes) -> list[bytes]:
    """The lines of an answer without what is free.

    Boundaries, preambles, times and the program's name; the spelling of charsets; transfer
    encodings (ours says `7bit` where the text is, and names that of the whole report);
    Reporting-MTA and Feedback-Type, which ours adds (spec rfc822 4.22.8, 4.22.9); folds and
    blanks at line ends, since Debian's unfolds the fields of the original and ours leaves them
    alone; empty lines, of which Debian's has one more behind the text.
    """
    for found in set(re.findall(rb'boundary="([^"]+)"', output)):
        output = output.replace(found, b"B")
    output = re.sub(rb"(?s)(\n\n)This is a .*?(?=\n--B\n)", rb"\1", output, count=1)
    output = re.sub(rb"(?m)^%s: .*\n" % ADDED, b"", output)
    output = re.sub(rb"[ \t]*\n[ \t]+", b" ", output)
    output = re.sub(rb"[ \t]+", b" ", output)
    output = output.replace(b"Source-Ip", b"Source-IP")
    output = output.replace(b'charset="UTF-8"', b'charset="utf-8"')
    return sorted_headers([line.rstrip() for line in output.split(b"\n") if line.strip()])


def sorted_headers(lines: list[bytes]) -> list[bytes]:
    """Lines of the parts' own headers in one order; the order of MIME fields has no meaning."""
    result: list[bytes] = []
    block: list[bytes] = []
    for line in lines:
        if line.startswith(b"Content-"):
            block.append(line)
            continue
        result += sorted(block)
        block = []
        result.append(line)
    return result + sorted(block)


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("name", MESSAGES)
def test_answers_are_the_same(words: list[str], name: str, place: Path) -> None:
    ours, theirs = both(words, MESSAGES[name], place)
    assert (ours.code, ours.err) == (theirs.code, theirs.err)
    assert normal(ours.out) == normal(theirs.out)


@pytest.mark.parametrize(
    "field",
    [b"Precedence: bulk", b"Precedence: junk mail", b"Precedence: LIST", b"Precedence: first-class",
     b"Auto-Submitted: auto-replied", b"Auto-Submitted: no", b"Auto-Submitted:", b"List-ID: <x>",
     b"List-Id: ", b"Content-Type: multipart/report; x=y", b"Reply-To: ;", b"Reply-To: g:;",
     b"Reply-To: g: a@b;", b"Reply-To: <>", b"Reply-To: a@b, c@d", b"Reply-To: (c) a@b"],
    ids=ascii,
)  # fmt: skip
def test_the_same_mail_is_answered(field: bytes, place: Path) -> None:
    ours, theirs = both(["-t", "t.txt", "-N"], field + b"\n" + HEAD + TEXT, place)
    assert (ours.code, bool(ours.out)) == (theirs.code, bool(theirs.out))


@pytest.mark.parametrize("path", PATHS[::4], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_messages_of_the_corpus_are_answered_alike(path: Path, place: Path) -> None:
    data = path.read_bytes().replace(b"\r\n", b"\n")
    is_odd = f"/{path.stem}".endswith(tuple(ODD_MESSAGES))
    for words in (["-t", "t.txt", "-N"], ["-t", "t.txt", "-M", "me@example.org", "-N"]):
        ours, theirs = both(words, data, place)
        careless = run_ours("mailbot", *words, "--no-safety", "-n", data=data, cwd=place)
        assert (careless.code, bool(careless.out)) == (theirs.code, bool(theirs.out))
        assert not ours.out or head(ours.out) == head(careless.out)
        assert is_odd or head(careless.out) == head(theirs.out)


def head(output: bytes) -> list[bytes]:
    """The header of an answer, without boundaries."""
    return normal(re.sub(rb'boundary="[^"]+"', b"", output.partition(b"\n\n")[0]) + b"\n")


def test_senders_are_remembered_alike(place: Path) -> None:
    for _ in range(2):
        ours = run_ours("mailbot", "-t", "t.txt", "-d", "ours", "-n", data=HEAD, cwd=place)
        theirs = run_peer("mailbot", "-t", "t.txt", "-d", "theirs", "-n", data=HEAD, cwd=place)
        assert (ours.code, bool(ours.out)) == (theirs.code, bool(theirs.out))


def test_the_status_of_the_mail_program_is_passed_on_alike(place: Path) -> None:
    for command in (["sh", "-c", "exit 3"], ["true"], ["no-such-program"]):
        ours = run_ours("mailbot", "-t", "t.txt", *command, data=HEAD, cwd=place)
        theirs = run_peer("mailbot", "-t", "t.txt", *command, data=HEAD, cwd=place)
        assert ours.code == theirs.code


@pytest.mark.parametrize(
    ("words", "data", "reason"),
    ACCEPTED,
    ids=[f"{reason} {n}" for n, (_, _, reason) in enumerate(ACCEPTED)],
)
def test_accepted_differences_are_still_there(
    words: list[str], data: bytes, reason: str, place: Path
) -> None:
    ours, theirs = both(words, data, place)
    assert reason
    assert (ours.code, normal(ours.out)) != (theirs.code, normal(theirs.out))
