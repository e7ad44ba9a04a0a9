"""Patterns against lines and strings, and their weights (spec filter 4.8).

Most patterns of real recipes never reach the `regex` engine.  A pattern made of literals
joined by `.*`, with or without groups, is searched for by `chains`; any other one is given up
at once when one of the literals that it must contain does not occur.  Only what is left imports
the engine (20 ms of start-up), compiles and runs it, under a time limit because patterns can be
exponential.
"""

from __future__ import annotations

from couriermail.filter.chains import ChainSearch
from couriermail.filter.pcre import PatternError, translate
from couriermail.filter.values import to_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol, TypeVar

    T = TypeVar("T", str, bytes)
    T_co = TypeVar("T_co", str, bytes, covariant=True)

    class _Match(Protocol[T_co]):
        """What is used of a match of `regex`, which ships no types."""

        def __getitem__(self, group: int) -> T_co: ...
        def groups(self) -> tuple[T_co | None, ...]: ...
        def end(self) -> int: ...

    class _Pattern(Protocol[T]):
        """What is used of a compiled pattern."""

        def search(
            self, subject: T, pos: int, endpos: int, *, timeout: float
        ) -> _Match[T] | None: ...
        def finditer(self, subject: T, *, timeout: float) -> Iterator[_Match[T]]: ...

    from couriermail.filter.translation import Translation

__all__ = ["CompiledPattern", "Found", "Options", "PatternError", "Subject", "parse_options"]

Found = tuple[bytes, ...]
"""The matched text and the text of each group; an unset group is empty."""

_NUMBER_START = frozenset(b"+-.0123456789")


class Options:
    """The options behind a pattern.

    Attributes:
        headers: `h`: headers of the message and of its parts; the default.
        main_header: `H`: the message's own header only.
        body: `b`: the bodies.
        case_sensitive: `D`.
        weight: the score of the first match, or None without scoring.
        factor: what the score is multiplied with from match to match.
    """

    __slots__ = ("body", "case_sensitive", "factor", "headers", "main_header", "weight")

    def __init__(self, letters: bytes, weight: float | None, factor: float) -> None:
        selects = any(letter in letters for letter in b"hHb")
        is_whole = not selects and b"w" in letters
        self.main_header = b"H" in letters and b"h" not in letters
        self.headers = b"h" in letters or is_whole or not (selects or is_whole)
        self.body = b"b" in letters or is_whole
        self.case_sensitive = b"D" in letters
        self.weight = weight
        self.factor = factor


def parse_options(text: bytes) -> Options:
    """Read option letters and `[xxx][,yyy]`; letters behind the numbers count as well."""
    at = 0
    while at < len(text) and text[at] not in _NUMBER_START:
        at += 1
    if at == len(text):
        return Options(text, None, 1.0)
    weight, _, factor = text[at:].partition(b",")
    has_factor = bool(factor) and factor[0] in _NUMBER_START
    return Options(text, to_number(weight), to_number(factor) if has_factor else 1.0)


