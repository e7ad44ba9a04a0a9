"""`mimegpg`: its command line, messages and exit codes (spec rfc822 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import run_ours
from tests.support.pgp import ADDRESS, keyring

from couriermail.cli.mimegpg import OPTIONS_WITH_VALUE, SWITCHES, UsageError, read_command_line
from couriermail.cli.mimegpg_app import app
from couriermail.rfc822 import Message, decoded_status

PLAIN = b"From: a@b\nSubject: hi\n\nhello\n"
MIXED = (
    b"Subject: x\nMime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\n"
    b"--AA\nContent-Type: text/plain\n\none\n--AA\n\ntwo\n--AA--\n"
)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with keyring() as made:
        yield made


@pytest.fixture
def gpg_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GNUPGHOME", str(home))
    monkeypatch.delenv("GPG", raising=False)
    return home


def test_the_help_declares_the_options_that_are_read() -> None:
    options = {
        option
        for parameter in typer.main.get_command(app).params
        for option in parameter.opts
        if option.startswith("-")
    }
    assert options == {f"-{letter}" for letter in (*SWITCHES, *OPTIONS_WITH_VALUE)}


def test_the_help_is_shown() -> None:
    done = run_ours("mimegpg", "--help")
    assert done.code == 0
    assert b"Examples" in done.out
    assert b"Exit codes" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-z", "Unknown option: -z"),
        ("-s -z", "Unknown option: -z"),
        ("-se", "Unknown option: -se"),
        ("-s file", "Unknown option: file"),
        ("-", "Unknown option: -"),
        ("", "mimegpg: one of -s, -E, -e, -c and -d is needed."),
        ("-p 3", "mimegpg: one of -s, -E, -e, -c and -d is needed."),
        ("-- -s", "mimegpg: one of -s, -E, -e, -c and -d is needed."),
        ("-s -p", "mimegpg: -p takes the number of a descriptor that is not 0: ''"),
        ("-s -p x", "mimegpg: -p takes the number of a descriptor that is not 0: 'x'"),
        ("-s -p 0", "mimegpg: -p takes the number of a descriptor that is not 0: '0'"),
        (
            "-s -p 10000000003",
            "mimegpg: -p takes the number of a descriptor that is not 0: '10000000003'",
        ),
    ],
    ids=lambda words: words[:30] or "nothing",
)
def test_what_has_no_meaning_is_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_command_line(words.split())
    assert str(caught.value) == f"{message}\nTry 'mimegpg --help'."
    assert run_ours("mimegpg", *words.split(), data=PLAIN) == (
        1, b"", f"{message}\nTry 'mimegpg --help'.\n".encode(),
    )  # fmt: skip


def test_words_behind_two_dashes_are_for_gpg() -> None:
    request = read_command_line(["-s", "-p7", "-E", "--", "-r", "-s", "--", "x"])
    assert request.flags == {"sign", "encrypt"}
    assert request.descriptor == 7
    assert request.gpg_options == ["-r", "-s", "--", "x"]


@pytest.mark.peer("gpg", "gpgconf")
@pytest.mark.usefixtures("gpg_home")
class TestWithGpg:
    def test_signed_messages_are_found_good_and_changed_ones_bad(self) -> None:
        made = run_ours("mimegpg", "-s", data=PLAIN)
        assert (made.code, made.err) == (0, b"")
        checked = run_ours("mimegpg", "-c", data=made.out)
        assert (checked.code, checked.err) == (0, b"")
        assert decoded_status(Message(checked.out).root.entity) == 0
        changed = run_ours("mimegpg", "-c", data=made.out.replace(b"hello", b"HELLO"))
        assert (changed.code, changed.err) == (0, b"")
        assert decoded_status(Message(changed.out).root.entity) == 1

    @pytest.mark.parametrize(
        ("words", "containers"),
        [(["-E"], 1), (["-e"], 2), (["-s", "-E"], 1), (["-s", "-e"], 1), (["-e", "-E"], 1)],
        ids=["whole", "parts", "signed", "signed-parts", "both"],
    )
    def test_encrypted_messages_are_decrypted(self, words: list[str], containers: int) -> None:
        made = run_ours("mimegpg", *words, "--", "-r", ADDRESS, data=MIXED)
        assert (made.code, made.out.count(b"multipart/encrypted")) == (0, containers)
        opened = run_ours("mimegpg", "-d", data=made.out)
        statuses = [decoded_status(part.entity) for part in Message(opened.out).walk()]
        assert [status for status in statuses if status is not None] == [0] * containers
        assert opened.out.count(b"Good signature") == ("-s" in words)

    def test_making_wins_over_opening(self) -> None:
        made = run_ours("mimegpg", "-c", "-s", "-d", data=PLAIN)
        assert b"multipart/signed" in made.out

    def test_a_failure_writes_nothing_but_the_words_of_gpg(self) -> None:
        done = run_ours("mimegpg", "-E", "--", "-r", "nobody@example.com", data=PLAIN)
        assert (done.code, done.out) == (1, b"")
        assert done.err.startswith(b"ERROR: gpg: ")
        assert b"nobody@example.com" in done.err

    def test_the_passphrase_is_read_from_its_descriptor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secret").write_bytes(b"s3cret\nnot this\n")
        with keyring("s3cret") as home, (tmp_path / "secret").open("rb") as secret:
            monkeypatch.setenv("GNUPGHOME", str(home))
            words = ("-s", "-E", "-p", str(secret.fileno()), "--", "-r", ADDRESS)
            made = run_ours("mimegpg", *words, data=PLAIN)
            assert (made.code, made.err) == (0, b"")
            secret.seek(0)
            opened = run_ours("mimegpg", "-d", "-p", str(secret.fileno()), data=made.out)
        assert decoded_status(Message(opened.out).root.entity) == 0


def test_a_descriptor_that_is_not_open_is_an_error() -> None:
    done = run_ours("mimegpg", "-s", "-p", "999999", data=PLAIN)
    assert done == (1, b"", b"mimegpg: descriptor 999999: Bad file descriptor\n")


def test_the_program_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPG", "/nonexistent/gpg")
    done = run_ours("mimegpg", "-s", data=PLAIN)
    assert done == (1, b"", b"ERROR: /nonexistent/gpg: No such file or directory\n")


def test_a_message_without_signatures_needs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPG", "/nonexistent/gpg")
    assert run_ours("mimegpg", "-c", "-d", data=MIXED) == (0, MIXED, b"")
