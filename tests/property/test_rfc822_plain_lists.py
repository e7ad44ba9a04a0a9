"""Law of the reading of plain address lists without patterns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import address

pieces = st.sampled_from(
    ["a@b", "<a.b@c>", " ", "  ", "Joe", '"Doe J"', '"Doe  J"', "'", '"', ",", "Ann-Lee", "<", "> ",
     ">", "a+b=c@d-e.f", "x@", "@y", ".", "\t", "=", "-", "a@b@c", "=?utf-8?q?J=C3_x?=",
     "=?x?B?AA==?=", "=?utf-8?q?a!-b*?=", "?", "=?a?q??=", "\n ", "é", "\x1f", "\x85", "²"]
)  # fmt: skip


@given(st.lists(pieces, max_size=8).map("".join))
def test_what_is_read_without_patterns_is_what_patterns_give(text: str) -> None:
    """RFC 5322 3.4 in two ways: the short one, which loads no `re`, and the usual one."""
    stripped = text.strip(" \t\r\n\f\v")
    plain = address._read_plain_list(stripped)
    if plain is not None:
        address._compile()
        usual = address._read_simple_list(stripped)
        assert usual is not None
        assert [(a.name, a.addr, str(a)) for a in plain] == [
            (a.name, a.addr, str(a)) for a in usual
        ]
