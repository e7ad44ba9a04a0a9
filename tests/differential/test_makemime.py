"""Our `makemime` beside Debian's: output and exit codes, boundaries and quoting aside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours, run_peer

from couriermail.rfc822 import Message

MESSAGES = sorted((Path(__file__).parents[1] / "data" / "messages").glob("*/*.eml"))
CONTENTS = {
    "text": b"hello",
    "utf8": "héllo\nwörld\n".encode(),
    "nul": b"a\0b",
    "control": b"a\x01b",
    "long": b"x" * 1000 + b"\n",
    "long8": "é".encode() * 600,
    "mixed": b"a" * 500 + b"\xc8" * 30 + b"\n" + b"b\x80" * 500,
    "blanks": b"tr  \nx\ty\t\nz=\x7f\r\n",
    "lines57": bytes(range(57)) * 10,
    "lines58": bytes(range(1, 59)),
    "empty": b"",
}
# Words for which the two end differently, each with its reason.
USAGE_IS_1 = "Courier: usage errors exit 0 (2.3); ours exit 1"
ACCEPTED = [
    (["-c"], USAGE_IS_1),
    (["-c", "text/plain", "-e", "binary", "text"], USAGE_IS_1),
    (["-z"], USAGE_IS_1),
    (["-c", "text/plain", "(", "-c", "text"], USAGE_IS_1),
    (["-j", "-a", "X: 1", "text", "text"], USAGE_IS_1),
    (["-c", "auto", "-e", "base64", "text"], "Courier: `auto` is written as it is with -e (2.3)"),
    (["-c", "a/b", "-N", "x" * 100, "text"], "Courier: pieces of a name are shorter (4.9)"),
    (["-c", "auto", "(", "-c", "a/b", "none", ")"], "Courier: a failed group is empty (2.3)"),
    (["-j", "text", "text"], "Courier: writes delimiters that no boundary announces (2.3)"),
]

pytestmark = pytest.mark.peer("makemime")


@pytest.fixture(autouse=True)
def contents(tmp_path: Path) -> None:
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)


def both(directory: Path, *words: str, data: bytes = b"") -> tuple[Done, Done]:
    return (
        run_ours("makemime", *words, data=data, cwd=directory),
        run_peer("makemime", *words, data=data, cwd=directory),
    )


def plain(output: bytes) -> bytes:
    """Without boundaries, preambles, and quotes around words that need none."""
    for boundary in set(re.findall(rb'boundary="([^"]*)"', output)):
        output = output.replace(boundary, b"B")
    output = output.replace(b"*=UTF-8''", b"*=utf-8''")
    output = re.sub(rb'name="([\w.-]+)"', rb"name=\1", output)
    return re.sub(rb"\n\nThis is a (?:.+\n)+\n--B", b"\n\n--B", output)


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("kind", [["auto"], ["text/plain", "-C", "utf-8"], []], ids=str)
def test_sections_of_content_are_the_same(name: str, kind: list[str], tmp_path: Path) -> None:
    words = ["-c", *kind] if kind else ["-c", "-a", "X: 1"]
    ours, theirs = both(tmp_path, *words, name)
    # Courier: blanks are never broken, and one at the very end is lost (4.16)
    assert ours == theirs


@pytest.mark.parametrize("encoding", ["7bit", "8BIT", "Quoted-Printable", "base64"])
@pytest.mark.parametrize("name", CONTENTS)
def test_an_encoding_that_is_asked_for_is_the_same(
    encoding: str, name: str, tmp_path: Path
) -> None:
    ours, theirs = both(tmp_path, "-c", "text/plain", "-e", encoding, name)
    assert ours == theirs


@pytest.mark.parametrize("path", MESSAGES[::4], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_messages_of_the_corpus_are_wrapped_alike(path: Path, tmp_path: Path) -> None:
    for words in (["-c", "auto", str(path)], ["-c", "a/b", "-e", "base64", str(path)]):
        ours, theirs = both(tmp_path, *words)
        assert ours == theirs
    ours, theirs = both(tmp_path, "-m", "multipart/digest", "-a", "Mime-Version: 1.0", str(path))
    assert (ours.code, plain(ours.out)) == (theirs.code, plain(theirs.out))


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "text/plain", "-C", 'u"t\\f', "utf8"],
        ["-c", "text/plain; format=flowed", "-C", "utf-8", "-N", "ab", "text"],
        ["-c", "text/plain", "-C", "utf-8", "-N", "na me é.txt", "text"],
        ["-c", "text/plain", "-N", "a;b", "text"],
        ["-cauto", "-CUTF-8", "-aX: 1", "-a", "  Y:2", "utf8"],
        ["-c", "a/b", "-C", "", "-a", "", "text"],
        ["-m", "multipart/alternative", "-a", "X: 1", "-e", "7bit", "text"],
        ["-m", "-N", "x", "-C", "y", "text"],
        ["-m", "-o", "-", "(", "-c", "auto", "text", ")"],
        ["-j", "(", "-m", "multipart/mixed", "-a", "Mime-Version: 1.0", "(", "-c", "text/plain",
         "text", ")", ")", "(", "-c", "text/html", "utf8", ")"],
        ["-c", "auto", "none"],
        ["-c", "auto", ")"],
        ["-c", "auto", "-o", "none/x", "text"],
        ["@none"],
    ],
    ids=lambda words: " ".join(words)[:60],
)  # fmt: skip
def test_command_lines_give_the_same(words: list[str], tmp_path: Path) -> None:
    ours, theirs = both(tmp_path, *words)
    assert ours.code == theirs.code
    if not ours.code:
        assert plain(ours.out) == plain(theirs.out)
    assert bool(ours.err) is bool(theirs.err)


@pytest.mark.parametrize(
    ("multipart", "section"),
    [
        (b'X: 1\nContent-Type: multipart/mixed;\n  boundary="AA"; foo=bar\nY: 2\n\npre\n--AA\n\nhi\n'
         b"--AA\n\nho\n--AAextra\n\n--aa--\nepilogue\n", b"\nnew\n"),
        (b'Content-Type: multipart/mixed; boundary="AA"\n\n--AA\n\nhi\n', b"\nnew"),
        (b"X: 1\nContent-Type: multipart/mixed; boundary=q\n\n", b"A: 1\n\nnew"),
    ],
    ids=["closed", "open", "no-parts"],
)  # fmt: skip
def test_sections_are_joined_alike(multipart: bytes, section: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(multipart)
    (tmp_path / "s").write_bytes(section)
    ours, theirs = both(tmp_path, "-j", "m", "s")
    assert (ours.code, plain(ours.out)) == (theirs.code, plain(theirs.out))
    first = Message(b"Mime-Version: 1.0\n" + multipart).root.children
    assert len(Message(b"Mime-Version: 1.0\n" + ours.out).root.children) >= len(first) + 1


@pytest.mark.parametrize("words", [["@-"], ["@args"]], ids=str)
def test_arguments_come_from_a_file_alike(words: list[str], tmp_path: Path) -> None:
    data = b"-c\n  auto\n\n# a comment\n-a\nX: 1\n&0\n-\nthe content\n"
    (tmp_path / "args").write_bytes(data.replace(b"&0\n-\nthe content\n", b"text\n"))
    ours, theirs = both(tmp_path, *words, data=data)
    assert ours == theirs
    assert ours.out.endswith((b"\n\nthe content\n", b"\n\nhello"))


@pytest.mark.parametrize(("words", "reason"), ACCEPTED, ids=lambda value: str(value)[:50])
def test_accepted_differences_are_still_there(
    words: list[str], reason: str, tmp_path: Path
) -> None:
    assert reason
    ours, theirs = both(tmp_path, *words)
    assert ours[:2] != theirs[:2]
