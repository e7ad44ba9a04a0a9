r"""The character sets of PCRE2 without its UCP option, as the inside of a bracket expression.

`\w`, `\d`, `\s` and the POSIX classes are ASCII only; `\h` and `\v` are not.
"""

from __future__ import annotations

__all__ = ["FOREIGN", "POSIX", "SETS", "WITH_LINE_END", "WORD", "has_letters"]

WORD = "0-9A-Za-z_"
POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\x0b\f\r",
    "upper": "A-Z",
    "word": WORD,
    "xdigit": "0-9A-Fa-f",
}
# POSIX classes that hold the line end
WITH_LINE_END = frozenset(("ascii", "cntrl", "space"))
FOREIGN = r"(?-i:[\u017f\u212a])"
"""LATIN SMALL LETTER LONG S and KELVIN SIGN fold to the ASCII letters s and k; a character does in
a pattern, but a set of ASCII letters does not contain them."""

SETS = {
    "d": "0-9",
    "w": WORD,
    "s": r" \t\n\x0b\f\r",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0b\f\r\x85\u2028\u2029",
}


def has_letters(sets: str) -> bool:
    """True when a set, in whole or negated, speaks of the letters s or k."""
    return any(found in sets for found in ("a-z", "A-Z", "!-~", " -~", r"\x7f"))
