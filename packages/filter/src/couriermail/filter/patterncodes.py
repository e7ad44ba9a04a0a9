"""Small pieces of PCRE2's syntax: character codes, POSIX brackets, groups and their references."""

from __future__ import annotations

from couriermail.filter.errors import FilterError

__all__ = ["GroupReferences", "PatternError", "character_code", "is_name", "posix_end"]

_DIGITS = {16: frozenset("0123456789abcdefABCDEF"), 8: frozenset("01234567")}


class PatternError(FilterError):
    """A pattern that is wrong, or right in PCRE2 but beyond this engine.

    Attributes:
        reason: what is the matter.
        offset: where, in characters.
        is_unsupported: True when PCRE2 would take the pattern.
    """

    def __init__(self, reason: str, offset: int, *, is_unsupported: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.is_unsupported = is_unsupported


def character_code(text: str, at: int) -> tuple[int, int]:
    r"""The code that `\x..`, `\x{..}`, `\o{..}` or `\0..` at `at` stands for, and where it ends.

    Raises:
        PatternError: there is none.
    """
    kind = text[at + 1]
    base, most = (16, 2) if kind == "x" else (8, 3)
    start = at + 2 if kind in "xo" else at + 1
    if kind in "xo" and text[start : start + 1] == "{":
        return _braced(text, start, base)
    if kind == "o":
        raise PatternError("missing opening brace after \\o", at)
    end = start
    while end < min(start + most, len(text)) and text[end] in _DIGITS[base]:
        end += 1
    return int(text[start:end] or "0", base), end


def _braced(text: str, start: int, base: int) -> tuple[int, int]:
    end = text.find("}", start)
    digits = text[start + 1 : end] if end > 0 else ""
    if not digits or not set(digits) <= _DIGITS[base] or len(digits) > 8:
        raise PatternError("character code is not a number in braces", start - 2)
    return int(digits, base), end + 1


def posix_end(text: str, at: int) -> int:
    """Where a `[:name:]`, `[.x.]` or `[=x=]` that begins at `at` ends; 0 when none does."""
    sign = text[at + 1 : at + 2]
    if not sign or sign not in ":.=":
        return 0
    at += 2
    while at + 1 < len(text):
        pair = text[at : at + 2]
        if pair == f"{sign}]":
            return at + 2
        if pair[0] == "]" or pair == f"[{sign}":
            return 0
        at += 2 if pair in ("\\]", "\\\\") else 1
    return 0


def is_name(text: str) -> bool:
    """True for what can be the name of a group."""
    return text.replace("_", "a").isalnum() and not text[0].isdigit()


class GroupReferences:
    """The groups of a pattern that is being read, and what refers to them."""

    def __init__(self) -> None:
        self._count = 0
        self._names: set[str] = set()
        self._references: list[tuple[str, int]] = []

    def open(self, source: str) -> None:
        """The start of a group."""
        self._count += source == "(" or source.startswith("(?P<")
        if source.startswith("(?P<"):
            self._names.add(source[4:-1])

    def refer(self, group: str, at: int) -> None:
        """A reference to a group by number or name."""
        self._references.append((group, at))

    def check(self) -> None:
        """At the end of the pattern.

        Raises:
            PatternError: there is no such group.
        """
        for group, at in self._references:
            is_there = int(group) <= self._count if group.isdigit() else group in self._names
            if not is_there:
                raise PatternError("reference to non-existent subpattern", at)
