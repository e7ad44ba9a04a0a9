"""MIME/PGP without cryptography: what is signed, what is written, what is let in."""

from __future__ import annotations

import pytest
from tests.support.pgp import ToyEngine

from couriermail.rfc822 import (
    Message,
    Part,
    PgpError,
    PgpOutcome,
    PgpProgramError,
    decoded_status,
    encrypt_message,
    has_mimegpg,
    is_multipart_encrypted,
    is_multipart_signed,
    sign_message,
    unlock_message,
)

PLAIN = b"From: a@b\nSubject: hi\nMime-Version: 1.0\nContent-Type: text/plain\nX: 1\n\nhello\n"
MIXED = (
    b"Subject: x\nMime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\npre\n"
    b"--AA\nContent-Type: text/plain\nX-Own: 1\n\none\n"
    b"--AA\nContent-Type: message/rfc822\n\nSubject: in\n\ntwo\n"
    b"--AA--\nepilogue\n"
)


def signed(data: bytes) -> Message:
    return Message(b"".join(sign_message(Message(data), ToyEngine())))


def encrypted(data: bytes, *, each_part: bool = False) -> Message:
    return Message(b"".join(encrypt_message(Message(data), ToyEngine(), each_part=each_part)))


def unlocked(data: bytes | Message, engine: ToyEngine | None = None) -> Message:
    message = data if isinstance(data, Message) else Message(data)
    return Message(b"".join(unlock_message(message, engine or ToyEngine())))


def result(message: Message) -> tuple[int | None, str, bytes]:
    """Status, report and content of the first part that was unlocked."""
    part = next(part for part in message.walk() if decoded_status(part.entity) is not None)
    report, content = part.children
    start, end = content.span
    return decoded_status(part.entity), report.text(), message.data[start:end]


# -- signing -----------------------------------------------------------------------------------


def test_a_signed_message_has_the_parts_of_rfc_3156() -> None:
    message = signed(PLAIN)
    assert is_multipart_signed(message.root.entity)
    assert message.content_type.get("micalg") == "pgp-sha256"
    assert message.content_type.get("protocol") == "application/pgp-signature"
    assert [str(part.content_type) for part in message.walk()] == [
        "multipart/signed", "text/plain", "application/pgp-signature",
    ]  # fmt: skip


def test_content_fields_are_signed_and_others_stay_outside() -> None:
    engine = ToyEngine()
    made = b"".join(sign_message(Message(PLAIN), engine))
    assert engine.seen == [
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello\r\n"
    ]
    assert made.startswith(b"From: a@b\nSubject: hi\nMime-Version: 1.0\nX: 1\nContent-Type: mul")


@pytest.mark.parametrize(
    "body",
    [b"blank \n", b"tab\t\nx\n", b"From here\n", b"x\nFrom here\n", b"a\rb\n", b"a\0b\n", b"a\r"],
    ids=["blank", "tab", "from", "from-inside", "bare-cr", "nul", "cr-at-the-end"],
)
def test_what_transports_change_is_encoded_before_it_is_signed(body: bytes) -> None:
    message = signed(b"Subject: x\n\n" + body)
    content = message.root.children[0]
    assert content.encoding == "quoted-printable"
    assert content.decoded().rstrip(b"\n") == body.rstrip(b"\n")
    lines = content.body().split(b"\n")
    assert not any(line[-1:] in (b" ", b"\t", b"\r") or line[:5] == b"From " for line in lines)
    assert all(len(line) <= 76 for line in lines)


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_encoded_bodies_with_blanks_at_line_ends_are_encoded_anew(encoding: str) -> None:
    body = {"quoted-printable": b"a \nFrom b\n", "base64": b"YWJj \n"}[encoding]
    data = b"Mime-Version: 1.0\nContent-Transfer-Encoding: %s\n\n%s" % (encoding.encode(), body)
    content = signed(data).root.children[0]
    assert content.encoding == encoding
    assert content.decoded() == Message(data).root.decoded()
    assert b" \n" not in content.body()
    assert b"\nFrom " not in content.body()


def test_a_message_that_is_none_of_mime_becomes_one() -> None:
    message = signed(b"Subject: x\n\nhello\n")
    assert message.headers["Mime-Version"] == "1.0"
    assert result(unlocked(message)) == (0, "good", b"\nhello\n")


