"""Fields as people read them: pinned cases 34 to 43 of spec rfc822 6.2, and 4.5."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    decode_addresses,
    decode_header,
    encode_addresses,
    fold_addresses,
    parse_address_list,
    wrap_addresses,
    wrap_header,
)

GROUP = "list: a1 <a1@example.com>, a2 <a2@example.com>;"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        pytest.param("To", "=?utf-8?q?a=2C_b?= <j@example.com>", '"a, b" <j@example.com>', id="34"),
        pytest.param("To", "u@xn--hla-gna.example.com", "u@hóla.example.com", id="35"),
        pytest.param("TO", '"Q \\"x\\" y" <a@b>', '"Q \\"x\\" y" <a@b>', id="quoted-once"),
        pytest.param("To", "a@b (=?utf-8?q?h=C3=A9?=)", "a@b (hé)", id="old-style-stays"),
        pytest.param("To", "a@b (x =?utf-8?q?=29?= y)", "a@b (x \\) y)", id="open-parenthesis"),
        pytest.param("To", "Mr. X <a@b>", '"Mr. X" <a@b>', id="dot"),
        pytest.param("To", "=?utf-8?q?a=3Ab?= <a@b>", '"a:b" <a@b>', id="colon"),
        pytest.param("To", "=?utf-8?q?a=3A?= <a@b>", "a: <a@b>", id="colon-at-the-end"),
        pytest.param("To", "=?utf-8?q?=28a=29?= <a@b>", "(a) <a@b>", id="parentheses-around"),
        pytest.param("To", "undisclosed-recipients: ;", "undisclosed-recipients: ;", id="group"),
        pytest.param("To", "a@b,\n\tc@d", "a@b, c@d", id="folded"),
        pytest.param("Subject", "=?utf-8?q?a=2C_b?=\n  <x>", "a, b <x>", id="text"),
        pytest.param("Subject", b"h\xe9", "hé", id="octets"),
    ],
)
def test_a_field_is_shown(name: str, value: str | bytes, shown: str) -> None:
    assert decode_header(name, value) == shown


@pytest.mark.parametrize(
    ("value", "folded"),
    [
        pytest.param(
            "Hóla <user@Hóla.example.com>, user@example.com (Hóla)",
            "=?utf-8?B?SMOzbGE=?= <user@xn--hla-gna.example.com>,\n"
            "  user@example.com (=?utf-8?B?SMOzbGE=?=)",
            id="36",
        ),
        pytest.param(
            GROUP, "list:\n  a1 <a1@example.com>,\n  a2 <a2@example.com>;", id="38"
        ),
    ],
)  # fmt: skip
def test_a_list_is_encoded_with_one_address_on_each_line(value: str, folded: str) -> None:
    elements = encode_addresses(parse_address_list(value))
    assert fold_addresses(elements, width=1, indent=2) == folded


def test_case_39_a_list_is_shown_with_one_address_on_each_line() -> None:
    lines = wrap_addresses(decode_addresses(parse_address_list(GROUP)), 1)
    assert " \n".join(lines) == "list: \na1 <a1@example.com>, \na2 <a2@example.com>;"


@pytest.mark.parametrize(
    ("name", "value", "width", "lines"),
    [
        pytest.param(
            "subject",
            "The quick brown fox jumped over the lazy dog's tail.",
            20,
            ["The quick brown fox ", "jumped over the ", "lazy dog's tail."],
            id="43",
        ),
        pytest.param("to", "日 <a@b>, c@d", 9, ["日 <a@b>,", "c@d"], id="cells"),
        pytest.param("subject", "", 20, [""], id="empty"),
    ],
)
def test_a_field_is_wrapped_for_a_terminal(
    name: str, value: str, width: int, lines: list[str]
) -> None:
    assert wrap_header(name, value, width) == lines
