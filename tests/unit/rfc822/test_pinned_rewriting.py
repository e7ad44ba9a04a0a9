"""The pinned cases of spec rfc822 6.6, by number: what `reformime -r` makes of a message."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import Message
from couriermail.rfc822.autoconvert import Autoconvert

MV = "Mime-Version: 1.0\n"
NOTE = "X-Mime-Autoconverted: from {} to {} by app\n"
LONG = "x" * 630
SIGNED = (
    MV + "Content-Type: multipart/signed; boundary=A\n\n--A\n"
    "Content-Type: text/plain; charset=utf-8\n\nhé\n--A\n\nsignature\n--A--\nepilogue\n"
)
CLEAN = (
    MV + "Content-Type: multipart/mixed; boundary=A\n\npreamble\n--A\n"
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\nx\n--A--\nend\n"
)
PLAIN = "Content-Type: text/plain; charset=UTF-8\n"


def convert(text: str, mode: str) -> str:
    message = Message(text.encode(), strict_mime=False)
    conversion = Autoconvert(message, mode, charset="UTF-8", agent="app", add_version=True)
    return b"".join(conversion.pieces()).decode()


CASES = [
    pytest.param(
        "standardize",
        "Subject: x\n\nhé\n",
        f"Subject: x\n{MV}{PLAIN}Content-Transfer-Encoding: 8bit\n\nhé\n",
        id="86",
    ),
    pytest.param(
        "sevenbit",
        "Subject: x\n\nhé\n",
        f"Subject: x\n{MV}{PLAIN}Content-Transfer-Encoding: quoted-printable\n"
        f"{NOTE.format('8bit', 'quoted-printable')}\nh=C3=A9\n",
        id="87",
    ),
    pytest.param(
        "standardize",
        f"{MV}Subject: x\n\nhello\n",
        f"{MV}Subject: x\n{PLAIN}Content-Transfer-Encoding: 7bit\n\nhello\n",
        id="88",
    ),
    pytest.param(
        "standardize",
        f"{MV}{PLAIN}Content-Transfer-Encoding: 8bit\n\nhello\n",
        f"{MV}{PLAIN}Content-Transfer-Encoding: 7bit\n{NOTE.format('8bit', '7bit')}\nhello\n",
        id="89",
    ),
    pytest.param(
        "eightbit",
        f"{MV}{PLAIN}Content-Transfer-Encoding: quoted-printable\n\nh=C3=A9 =\nx\n",
        f"{MV}{PLAIN}Content-Transfer-Encoding: 8bit\n"
        f"{NOTE.format('quoted-printable', '8bit')}\nhé x\n",
        id="90",
    ),
    pytest.param(
        "eightbit_always",
        f"{MV}{PLAIN}Content-Transfer-Encoding: quoted-printable\n\n{LONG[:70]}=\n{LONG[70:]}\n",
        f"{MV}{PLAIN}Content-Transfer-Encoding: 7bit\n"
        f"{NOTE.format('quoted-printable', '7bit')}\n{LONG}\n",
        id="91-always",
    ),
    pytest.param(
        "sevenbit",
        f"{MV}{PLAIN}Content-Transfer-Encoding: 7bit\n\n{LONG[:600]}\n",
        f"{MV}{PLAIN}Content-Transfer-Encoding: quoted-printable\n"
        f"{NOTE.format('7bit', 'quoted-printable')}\n" + ("x" * 73 + "=\n") * 8 + "x" * 16 + "\n",
        id="92",
    ),
    pytest.param(
        "sevenbit",
        f"{MV}Content-Type: text/plain; charset=utf-8; format=flowed\n"
        "Content-Transfer-Encoding: 8bit\n\nhé\n",
        f"{MV}Content-Type: text/plain; charset=utf-8; format=flowed\n"
        f"Content-Transfer-Encoding: quoted-printable\n{NOTE.format('8bit', 'quoted-printable')}\n"
        "h=C3=A9\n",
        id="96",
    ),
]


@pytest.mark.parametrize(("mode", "before", "after"), CASES)
def test_the_pinned_message_is_rewritten(mode: str, before: str, after: str) -> None:
    assert convert(before, mode) == after
    assert convert(after, "standardize") == after


ALL = ["standardize", "sevenbit", "eightbit", "eightbit_always"]
UNCHANGED = [
    pytest.param(
        f"{MV}{PLAIN}Content-Transfer-Encoding: quoted-printable\n\n"
        + (LONG[:70] + "=\n") * 9 + "x\n",
        ["standardize", "sevenbit", "eightbit"],
        id="91",
    ),
    pytest.param(f"{MV}{PLAIN}Content-Transfer-Encoding: base64\n\naGVs\n", ALL, id="93"),
    pytest.param(SIGNED, ALL, id="94"),
    pytest.param(CLEAN, ALL, id="95"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "modes"), UNCHANGED)
def test_the_pinned_message_stays_as_it_is(text: str, modes: list[str]) -> None:
    for mode in modes:
        assert convert(text, mode) == text