def test_eight_bit_text_is_made_seven_bit() -> None:
    message = signed("Subject: x\n\nhé\n".encode())
    assert message.data[:].isascii()
    assert message.root.children[0].text() == "hé\n"
    assert "by mimegpg" in message.headers["X-Mime-Autoconverted"]


def test_line_ends_of_the_message_are_kept_and_those_that_are_signed_are_crlf() -> None:
    for data in (MIXED, MIXED.replace(b"\n", b"\r\n")):
        engine = ToyEngine()
        made = b"".join(sign_message(Message(data), engine))
        assert engine.seen[0].count(b"\n") == engine.seen[0].count(b"\r\n")
        expected = made.count(b"\n") if b"\r\n" in data else 0
        assert made.count(b"\r\n") == expected
        assert result(unlocked(made))[0] == 0


def test_signing_that_fails_gives_nothing_but_the_report() -> None:
    engine = ToyEngine(PgpOutcome(status=2, report="no secret key"))
    with pytest.raises(PgpError, match="no secret key"):
        sign_message(Message(PLAIN), engine)
    silent = ToyEngine(PgpOutcome(status=2))
    with pytest.raises(PgpError, match="failed with code 2"):
        encrypt_message(Message(PLAIN), silent)


def test_a_digest_that_is_not_safe_is_refused() -> None:
    with pytest.raises(PgpError, match="digest"):
        sign_message(Message(PLAIN), ToyEngine(PgpOutcome(status=0, output=b"x", micalg="")))


# -- encrypting --------------------------------------------------------------------------------


def test_an_encrypted_message_has_the_parts_of_rfc_3156() -> None:
    engine = ToyEngine()
    message = Message(b"".join(encrypt_message(Message(PLAIN), engine)))
    assert is_multipart_encrypted(message.root.entity)
    assert message.root.children[0].body() == b"Version: 1\n"
    assert engine.seen == [b"Mime-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello\r\n"]
    assert message.headers.get("X") == "1"


def test_each_leaf_is_encrypted_where_it_is() -> None:
    message = encrypted(MIXED, each_part=True)
    assert [str(part.content_type) for part in message.root.children] == ["multipart/encrypted"] * 2
    assert message.data[:].startswith(MIXED[: MIXED.index(b"Content-Type: text/plain")])
    assert message.data[:].endswith(b"--AA--\nepilogue\n")
    assert message.root.children[0].headers["X-Own"] == "1"
    back = unlocked(message)
    contents = [part.children[1] for part in back.root.children]
    assert [part.headers["Mime-Version"] for part in contents] == ["1.0", "1.0"]
    assert contents[0].text() == "one"
    assert contents[1].children[0].text() == "two"


def test_signed_parts_are_encrypted_as_one() -> None:
    message = encrypted(signed(PLAIN).data[:], each_part=True)
    assert is_multipart_encrypted(message.root.entity)


def test_with_a_signature_all_is_encrypted_as_one() -> None:
    made = b"".join(encrypt_message(Message(MIXED), ToyEngine(), sign=True, each_part=True))
    assert is_multipart_encrypted(Message(made).root.entity)


@pytest.mark.parametrize(
    "data",
    [
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n--A",
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n--A\nX: 1\n--A--\n",
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n--A\n\n--A--\n",
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n",
        b"Mime-Version: 1.0\nContent-Type: text/plain",
        b"",
    ],
    ids=["cut", "cut-header", "empty-part", "no-parts", "no-body", "nothing"],
)
def test_empty_and_damaged_parts_can_be_encrypted(data: bytes) -> None:
    assert has_mimegpg(encrypted(data, each_part=True).root.entity)


def test_parts_behind_the_limits_are_not_left_readable() -> None:
    data = b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n" + b"\n--A\n\nx" * 400
    with pytest.raises(PgpError, match="too many parts"):
        encrypt_message(Message(data), ToyEngine(), each_part=True)


def test_a_boundary_like_the_armour_is_refused() -> None:
    data = MIXED.replace(b"AA", b"---BEGIN")
    with pytest.raises(PgpError, match="armour"):
        encrypt_message(Message(data), ToyEngine(), each_part=True)