class Subject:
    """Lines that are searched together, or one string.

    Attributes:
        raw: the lines, joined by LF, with one LF before and one behind; just LF when empty.
        is_ascii: True when byte patterns may be used.
    """

    __slots__ = ("_folded", "_text", "is_ascii", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.is_ascii = raw.isascii()
        self._folded: bytes | None = None
        self._text: str | None = None

    @classmethod
    def of_lines(cls, text: bytes) -> Subject:
        """Lines with their line ends; each is searched up to its first NUL."""
        if b"\0" in text:
            cut = [line.partition(b"\0")[0] for line in text[:-1].split(b"\n")]
            text = b"\n".join([*cut, b""])
        return cls(b"\n" + text)

    @property
    def folded(self) -> bytes:
        """The lines in lower case, as far as they are ASCII."""
        if self._folded is None:
            self._folded = self.raw.lower()
        return self._folded

    @property
    def text(self) -> str | None:
        """The lines as text, or None where they are not UTF-8."""
        if self._text is None:
            try:
                self._text = self.raw.decode("utf-8")
            except UnicodeDecodeError:
                return None
        return self._text


class CompiledPattern:
    """One pattern after substitution.

    Args:
        pattern: the pattern.
        case_sensitive: False to fold letters.
        seconds: the longest that one search may take; a longer one counts as no match.

    Raises:
        PatternError: the pattern is wrong or not supported.
    """

    __slots__ = ("_case_sensitive", "_chain", "_engines", "_pattern", "_required", "_seconds")

    def __init__(self, pattern: bytes, *, case_sensitive: bool, seconds: float) -> None:
        try:
            self._pattern = pattern.partition(b"\0")[0].decode("utf-8")
        except UnicodeDecodeError as error:
            raise PatternError("UTF-8 error: illegal byte", error.start) from None
        self._case_sensitive = case_sensitive
        self._seconds = seconds
        self._engines: dict[tuple[bool, bool], _Engine] = {}
        first = translate(self._pattern, in_block=True, is_ascii=True)
        folds = not case_sensitive
        self._chain = None if first.chain is None else ChainSearch(first.chain, folds=folds)
        self._required = self._folded(first.required)

    def first_line(self, subject: Subject) -> Found | None:
        """The leftmost match in the first line that has one."""
        return next(self.lines(subject), None)

    def lines(self, subject: Subject) -> Iterator[Found]:
        """The first match of every line that has one."""
        if len(subject.raw) < 2 or not self._may_match(subject):
            return iter(())
        if not subject.is_ascii and subject.text is None:
            return iter(())  # spec filter 4.8: not UTF-8 is no match
        if self._chain is not None and (subject.is_ascii or self._case_sensitive):
            haystack = subject.raw if self._case_sensitive else subject.folded
            return self._chain.lines(subject.raw, haystack)
        return self._engine(in_block=True, is_ascii=subject.is_ascii).lines(subject, self._seconds)

    def first_in(self, text: bytes) -> Found | None:
        """The leftmost match in a string, which may contain line ends."""
        text = text.partition(b"\0")[0]
        subject = Subject(b"\n%b\n" % text)
        if b"\n" not in text:
            return self.first_line(subject)
        if not self._may_match(subject):
            return None
        return next(self.all_in(text), None)

    def all_in(self, text: bytes) -> Iterator[Found]:
        """Every match in a string, from left to right."""
        text = bytes(text.partition(b"\0")[0])
        engine = self._engine(in_block=False, is_ascii=text.isascii())
        return engine.occurrences(text, self._seconds)

    def _folded(self, literals: tuple[str, ...]) -> tuple[bytes, ...]:
        encoded = tuple(literal.encode() for literal in literals)
        return encoded if self._case_sensitive else tuple(text.lower() for text in encoded)

    def _may_match(self, subject: Subject) -> bool:
        if not self._required or not (subject.is_ascii or self._case_sensitive):
            return True  # outside ASCII other letters fold to these (U+017F, U+212A)
        haystack = subject.raw if self._case_sensitive else subject.folded
        return all(literal in haystack for literal in self._required)

    def _engine(self, *, in_block: bool, is_ascii: bool) -> _Engine:
        key = (in_block, is_ascii)
        engine = self._engines.get(key)
        if engine is None:
            made = translate(self._pattern, in_block=in_block, is_ascii=is_ascii)
            if in_block and not made.is_block_safe:
                made = translate(self._pattern, in_block=False, is_ascii=is_ascii)
                in_block = False
            engine = _Engine(
                made, in_block=in_block, is_ascii=is_ascii, case_sensitive=self._case_sensitive
            )
            self._engines[key] = engine
        return engine


class _Engine:
    """A pattern compiled by `regex` for one kind of subject."""

    __slots__ = ("_bytes", "_in_block", "_text")

    def __init__(
        self,
        made: Translation,
        *,
        in_block: bool,
        is_ascii: bool,
        case_sensitive: bool,
    ) -> None:
        import regex

        flags = regex.VERSION1 | (0 if case_sensitive else regex.IGNORECASE)
        if in_block:
            flags |= regex.MULTILINE
        self._in_block = in_block
        self._bytes: _Pattern[bytes] | None = None
        self._text: _Pattern[str] | None = None
        try:
            if is_ascii and not made.needs_text:
                self._bytes = regex.compile(made.source.encode("ascii"), flags)
            else:
                # (?-f): PCRE2 folds one character to one, never `ss` to U+00DF
                self._text = regex.compile(f"(?-f:{made.source})", flags)
        except (regex.error, OverflowError, RecursionError) as error:
            raise _engine_error(error) from None

    def lines(self, subject: Subject, seconds: float) -> Iterator[Found]:
        if not self._in_block:
            yield from self._one_by_one(subject.raw[1:-1].split(b"\n"), seconds)
            return
        if self._bytes is not None:
            yield from self._block_bytes(self._bytes, subject.raw, seconds)
        elif self._text is not None and subject.text is not None:
            yield from self._block_text(self._text, subject.text, seconds)

    def _block_bytes(self, pattern: _Pattern[bytes], raw: bytes, seconds: float) -> Iterator[Found]:
        at, stop = 1, len(raw) - 1
        while at <= stop and (match := _timed(pattern, raw, at, stop, seconds)) is not None:
            yield (match[0], *(group or b"" for group in match.groups()))
            at = raw.find(b"\n", match.end()) + 1

    def _block_text(self, pattern: _Pattern[str], text: str, seconds: float) -> Iterator[Found]:
        at, stop = 1, len(text) - 1
        while at <= stop and (match := _timed(pattern, text, at, stop, seconds)) is not None:
            yield tuple((group or "").encode() for group in (match[0], *match.groups()))
            at = text.find("\n", match.end()) + 1

    def _one_by_one(self, lines: list[bytes], seconds: float) -> Iterator[Found]:
        try:
            for line in lines:
                found = next(self._every(line, seconds), None)
                if found is not None:
                    yield found
        except TimeoutError:
            return  # one line that takes too long ends the search: the time stays bounded

    def occurrences(self, text: bytes, seconds: float) -> Iterator[Found]:
        try:
            yield from self._every(text, seconds)
        except (TimeoutError, UnicodeDecodeError):
            return  # spec filter 4.8: a match error counts as no match

    def _every(self, text: bytes, seconds: float) -> Iterator[Found]:
        if self._bytes is not None:
            for match in self._bytes.finditer(text, timeout=seconds):
                yield (match[0], *(group or b"" for group in match.groups()))
        elif self._text is not None:
            for found in self._text.finditer(text.decode("utf-8"), timeout=seconds):
                yield tuple((group or "").encode() for group in (found[0], *found.groups()))


def _timed(
    pattern: _Pattern[T], subject: T, at: int, stop: int, seconds: float
) -> _Match[T] | None:
    try:
        return pattern.search(subject, at, stop, timeout=seconds)
    except TimeoutError:
        return None  # spec filter 4.8: a match error counts as no match


def _engine_error(error: Exception) -> PatternError:
    reason = getattr(error, "msg", None) or str(error)
    reason = _PCRE_WORDS.get(reason, reason)
    return PatternError(reason, getattr(error, "pos", None) or 0)


_PCRE_WORDS = {
    "missing )": "missing closing parenthesis",
    "nothing to repeat": "quantifier does not follow a repeatable item",
    "multiple repeat": "quantifier does not follow a repeatable item",
}
