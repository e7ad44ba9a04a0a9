"""Encoded words: pinned cases 1 to 19 of spec rfc822 6.1."""

from __future__ import annotations

import re

import pytest

from couriermail.rfc822 import decode_runs, decode_words, encode_words


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        pytest.param("hello world", "hello world", id="1"),
        pytest.param("éa", "=?utf-8?B?w6lh?=", id="2"),
        pytest.param("ab é cd", "ab =?utf-8?B?w6k=?= cd", id="3"),
        pytest.param("été à Paris", "=?utf-8?B?w6l0w6kgw6A=?= Paris", id="4-merged"),
        pytest.param("a_b", "=?utf-8?B?YV9i?=", id="5"),
        pytest.param(
            '"John Q Public"',
            "=?utf-8?B?IkpvaG4=?= Q =?utf-8?Q?Public=22?=",
            id="6-no-leading-escape",
        ),
        pytest.param("tab\té", "tab\t=?utf-8?B?w6k=?=", id="7"),
        pytest.param("é  é", "=?utf-8?B?w6kgIMOp?=", id="8"),
        pytest.param("abc =?utf-8?q?x?= def", "abc =?utf-8?B?PT91dGYtOD9xP3g/PQ==?= def", id="9"),
        pytest.param("cafe\u0301", "=?utf-8?B?Y2FmZcyB?=", id="19-combining-mark"),
    ],
)
def test_words_are_encoded(text: str, encoded: str) -> None:
    assert encode_words(text) == encoded
    assert decode_words(encoded) == text


def test_case_10_latin_1_keeps_its_label_and_octets() -> None:
    assert encode_words("hÃ©", "iso-8859-1") == "=?iso-8859-1?B?aMOp?="


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        pytest.param(
            "=?iso-8859-1?Q?H=F3la!?= test =?iso-8859-1?Q?H=F3la!_?=  =?iso-8859-1?Q?H=F3la!?=  test",
            "Hóla! test Hóla! Hóla!  test",
            id="11",
        ),
        pytest.param("=?utf-8?q?a?=x=?utf-8?q?b?=", "axb", id="12"),
        pytest.param("=?utf-8?B?4pyT?==?utf-8?B?4pyT?=", "✓✓", id="13"),
        pytest.param("=?utf-8*en?q?lang?=", "lang", id="14"),
        pytest.param("=?utf-8?x?abc?= z", "=?utf-8?x?abc?= z", id="15-unknown-encoding"),
        pytest.param("=?utf-8?q?unterminated", "=?utf-8?q?unterminated", id="16"),
        pytest.param("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é", id="17-split-character"),
        pytest.param("=?unknown-8bit?q?=e9?=", "=?unknown-8bit?q?=e9?=", id="18-unknown-charset"),
        pytest.param("=?utf-8?q??=", "", id="empty-word"),
        pytest.param("=?utf-8?q?a=ZZb?=", "aZZb", id="bad-escape-is-dropped"),
        pytest.param("=?utf-8?b?w6k?=", "é", id="no-padding"),
        pytest.param("=?utf-8?b?w6k=!?=", "é", id="foreign-character"),
        pytest.param("=?utf-8?q?=FF?=", "<FF>", id="not-utf-8"),
        pytest.param("=?unicode_escape?q?=5Cx41?=", "=?unicode_escape?q?=5Cx41?=", id="no-charset"),
        pytest.param("=?x-sjis?b?k/o=?=", "日", id="alias"),
        pytest.param("=?utf-8?q?a_b?= =?iso-8859-1?q?=E9?=", "a bé", id="two-charsets"),
    ],
)
def test_words_are_decoded_and_what_cannot_be_stays(encoded: str, text: str) -> None:
    assert decode_words(encoded) == text


def test_defects_have_their_place() -> None:
    found: list[tuple[int, str]] = []
    decode_words("ab =?nope?q?x?= =?utf-8?q?=Z?=", lambda index, what: found.append((index, what)))
    assert found == [(3, "unknown charset 'nope'"), (16, "damaged encoded word")]


def test_runs_name_charset_and_language() -> None:
    runs = decode_runs("a =?UTF-8*EN?q?b?= =?utf-8*en?q?c?=")
    assert [(run.charset, run.language, run.octets) for run in runs] == [
        (None, "", b"a "),
        ("utf-8", "en", b"bc"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("é" * 200, id="one-long-word"),
        pytest.param("👩\u200d👩\u200d👧 " * 30, id="joined-emoji"),
        pytest.param("e" + "\u0301" * 200, id="endless-cluster"),
        pytest.param("wörter " * 40, id="many-words"),
        pytest.param("a_b" * 100, id="ascii-that-needs-encoding"),
    ],
)
def test_no_encoded_word_is_longer_than_75_characters(text: str) -> None:
    encoded = encode_words(text)
    assert max(map(len, re.split(r"[ \t]", encoded))) <= 75
    assert decode_words(encoded) == text


def test_a_charset_that_lacks_characters_gives_way_to_utf8() -> None:
    assert decode_words(encode_words("日本", "iso-8859-1")) == "日本"
    assert encode_words("é", "utf-16") == "=?utf-8?B?w6k=?="