# -- checking and decrypting -------------------------------------------------------------------


def test_a_signature_over_something_else_is_bad_and_the_content_is_there() -> None:
    changed = signed(PLAIN).data[:].replace(b"hello", b"HELLO")
    status, report, content = result(unlocked(changed))
    assert (status, report) == (1, "bad")
    assert content.endswith(b"HELLO\n")


def test_what_is_found_inside_other_parts_is_unlocked_too() -> None:
    inner = encrypted(PLAIN).data[:]
    data = (
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\n"
        b"--AA\nContent-Type: message/rfc822\n\n" + inner + b"\n--AA--\n"
    )
    message = unlocked(data)
    assert result(message)[0] == 0
    assert message.data[:].startswith(data[: data.index(b"From: a@b")])


def test_a_signature_inside_the_encryption_is_checked_at_once() -> None:
    message = unlocked(encrypted(signed(PLAIN).data[:]))
    statuses = [decoded_status(part.entity) for part in message.walk()]
    assert [status for status in statuses if status is not None] == [0, 0]


def test_only_what_was_asked_for_is_unlocked() -> None:
    for message in (signed(PLAIN), encrypted(PLAIN)):
        kept = unlock_message(message, ToyEngine(), verify=False, decrypt=False)
        assert b"".join(kept) == message.data
    kept = unlock_message(encrypted(PLAIN), ToyEngine(), decrypt=False)
    assert is_multipart_encrypted(Message(b"".join(kept)).root.entity)


def test_what_cannot_be_decrypted_leaves_an_empty_part_and_the_report() -> None:
    engine = ToyEngine(PgpOutcome(status=2, report="No secret key"))
    assert result(unlocked(encrypted(PLAIN), engine)) == (2, "No secret key", b"\n")


@pytest.mark.parametrize("make", [signed, encrypted])
def test_an_engine_that_does_not_run_is_told_in_the_message(make: object) -> None:
    class Broken(ToyEngine):
        def verify(self, payload: object, signature: bytes) -> PgpOutcome:
            raise PgpProgramError("gpg: No such file")

        def decrypt(self, ciphertext: bytes) -> PgpOutcome:
            raise PgpProgramError("gpg: No such file")

    assert callable(make)
    assert result(unlocked(make(PLAIN), Broken()))[:2] == (2, "gpg: No such file")


MALFORMED = {
    "one-part": (b"multipart/signed; protocol=application/pgp-signature", [b"text/plain"]),
    "other-protocol": (
        b"multipart/signed; protocol=application/pkcs7-signature",
        [b"text/plain", b"application/pgp-signature"],
    ),
    "no-protocol": (b"multipart/signed", [b"text/plain", b"application/pgp-signature"]),
    "swapped": (
        b"multipart/encrypted; protocol=application/pgp-encrypted",
        [b"application/octet-stream", b"application/pgp-encrypted"],
    ),
    "no-ciphertext": (
        b"multipart/encrypted; protocol=application/pgp-encrypted",
        [b"application/pgp-encrypted", b"text/plain"],
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_containers_stay_as_they_are(name: str) -> None:
    kind, types = MALFORMED[name]
    parts = b"".join(b"\n--B\nContent-Type: %s\n\nx" % found for found in types)
    data = b"Mime-Version: 1.0\nContent-Type: %s; boundary=B\n%s\n--B--\n" % (kind, parts)
    engine = ToyEngine()
    assert unlocked(data, engine).data == data
    assert engine.seen == []


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Type: multipart/x-mimegpg; xpgpstatus=0; boundary=B\n",
        b"content-type:\n Multipart/X-MIMEGPG\n ;xpgpstatus=0;\n boundary=B\n",
        b"Content-Type: multipart (x) /x-mimegpg; xpgpstatus=0; boundary=B\n",
        b'Content-Type: multipart/x-mimegpg; xpgpstatus=0\nContent-Type: multipart/mixed; boundary="B"\n',
    ],
    ids=["plain", "spelled", "comment", "first-of-two"],
)
def test_what_calls_itself_unlocked_is_renamed(field: bytes) -> None:
    rest = b"\n--B\nContent-Type: text/x-gpg-output\n\ngpg: Good signature\n--B\n\nforged\n--B--\n"
    message = unlocked(b"Mime-Version: 1.0\n" + field + rest)
    assert str(message.content_type) == "multipart/mixed"
    assert b"x-mimegpg" not in message.data[:].lower()
    assert message.data[:].endswith(rest)
    inside = unlocked(encrypted(b"Mime-Version: 1.0\n" + field + rest))
    assert inside.data[:].lower().count(b"x-mimegpg") == 1


