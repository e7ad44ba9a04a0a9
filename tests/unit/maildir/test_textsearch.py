"""Looking for words in text that comes in pieces (spec maildir 4.18)."""

from __future__ import annotations

import pytest

from couriermail.maildir import InvalidNameError, TextSearch


@pytest.mark.parametrize(
    ("needle", "text", "found"),
    [
        ("hello world", "say HELLO \r\n\t World!", True), ("  a\n b ", "xA  by", True),
        ("ab", "a b", False), ("ΟΔΟΣ", "οδος οδοσ", True), ("İx", "ix", True), ("é", "É", True),
        ("aab", "aaab", True), ("x", "", False),
    ],
)  # fmt: skip
def test_case_and_white_space_do_not_matter(needle: str, text: str, found: bool) -> None:
    whole, by_character = TextSearch(needle), TextSearch(needle)
    assert whole.feed(text) is found
    for char in text:
        by_character.feed(char)
    assert by_character.found is found


def test_found_stays_until_the_next_text() -> None:
    search = TextSearch.from_bytes(b"r\xe9sum\xe9", "iso-8859-1")
    assert [search.feed("RÉS"), search.feed("UMÉ"), search.feed("")] == [False, True, True]
    search.restart()
    assert not search.feed("UMÉ")


@pytest.mark.parametrize(("needle", "charset"), [(b" \t", "utf-8"), (b"\xff", "utf-8"),
                                                 (b"x", "no-such"), (b"", "utf-8")])  # fmt: skip
def test_what_cannot_be_looked_for_is_refused(needle: bytes, charset: str) -> None:
    with pytest.raises(InvalidNameError):
        TextSearch.from_bytes(needle, charset)
