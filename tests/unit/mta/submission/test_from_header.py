"""sendmail's From rules (spec mta.md 7.3, 19.4)."""

from __future__ import annotations

import pytest

from couriermail.mta.fromheader import SenderIdentity, rewrite_from
from couriermail.rfc822 import Headers

WHO = SenderIdentity

CASES = {
    "-F replaces the name": (
        b"From: John Smith <user@original>\n",
        WHO(option_name="From User"),
        b"From: From User <user@original>\n",
    ),
    "MAILUSER and MAILHOST": (
        b"From: <user@original>\n",
        WHO(mail_user="u", mail_host="h.example"),
        b"From: u@h.example\n",
    ),
    "MAILNAME beats -F in an existing one": (
        b"From: user@original\n",
        WHO(option_name="Option", mail_name="Mail Name"),
        b"From: Mail Name <user@original>\n",
    ),
    "NAME beats -F in an existing one": (
        b"From: user@original\n",
        WHO(option_name="Option", name="Name"),
        b"From: Name <user@original>\n",
    ),
    "-F beats MAILNAME in a made one": (
        b"",
        WHO(option_name="Option", mail_name="Mail Name", login="me"),
        b"From: Option <me>\n",
    ),
    "NAME beats the passwd entry in a made one": (
        b"",
        WHO(name="Name", full_name="Full", login="me"),
        b"From: Name <me>\n",
    ),
    "the passwd entry": (
        b"Subject: x\n",
        WHO(full_name="Alice A. Tester", login="alice"),
        b'Subject: x\nFrom: "Alice A. Tester" <alice>\n',
    ),
    "MAILUSER before the login name": (b"", WHO(mail_user="u", login="me"), b"From: u\n"),
    "MAILHOST in a made one": (b"", WHO(mail_host="h", login="me"), b"From: me@h\n"),
    "second ones are dropped": (
        b"From: a@b\nX: y\nFrom: c@d\nFrom: e@f\n",
        WHO(login="me"),
        b"From: a@b\nX: y\n",
    ),
    "the user of every address": (
        b"From: a@b, c@d\n",
        WHO(mail_user="u"),
        b"From: u@b, u@d\n",
    ),
    "a host keeps the first only": (
        b"From: a@b, c@d\n",
        WHO(mail_host="h"),
        b"From: a@h\n",
    ),
    "no usable address": (
        b"From: ()\n",
        WHO(mail_user="u", full_name="Full Name", login="me"),
        b"From: Full Name <u>\n",
    ),
    "names beyond ASCII are encoded": (
        b"From: a@b\n",
        WHO(option_name="J\u00f6rg"),
        b"From: =?utf-8?B?SsO2cmc=?= <a@b>\n",
    ),
    "quotes and backslashes are encoded": (
        b"",
        WHO(full_name='Al T. "x"', login="me"),
        b"From: Al =?utf-8?B?VC4gIngi?= <me>\n",
    ),
}


@pytest.mark.parametrize(("block", "identity", "expected"), CASES.values(), ids=CASES)
def test_from(block: bytes, identity: SenderIdentity, expected: bytes) -> None:
    found = rewrite_from(Headers(block + b"\n"), identity).raw
    assert found.lower() == expected.lower() + b"\n"


def test_a_header_without_an_empty_line_gets_one() -> None:
    assert rewrite_from(Headers(b"X: y"), WHO(login="me")).raw == b"X: y\nFrom: me\n\n"
