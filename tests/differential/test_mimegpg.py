"""Our `mimegpg` beside Debian's (of the package sqwebmail): each opens what the other made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours, run_peer
from tests.support.pgp import ADDRESS, keyring

from couriermail.rfc822 import Message, Part, decoded_status

PEER = Path("/usr/bin/mimegpg")  # where `run_peer` looks; PATH may have ours
LEFTOVERS = Path("/tmp")
NEW_LINE = b"\n"
FOR_ME = ["--", "--batch", "-r", ADDRESS]
MESSAGES = {
    "plain": b"From: a@b\nSubject: hi\n\nhello\nworld\n",
    "no-last-line-end": b"From: a@b\n\nhello",
    "mime": (
        b"From: a@b\nMime-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
        b"Content-Transfer-Encoding: 8bit\nX-Own: 1\n\nh\xe9\n"
    ),
    "mixed": (
        b"Subject: x\nMime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\npre\n"
        b"--AA\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        b"h\xc3\xa9\n--AA\nContent-Type: message/rfc822\n\nSubject: in\n\ntwo\n--AA--\nepilogue\n"
    ),
}  # fmt: skip

pytestmark = [
    pytest.mark.peer("mimegpg", "gpg", "gpgconf"),
    pytest.mark.skipif(not PEER.exists(), reason="peer absent: mimegpg"),
]
messages = pytest.mark.parametrize("name", MESSAGES)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with keyring() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def peers_leftovers() -> Iterator[None]:
    """Courier: leaves files in /tmp, whatever TMPDIR says; those of these tests are removed."""
    before = set(LEFTOVERS.glob("mimegpg.??????"))
    yield
    for file in set(LEFTOVERS.glob("mimegpg.??????")) - before:
        file.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def gpg_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(home))
    monkeypatch.delenv("GPG", raising=False)


def ours(*words: str, data: bytes) -> Done:
    return run_ours("mimegpg", *words, data=data)


def theirs(*words: str, data: bytes) -> Done:
    return run_peer("mimegpg", *words, data=data)


def outline(data: bytes) -> list[str]:
    """The types of all parts, the status where there is one, and what texts decode to.

    Courier: ends a last line that has no end, and gives embedded messages MIME fields.
    """
    return [_describe(part) for part in Message(data, strict_mime=False).walk()]


def _describe(part: Part) -> str:
    kind = str(part.content_type)
    status = decoded_status(part.entity)
    if status is not None:
        return f"{kind} {status}"
    if kind == "text/x-gpg-output":
        # times and file names aside
        return " ".join(re.findall(r"Good signature|BAD signature|encrypted with", part.text()))
    has_parts = part.is_multipart or part.children
    return kind if has_parts else f"{kind} {part.decoded().removesuffix(NEW_LINE)!r}"


@messages
@pytest.mark.parametrize(
    ("make", "opening"),
    [(["-s"], "-c"), (["-E", *FOR_ME], "-d"), (["-e", *FOR_ME], "-d"), (["-s", "-E", *FOR_ME], "-d")],
    ids=["signed", "encrypted", "encrypted-parts", "signed-and-encrypted"],
)  # fmt: skip
def test_each_opens_what_the_other_made(name: str, make: list[str], opening: str) -> None:
    opened = []
    for maker in (ours, theirs):
        made = maker(*make, data=MESSAGES[name])
        assert made.code == 0
        by_us, by_them = ours(opening, data=made.out), theirs(opening, data=made.out)
        assert (by_us.code, by_them.code) == (0, 0)
        assert outline(by_us.out) == outline(by_them.out)
        opened.append(outline(by_us.out))
    assert opened[0] == opened[1]
    assert any(line == "multipart/x-mimegpg 0" for line in opened[0])


@messages
def test_both_keep_the_same_fields_outside(name: str) -> None:
    """Courier: writes no Mime-Version where there was none; ours does (RFC 2045 4)."""
    for words in (["-s"], ["-E", *FOR_ME]):
        fields = [
            [field.raw for field in Message(run(*words, data=MESSAGES[name]).out).headers
             if field.key not in (b"content-type", b"mime-version")]
            for run in (ours, theirs)
        ]  # fmt: skip
        assert fields[0] == fields[1]


@messages
def test_changed_text_is_bad_for_both(name: str) -> None:
    made = ours("-s", data=MESSAGES[name]).out
    content = Message(made).root.children[0]
    place = content.span[1] - 1
    changed = made[:place] + b"#" + made[place + 1 :]
    for run in (ours, theirs):
        done = run("-c", data=changed)
        assert (done.code, decoded_status(Message(done.out, strict_mime=False).root.entity)) == (
            0,
            1,
        )


@messages
def test_what_is_not_signed_stays_octet_for_octet(name: str) -> None:
    data = MESSAGES[name]
    assert ours("-c", "-d", data=data).out == data
    # Courier: adds a line end to a message that does not end with one.
    assert theirs("-c", "-d", data=data).out.rstrip(b"\n") == data.rstrip(b"\n")


def test_a_result_from_outside_is_renamed_by_both() -> None:
    made = theirs("-s", data=MESSAGES["plain"]).out
    checked = theirs("-c", data=made).out
    for run in (ours, theirs):
        again = Message(run("-c", data=checked).out, strict_mime=False)
        assert str(again.content_type) == "multipart/mixed"
        assert again.content_type.get("xpgpstatus") == "0"


@pytest.mark.parametrize("words", [["-z"], ["-se"], ["file"], ["-s", "file"], []], ids=str)
def test_both_refuse_the_same_words(words: list[str]) -> None:
    assert (ours(*words, data=b"").code, theirs(*words, data=b"").code) == (1, 1)


def test_failures_end_with_1_and_ours_write_nothing() -> None:
    """Courier: leaves half a message, and the text behind it may be readable (2.5)."""
    words = ["-E", "--", "--batch", "-r", "nobody"]
    us, them = (run(*words, data=MESSAGES["plain"]) for run in (ours, theirs))
    assert (us.code, them.code) == (1, 1)
    assert us.out == b""
    assert them.out != b""
    assert us.err.startswith(b"ERROR: gpg: ")
    assert them.err.startswith(b"ERROR: gpg: ")


def test_only_ours_names_the_digest_that_was_used() -> None:
    """Courier: says pgp-sha1 whatever gpg used (spec rfc822 8.16)."""
    digests = [
        Message(run("-s", data=MESSAGES["mime"]).out).content_type.get("micalg")
        for run in (ours, theirs)
    ]
    assert digests[0] != digests[1] == "pgp-sha1"


def test_only_ours_keeps_signed_parts_whole() -> None:
    """Courier: -e encrypts the parts of a signed part one by one, and the signature is void."""
    signed = ours("-s", data=MESSAGES["plain"]).out
    types = [
        str(Message(run("-e", *FOR_ME, data=signed).out, strict_mime=False).content_type)
        for run in (ours, theirs)
    ]
    assert types == ["multipart/encrypted", "multipart/signed"]
