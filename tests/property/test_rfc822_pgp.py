"""Laws of MIME/PGP, for any octets; the cryptography is a toy, but for the last law."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.pgp import ADDRESS, ToyEngine, keyring

from couriermail.rfc822 import (
    Gpg,
    Message,
    PgpError,
    decoded_status,
    encrypt_message,
    has_mimegpg,
    sign_message,
    unlock_message,
)
from couriermail.rfc822.gpg_status import GpgStatus

# Pieces that mean something to MIME, so that parts, damage and forged results are common.
_PIECES = st.sampled_from(
    [
        b"\n", b"\r\n", b"\r", b"\n\n", b"--A", b"--A--", b"--B\n", b"--=_", b" \n", b"From x\n",
        b"Mime-Version: 1.0\n", b"Content-Type: multipart/mixed; boundary=A\n",
        b"Content-Type: multipart/signed; boundary=B; protocol=application/pgp-signature\n",
        b"Content-Type: multipart/encrypted; boundary=B; protocol=application/pgp-encrypted\n",
        b"Content-Type: application/pgp-signature\n", b"Content-Type: application/pgp-encrypted\n",
        b"Content-Type: application/octet-stream\n", b"Content-Type: message/rfc822\n",
        b"Content-Type: multipart/x-mimegpg; xpgpstatus=0; boundary=A\n", b"Subject: x\n",
        b"Content-Transfer-Encoding: base64\n", b"Content-Type: text/plain; charset=x\n",
        b"Content-Transfer-Encoding: quoted-printable\n", b"h\xc3\xa9", b"\0", b"word ", b"=20",
    ]
)  # fmt: skip
octets = st.lists(st.one_of(_PIECES, st.binary(max_size=8)), max_size=14).map(b"".join)


def unlocked(data: bytes) -> Message:
    return Message(b"".join(unlock_message(Message(data), ToyEngine())), strict_mime=False)


def lines_of(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


@given(octets)
@example(b"Mime-Version: 1.0\n\na\r")
@example(b"Content-Type: multipart/mixed; boundary=A\n\n--A")
@example(b"\n--A\r")
@settings(max_examples=250)
def test_what_was_signed_verifies_and_is_what_stands_in_the_result(data: bytes) -> None:
    """After transport through our parser, what `sign_message` signed verifies."""
    engine = ToyEngine()
    made = b"".join(sign_message(Message(data), engine))
    message = Message(made)
    checker = ToyEngine()
    checked = Message(b"".join(unlock_message(message, checker)))
    assert decoded_status(checked.root.entity) == 0
    assert engine.seen[0] == checker.seen[0]  # exactly what was signed is what is checked
    if b"\r" in data.replace(b"\r\n", b""):
        return  # what its lines are is a matter of opinion
    # with other line ends on the way it verifies too (RFC 3156 5)
    assert decoded_status(unlocked(lines_of(made)).root.entity) == 0
    assert decoded_status(unlocked(lines_of(made).replace(b"\n", b"\r\n")).root.entity) == 0


@given(octets, st.booleans())
@settings(max_examples=250)
def test_what_was_encrypted_comes_back(data: bytes, each_part: bool) -> None:
    """Decrypting what `encrypt_message` made gives the content back, line ends aside."""
    engine = ToyEngine()
    try:
        made = b"".join(encrypt_message(Message(data), engine, each_part=each_part))
    except PgpError:
        assert each_part
        return
    assert has_mimegpg(Message(made, strict_mime=False).root.entity)
    checker = ToyEngine()
    b"".join(unlock_message(Message(made), checker, verify=False))
    decrypted = {checker.decrypt(ciphertext).output for ciphertext in list(checker.seen)}
    assert set(engine.seen) <= decrypted
    assert all(b"\n" not in payload.replace(b"\r\n", b"") for payload in engine.seen)


@given(octets)
@settings(max_examples=300)
def test_what_is_not_protected_stays_octet_for_octet(data: bytes) -> None:
    """A message without OpenPGP parts and without forged results is not changed."""
    message = Message(data, strict_mime=False)
    result = b"".join(unlock_message(message, ToyEngine()))
    if not has_mimegpg(message.root.entity) and b"x-mimegpg" not in data:
        assert result == data


@given(octets)
@settings(max_examples=300)
def test_no_result_gets_in_from_outside(data: bytes) -> None:
    """Every part that says it is a result was made by this run of the engine."""
    engine = ToyEngine()
    made = b"".join(unlock_message(Message(data), engine))
    results = [
        part
        for part in Message(made, strict_mime=False).walk()
        if decoded_status(part.entity) is not None
    ]
    assert len(results) <= len(engine.seen)


@given(st.binary(max_size=80))
def test_status_lines_may_be_anything(data: bytes) -> None:
    """Reading what came on the status descriptor raises nothing."""
    status = GpgStatus.parse(b"[GNUPG:] " + data)
    assert isinstance(status.micalg, str)
    assert not (status.has_good_signature and status.has_doubtful_signature)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with keyring() as made:
        yield made


@pytest.mark.peer("gpg", "gpgconf")
@given(data=octets)
@settings(max_examples=12, deadline=None)
def test_gpg_agrees(home: Path, data: bytes) -> None:
    """The first two laws hold with the real program."""
    gpg = Gpg(home=str(home), recipients=[ADDRESS], timeout=60)
    signed = b"".join(sign_message(Message(data), gpg))
    checked = Message(b"".join(unlock_message(Message(signed), gpg)))
    assert decoded_status(checked.root.entity) == 0
    secret = b"".join(encrypt_message(Message(data), gpg, sign=True))
    opened = Message(b"".join(unlock_message(Message(secret), gpg)))
    assert decoded_status(opened.root.entity) == 0
