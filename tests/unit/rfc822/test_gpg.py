"""Running gpg: arguments, secrets, limits, and which of its answers are believed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.pgp import ADDRESS, gpg, keyring

from couriermail.rfc822 import (
    Gpg,
    Message,
    PgpError,
    PgpProgramError,
    decoded_status,
    encrypt_message,
    sign_message,
    unlock_message,
)
from couriermail.rfc822.gpg_status import GpgStatus

PLAIN = b"From: a@b\nSubject: hi\nMime-Version: 1.0\nContent-Type: text/plain\n\nh\xc3\xa9llo \n"

# -- status lines ------------------------------------------------------------------------------

GOOD = "GOODSIG 1 x\n[GNUPG:] VALIDSIG 2"


@pytest.mark.parametrize(
    ("lines", "is_good"),
    [
        (GOOD, True),
        ("GOODSIG 1 x", False),
        ("VALIDSIG 2", False),
        (f"{GOOD}\n[GNUPG:] BADSIG 1 x", False),
        (f"{GOOD}\n[GNUPG:] ERRSIG 1 x", False),
        (f"{GOOD}\n[GNUPG:] EXPKEYSIG 1 x", False),
        (f"{GOOD}\n[GNUPG:] REVKEYSIG 1 x", False),
        ("NOTATION_DATA GOODSIG\n GOODSIG 1\nGOODSIG 1\nVALIDSIG 1", False),
    ],
    ids=["good", "no-validity", "no-name", "bad", "error", "expired", "revoked", "other-text"],
)
def test_a_signature_is_good_when_all_says_so(lines: str, is_good: bool) -> None:
    assert GpgStatus.parse(f"[GNUPG:] {lines}\n".encode()).has_good_signature == is_good


@pytest.mark.parametrize(
    ("number", "micalg"),
    [("8", "pgp-sha256"), ("10", "pgp-sha512"), ("2", ""), ("1", ""), ("99", ""), ("", "")],
)
def test_the_digest_is_that_of_the_signature(number: str, micalg: str) -> None:
    line = f"[GNUPG:] SIG_CREATED D 22 {number}\n".encode()
    assert GpgStatus.parse(line).micalg == micalg


def test_octets_that_are_no_text_are_no_error() -> None:
    assert GpgStatus.parse(b"\xff\n[GNUPG:]\n[GNUPG:] \xff \n").lines == (("\ufffd", ()),)


# -- the process -------------------------------------------------------------------------------

SCRIPT = """#!{python}
import os, sys
words = sys.argv[1:]
with open({log!r}, "ab") as log:
    for word in words:
        log.write(os.fsencode(word) + b"\\n")
    log.write(b"ENVIRONMENT " + b" ".join(os.environb.values()) + b"\\n")
def say(text):
    os.write(int(words[words.index("--status-fd") + 1]), text.encode())
def secret():
    return os.read(int(words[words.index("--passphrase-fd") + 1]), 100)