def test_decrypted_content_cannot_end_the_part_that_it_stands_in() -> None:
    forged = b"x\n--aa\nContent-Type: multipart/x-mimegpg; xpgpstatus=0; boundary=F\n\n--AA--\n"
    secret = encrypted(b"Subject: x\n\n" + forged).data[:]
    data = (
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\n--AA\n"
        + secret
        + b"\n--AA--\n"
    )
    message = unlocked(data)
    assert len(message.root.children) == 1
    status, report, content = result(message)
    assert status == 2
    assert "left out" in report
    assert content == b"\n"


def test_the_report_is_text_and_no_structure() -> None:
    report = "gpg: \x1b[2Jé\n--AA\nContent-Type: multipart/x-mimegpg\r\n"
    engine = ToyEngine(PgpOutcome(status=1, report=report))
    data = b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\n--AA\n"
    message = unlocked(data + signed(PLAIN).data[:] + b"\n--AA--\n", engine)
    assert len(message.root.children) == 1
    part = message.root.children[0].children[0]
    assert part.encoding == "8bit"
    assert part.text() == "gpg:  [2Jé\n --AA\nContent-Type: multipart/x-mimegpg \n"


def test_the_engine_runs_a_hundred_times_at_most() -> None:
    part = b"\n--AA\n" + encrypted(PLAIN).data[:]
    data = b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n" + part * 120
    engine = ToyEngine()
    big = Message(data + b"\n--AA--\n")
    unlocked(big, engine)
    assert 90 <= len(engine.seen) <= 100


def test_containers_inside_each_other_are_opened_five_deep() -> None:
    data = PLAIN
    for _ in range(8):
        data = encrypted(data).data[:]
    engine = ToyEngine()
    unlocked(data, engine)
    assert len(engine.seen) == 5


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"multipart/x-mimegpg; xpgpstatus=7; boundary=B", 7),
        (b"multipart/x-mimegpg; xpgpstatus=-1; boundary=B", None),
        (b"multipart/x-mimegpg; boundary=B", None),
        (b"multipart/mixed; xpgpstatus=0; boundary=B", None),
        (b"multipart/x-mimegpg; xpgpstatus=0", None),
    ],
    ids=["status", "no-number", "none", "other-type", "no-parts"],
)
def test_the_status_is_read_from_the_type(header: bytes, expected: int | None) -> None:
    data = b"Mime-Version: 1.0\nContent-Type: %s\n\n--B\nContent-Type: text/x-gpg-output\n\n--B--\n"
    assert decoded_status(Message(data % header).root.entity) == expected


def test_what_is_signed_or_encrypted_is_found_at_any_depth() -> None:
    outer = b"Mime-Version: 1.0\nContent-Type: message/rfc822\n\n"
    assert has_mimegpg(Message(outer + signed(PLAIN).data[:]).root.entity)
    assert has_mimegpg(Message(outer + encrypted(PLAIN).data[:]).root.entity)
    assert not has_mimegpg(Message(outer + PLAIN).root.entity)


def test_a_signature_that_was_encoded_on_its_way_is_decoded() -> None:
    message = signed(PLAIN)
    signature: Part = message.root.children[1]
    start, end = signature.span
    encoded = (
        b"Content-Type: application/pgp-signature\nContent-Transfer-Encoding: quoted-printable\n\n"
        + signature.body().replace(b"E", b"=45")
    )
    changed = message.data[:start] + encoded + message.data[end:]
    assert result(unlocked(changed))[0] == 0


def test_an_outcome_does_not_show_what_was_decrypted() -> None:
    shown = repr(PgpOutcome(status=0, report="good", output=b"plaintext"))
    assert "good" in shown
    assert "plaintext" not in shown
