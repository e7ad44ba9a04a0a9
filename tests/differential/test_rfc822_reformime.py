"""Our structure beside that of Debian's `reformime -i`, over the whole corpus.

Where the two differ we follow the specification (rfc822 4.11); each such message is listed
with its reason, and a message that is not listed must agree.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from couriermail.rfc822 import (
    Message,
    decode_words,
    encode_addresses,
    encode_words,
    format_addresses,
    parse_address_list,
    read_delivery_status,
)

MESSAGES = Path(__file__).parents[1] / "data" / "messages"
PATHS = sorted(MESSAGES.glob("*/*.eml"))

LINE_END = "Courier: an embedded message keeps the line end before the delimiter (4.11.11)"
LAST_LINE = "Courier: a delimiter without line end at the end of the file is not seen"
LONGEST = "Courier: of two boundaries the shorter one wins (4.11.9)"
TYPE = "Courier: a value that has no semicolon is no type (4.11.16)"
DIFFERENT = {
    "mailparser-rfc/000": LINE_END,
    "mailparser-rfc/004": LINE_END,
    "rubymail/attachment_emails--attachment_with_quoted_filename": LAST_LINE,
    "rubymail/error_emails--missing_content_disposition": TYPE,
    "rubymail/mime_emails--email_with_similar_boundaries": LONGEST,
    "rubymail/mime_emails--raw_email_encoded_stack_level_too_deep": LAST_LINE,
    "rubymail/mime_emails--raw_email_with_mimepart_without_content_type": LINE_END,
    "rubymail/mime_emails--two_from_in_message": LAST_LINE,
    "rubymail/multi_charset--japanese_attachment": LAST_LINE,
    "rubymail/multi_charset--japanese_attachment_long_name": LAST_LINE,
    "rubymail/multipart_report_emails--multi_address_bounce1": LINE_END,
    "rubymail/multipart_report_emails--multi_address_bounce2": LINE_END,
}
Shape = list[tuple[str, str, int, int, int]]


def reformime(*arguments: str, data: bytes = b"") -> bytes:
    command = ["reformime", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False).stdout


def their_shape(data: bytes) -> Shape:
    shape = []
    for block in reformime("-i", data=data).decode("latin-1").split("\n\n"):
        found = dict(re.findall(r"^([a-z-]+): (.*)$", block, re.MULTILINE))
        if "section" in found:
            places = (int(found[f"{name}-pos"]) for name in ("starting", "ending"))
            start, end = places
            body = int(found["starting-pos-body"])
            shape.append((found["section"], found["content-type"], start, body, end))
    return shape


def our_shape(data: bytes) -> Shape:
    return [
        (part.section, str(part.content_type), part.span[0], *part.body_span)
        for part in Message(data).walk()
    ]


@pytest.mark.peer("reformime")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_structure_is_that_of_reformime(path: Path) -> None:
    data = path.read_bytes()
    is_same = our_shape(data) == their_shape(data)
    assert is_same is (f"{path.parent.name}/{path.stem}" not in DIFFERENT)


@pytest.mark.peer("reformime")
@pytest.mark.parametrize("path", PATHS[::4], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_bodies_are_decoded_as_by_reformime(path: Path) -> None:
    data = path.read_bytes()
    if our_shape(data) != their_shape(data):
        return  # the parts themselves differ, see above
    for part in Message(data).walk():
        if not part.entity.children and part.encoding == "quoted-printable" and part.body():
            assert part.decoded() == reformime("-e", "-s", part.section, data=data)


@pytest.mark.peer("reformime")
@pytest.mark.parametrize(
    "text", ["hello world", "éa", "ab é cd", "été à Paris", "a_b", "é  é", "x =?utf-8?q?y?= z"]
)
def test_text_is_encoded_as_by_reformime(text: str) -> None:
    theirs = reformime("-c", "utf-8", "-o", text).decode().removesuffix("\n")
    assert encode_words(text) == theirs
    assert decode_words(theirs) == text


@pytest.mark.peer("reformime")
@pytest.mark.parametrize(
    "value",
    [
        "a@example.com, B <b@example.com>",
        "list: a1 <a1@example.com>, a2 <a2@example.com>;",
        '"Hóla Smith (Accounting)" <user4@example.com>',
        "Mr. Nobody <n@example.com>",
        "a b c@d",
        "undisclosed-recipients: ;",
    ],
)
def test_addresses_are_encoded_as_by_reformime(value: str) -> None:
    theirs = reformime("-c", "utf-8", "-O", value).decode()
    ours = format_addresses(encode_addresses(parse_address_list(value)))
    assert ours == " ".join(theirs.split("\n  ")).removesuffix("\n")


@pytest.mark.peer("reformime")
def test_reports_are_read_as_by_reformime() -> None:
    seen = 0
    for path in PATHS:
        # Courier: reads only the first recipient where lines end with CRLF
        data = path.read_bytes().replace(b"\r\n", b"\n")
        theirs = reformime("-d", data=data).decode("latin-1").split("\n")[:-1]
        if not theirs:
            continue
        status = read_delivery_status(Message(data))
        assert status is not None
        found = status.recipients
        assert [f"{r.action} {r.final_address}" for r in found] == theirs, path.name
        seen += 1
    assert seen >= 3