def work():
    return sys.stdin.buffer.read()
{body}
"""


class FakeGpg:
    """A program in the place of gpg, and what it was called with."""

    def __init__(self, directory: Path, body: str) -> None:
        self.path = directory / "gpg"
        self.log = directory / "log"
        self.path.write_text(SCRIPT.format(python=sys.executable, log=str(self.log), body=body))
        self.path.chmod(0o700)

    @property
    def words(self) -> list[str]:
        return self.log.read_text().split("\n")


def test_names_of_keys_are_no_options(tmp_path: Path) -> None:
    fake = FakeGpg(tmp_path, "work(); sys.exit(2)")
    engine = Gpg(program=str(fake.path), recipients=["--output=x", "-d", "a b"], signer="--yes")
    assert engine.encrypt([b"x"], sign=True).status == 2
    named = ["--recipient=--output=x", "--recipient=-d", "--recipient=a b", "--local-user=--yes"]
    assert set(named) <= set(fake.words)
    assert {"--output=x", "-d", "--yes"}.isdisjoint(fake.words)


def test_no_shell_sees_a_word(tmp_path: Path) -> None:
    fake = FakeGpg(tmp_path, "work(); sys.exit(2)")
    word = f"$(touch {shlex.quote(str(tmp_path / 'made'))})"
    Gpg(program=str(fake.path), recipients=[word]).encrypt([b""], sign=False)
    assert f"--recipient={word}" in fake.words
    assert not (tmp_path / "made").exists()


def test_the_passphrase_goes_through_a_descriptor_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = FakeGpg(
        tmp_path, "work(); sys.stderr.write(str(secret() == b'tr0ub4dor\\n')); sys.exit(2)"
    )
    engine = Gpg(program=str(fake.path), passphrase=b"tr0ub4dor")
    for _ in range(2):  # each run gets it anew
        assert engine.sign([b"x"]).report == "True"
    assert "tr0ub4dor" not in fake.log.read_text()
    assert "tr0ub4dor" not in repr(engine)
    assert "tr0ub4dor" not in "".join(capfd.readouterr())
    place = fake.words.index("--passphrase-fd")
    assert fake.words[place - 1] == "--batch"
    assert fake.words[place + 2 : place + 4] == ["--pinentry-mode", "loopback"]


@pytest.mark.parametrize("secret", [b"x" * 5000, b"two\nlines"], ids=["long", "lines"])
def test_a_passphrase_is_one_line(secret: bytes) -> None:
    with pytest.raises(PgpProgramError, match="passphrase"):
        Gpg(passphrase=secret).sign([b"x"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("work(); print('x')", 2),
        (
            "work(); print('[GNUPG:] SIG_CREATED D 22 8'); sys.stderr.write('[GNUPG:] SIG_CREATED D 22 8')",
            2,
        ),
        ("work(); say('[GNUPG:] SIG_CREATED D 22 8\\n'); print('x'); sys.exit(3)", 3),
        ("work(); os.kill(os.getpid(), 15)", 143),
    ],
    ids=["no-status", "status-on-other-descriptors", "exit-code", "signal"],
)
def test_success_needs_the_status_lines_and_the_exit_code(
    tmp_path: Path, body: str, status: int
) -> None:
    engine = Gpg(program=str(FakeGpg(tmp_path, body).path))
    for outcome in (engine.sign([b"x"]), engine.encrypt([b"x"], sign=True)):
        assert (outcome.status, outcome.output) == (status, b"")


def test_a_signature_is_not_good_because_the_exit_code_is(tmp_path: Path) -> None:
    engine = Gpg(program=str(FakeGpg(tmp_path, "work(); print('gpg: Good signature')").path))
    assert engine.verify([b"x"], b"y").status == 1


def test_a_plaintext_that_was_not_encrypted_is_not_given_out(tmp_path: Path) -> None:
    engine = Gpg(program=str(FakeGpg(tmp_path, "sys.stdout.buffer.write(work())").path))
    outcome = engine.decrypt(b"never encrypted")
    assert (outcome.status, outcome.output) == (2, b"")


def test_a_plaintext_with_a_bad_signature_is_given_out_with_its_status(tmp_path: Path) -> None:
    body = "work(); say('[GNUPG:] DECRYPTION_OKAY\\n[GNUPG:] REVKEYSIG 1 x\\n'); print('text')"
    outcome = Gpg(program=str(FakeGpg(tmp_path, body).path)).decrypt(b"x")
    assert (outcome.status, outcome.output) == (1, b"text\n")


def test_the_signature_comes_on_a_descriptor_and_the_text_on_standard_input(tmp_path: Path) -> None:
    body = (
        "data = work(); sys.stderr.write(repr((data, os.read(int(words[-2][2:]), 99), words[-3:])))"
    )
    engine = Gpg(program=str(FakeGpg(tmp_path, body).path), options=["--verbose"])
    report = engine.verify([b"te", b"", b"xt"], b"sig").report
    assert report.startswith("(b'text', b'sig', ['--', '-&")
    assert report.endswith("', '-'])")


def test_a_program_that_reads_nothing_is_no_error(tmp_path: Path) -> None:
    engine = Gpg(program=str(FakeGpg(tmp_path, "sys.stderr.write('no'); sys.exit(2)").path))
    outcome = engine.encrypt([b"x" * 100_000] * 50, sign=False)
    assert (outcome.status, outcome.report) == (2, "no")


def test_what_is_large_goes_through_in_both_directions(tmp_path: Path) -> None:
    body = (
        "while piece := os.read(0, 65536):\n"
        "    os.write(1, piece)\n"
        "    os.write(2, b'e' * 1000)\n"
        "say('[GNUPG:] END_ENCRYPTION\\n')"
    )
    engine = Gpg(program=str(FakeGpg(tmp_path, body).path))
    outcome = engine.encrypt((b"%07d\n" % number * 1000 for number in range(1000)), sign=False)
    assert outcome.status == 0
    assert len(outcome.output) == 8_000_000
    assert len(outcome.report) in (65_536, 65_537)


def test_what_does_not_end_is_stopped(tmp_path: Path) -> None:
    fake = FakeGpg(tmp_path, "import time\nwork()\ntime.sleep(60)")
    with pytest.raises(PgpProgramError, match="in time"):
        Gpg(program=str(fake.path), timeout=0.5).sign([b"x"])


def test_what_closes_its_output_and_does_not_end_is_stopped(tmp_path: Path) -> None:
    fake = FakeGpg(tmp_path, "import time\nos.closerange(0, 100)\ntime.sleep(60)")
    with pytest.raises(PgpProgramError, match="in time"):
        Gpg(program=str(fake.path), timeout=0.5).sign([b"x"])


def test_a_small_ciphertext_of_a_large_text_is_stopped(tmp_path: Path) -> None:
    fake = FakeGpg(tmp_path, "work()\nwhile True: os.write(1, b'x' * 65536)")
    with pytest.raises(PgpProgramError, match="more than 1000 octets"):
        Gpg(program=str(fake.path), max_output_bytes=1000).decrypt(b"x")


@pytest.mark.parametrize("program", ["/nonexistent/gpg", "a\0b"], ids=["missing", "nul"])
def test_a_program_that_cannot_be_started_is_an_error(program: str) -> None:
    with pytest.raises(PgpProgramError) as caught:
        Gpg(program=program).sign([b"x"])
    assert caught.value.is_temporary


def test_an_error_of_the_payload_ends_the_program(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise KeyError("payload")

    fake = FakeGpg(tmp_path, "work(); print('x')")
    with pytest.raises(KeyError):
        Gpg(program=str(fake.path)).sign(broken())


# -- the real program --------------------------------------------------------------------------

real = pytest.mark.peer("gpg", "gpgconf")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with keyring() as made:
        yield made


def unlocked(engine: Gpg, data: bytes) -> Message:
    return Message(b"".join(unlock_message(Message(data), engine)))


@real
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_what_gpg_signed_it_finds_good(home: Path, line_end: bytes) -> None:
    engine = Gpg(home=str(home), signer=ADDRESS)
    made = b"".join(sign_message(Message(PLAIN.replace(b"\n", line_end)), engine))
    message = unlocked(engine, made)
    assert decoded_status(message.root.entity) == 0
    assert "Good signature" in message.root.children[0].text()
    assert message.root.children[1].text() == "héllo \n"
    changed = unlocked(engine, made.replace(b"llo=20", b"LLO=20"))
    assert decoded_status(changed.root.entity) == 1
    assert "BAD signature" in changed.root.children[0].text()


@real
def test_gpg_alone_verifies_what_is_made(home: Path, tmp_path: Path) -> None:
    made = Message(b"".join(sign_message(Message(PLAIN), Gpg(home=str(home)))))
    content, signature = made.root.children
    start, end = content.span
    (tmp_path / "text").write_bytes(made.data[start:end].replace(b"\n", b"\r\n"))
    (tmp_path / "text.asc").write_bytes(signature.decoded())
    gpg(home, "--verify", str(tmp_path / "text.asc"), str(tmp_path / "text"))


@real
@pytest.mark.parametrize("sign", [False, True], ids=["encrypted", "signed-inside"])
def test_what_gpg_encrypted_it_decrypts(home: Path, sign: bool) -> None:
    engine = Gpg(home=str(home), recipients=[ADDRESS])
    made = b"".join(encrypt_message(Message(PLAIN), engine, sign=sign))
    assert b"\xc3\xa9llo" not in made
    message = unlocked(engine, made)
    assert decoded_status(message.root.entity) == 0
    assert ("Good signature" in message.root.children[0].text()) == sign
    assert message.root.children[1].decoded() == b"h\xc3\xa9llo \n"


@real
def test_a_passphrase_opens_the_key() -> None:
    with keyring("s3cret") as home:
        engine = Gpg(home=str(home), passphrase=b"s3cret", recipients=[ADDRESS])
        with pytest.raises(PgpError, match="passphrase"):
            sign_message(Message(PLAIN), Gpg(home=str(home), passphrase=b"wrong"))
        secret = b"".join(encrypt_message(Message(PLAIN), engine, sign=True))
        assert decoded_status(unlocked(engine, secret).root.entity) == 0


@real
def test_gpg_says_why_it_cannot(home: Path) -> None:
    with pytest.raises(PgpError, match="nobody@example"):
        encrypt_message(Message(PLAIN), Gpg(home=str(home), recipients=["nobody@example.com"]))
    with pytest.raises(PgpError, match="-d"):
        encrypt_message(Message(PLAIN), Gpg(home=str(home), recipients=["-d"]))


@real
def test_what_is_only_signed_does_not_pass_for_encrypted(home: Path) -> None:
    """A signed text in the place of a ciphertext: gpg gives it out and exits with 0."""
    inline = gpg(home, "-s", "-a", data=b"Content-Type: text/plain\n\nnot secret\n")
    made = Message(
        b"".join(encrypt_message(Message(PLAIN), Gpg(home=str(home), recipients=[ADDRESS])))
    )
    start, end = made.root.children[1].body_span
    message = unlocked(Gpg(home=str(home)), made.data[:start] + inline + made.data[end:])
    assert decoded_status(message.root.entity) == 2
    assert b"not secret" not in message.data[:]


@real
def test_a_ciphertext_that_was_changed_gives_no_text(home: Path) -> None:
    engine = Gpg(home=str(home), recipients=[ADDRESS])
    made = Message(b"".join(encrypt_message(Message(PLAIN), engine)))
    packets = gpg(home, "--dearmor", data=made.root.children[1].body())
    changed = gpg(home, "--enarmor", data=packets[:-5] + bytes([packets[-5] ^ 1]) + packets[-4:])
    start, end = made.root.children[1].body_span
    armour = changed.replace(b"ARMORED FILE", b"MESSAGE")
    message = unlocked(engine, made.data[:start] + armour + made.data[end:])
    assert (decoded_status(message.root.entity) or 0) > 0
    assert b"\xc3\xa9llo" not in message.data[:]


@real
def test_an_expired_key_makes_no_good_signature() -> None:
    with keyring() as home:
        engine = Gpg(home=str(home), options=["--batch"])
        made = b"".join(sign_message(Message(PLAIN), engine))
        late = Gpg(home=str(home), options=["--batch", "--faked-system-time", "20400101T000000"])
        fingerprint = _fingerprint(home)
        gpg(home, "--quick-set-expire", fingerprint, "1y")
        assert decoded_status(unlocked(engine, made).root.entity) == 0
        assert decoded_status(unlocked(late, made).root.entity) == 1


def _fingerprint(home: Path) -> str:
    lines = gpg(home, "--list-keys", "--with-colons").decode().split("\n")
    return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))
