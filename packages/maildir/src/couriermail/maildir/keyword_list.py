"""The table of keywords of a folder as text (spec maildir 3.8): the file `:list`.

    $Work
    todo

    1795334130.M992265P2029.host:0 1

One keyword per line, an empty line, then one line per message with the numbers of its keywords.
Messages without keywords are not listed.  Snapshots of a folder hold the same text.

Pure functions; `keyword_store` has the files.
"""

from __future__ import annotations

from couriermail.maildir.errors import InvalidNameError
from couriermail.maildir.names import MaildirKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    Keywords: TypeAlias = tuple[str, ...]
    """The keywords of one message, sorted and without repeats."""
    KeywordTable: TypeAlias = dict[MaildirKey, Keywords]
else:
    Keywords = KeywordTable = object  # `typing` costs 12 ms to import

__all__ = [
    "KeywordTable",
    "Keywords",
    "distinct_keywords",
    "fold_keyword",
    "format_keyword_list",
    "format_keywords",
    "parse_keyword_list",
    "parse_keywords",
    "unify_spellings",
]

_MOST_DIGITS = 9  # of a keyword's number; a longer one names no line of any real file


def distinct_keywords(keywords: Iterable[str]) -> list[str]:
    """Keywords without repeats; ASCII case does not matter and the first spelling stays.

    Raises:
        InvalidNameError: an empty keyword, one with a line end or NUL, or no valid Unicode.
    """
    checked = list(keywords)
    for keyword in checked:
        if not keyword or any(char in "\n\r\0" for char in keyword):
            raise InvalidNameError(f"not a keyword: {keyword!r}")
        try:
            _encode(keyword)
        except UnicodeEncodeError:
            raise InvalidNameError(f"keyword is not valid Unicode: {keyword!r}") from None
    return _first_spellings(checked)


def fold_keyword(keyword: str) -> bytes:
    """What two spellings of one keyword have in common: only ASCII letters are folded."""
    return _encode(keyword).lower()


def format_keywords(keywords: Iterable[str]) -> bytes:
    """The contents of the file of one message: a keyword per line, sorted.

    Raises:
        InvalidNameError: see `distinct_keywords`.
    """
    return _encode("".join(f"{keyword}\n" for keyword in sorted(distinct_keywords(keywords))))


def parse_keywords(data: bytes) -> Keywords:
    """Read the file of one message; empty lines are passed over."""
    return tuple(sorted(_first_spellings(filter(None, _decode(data).split("\n")))))


def parse_keyword_list(data: bytes) -> KeywordTable:
    """Read a table; lines and numbers that make no sense are passed over."""
    head, _, body = _decode(data).partition("\n\n")
    names = head.split("\n")
    table: KeywordTable = {}
    for line in body.split("\n"):
        key, colon, numbers = line.partition(":")
        chosen = [names[number] for number in _numbers(numbers) if number < len(names)]
        if key and colon and any(chosen):
            table[MaildirKey(key)] = tuple(sorted(_first_spellings(filter(None, chosen))))
    return table


def format_keyword_list(table: Mapping[MaildirKey, Iterable[str]]) -> bytes:
    """Write a table, keywords and messages in bytewise order; empty when there are none.

    Raises:
        InvalidNameError: a message name that cannot be written.
    """
    unified = unify_spellings(table)
    names = sorted({keyword for keywords in unified.values() for keyword in keywords})
    numbers = {name: str(number) for number, name in enumerate(names)}
    lines = [*names, ""] if names else []
    for key in sorted(unified):
        if not key or any(char in "\n\0:/" for char in key):
            raise InvalidNameError(f"not a message name: {key!r}")
        if unified[key]:
            lines.append(f"{key}:{' '.join(numbers[name] for name in unified[key])}")
    return _encode("".join(f"{line}\n" for line in lines))


def unify_spellings(table: Mapping[MaildirKey, Iterable[str]]) -> KeywordTable:
    """The same table with one spelling per keyword: that of the first message by name."""
    spellings: dict[bytes, str] = {}
    unified: KeywordTable = {}
    for key in sorted(table):
        found = {spellings.setdefault(fold_keyword(word), word) for word in table[key]}
        unified[key] = tuple(sorted(found))
    return unified


def _first_spellings(keywords: Iterable[str]) -> list[str]:
    kept: dict[bytes, str] = {}
    for keyword in keywords:
        kept.setdefault(fold_keyword(keyword), keyword)
    return list(kept.values())


def _numbers(text: str) -> list[int]:
    words = text.split(" ")
    return [int(word) for word in words if word.isdecimal() and len(word) <= _MOST_DIGITS]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")  # what is no UTF-8 comes back unchanged
