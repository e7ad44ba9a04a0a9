"""The RFC 822 tokenizer: words, comments and specials of a structured header value.

The tokenizer never fails: what cannot be a token is skipped and recorded as a defect with
its place.  Work is linear in the input.  Source: spec rfc822 4.1, RFC 5322 3.2.
"""

from __future__ import annotations

from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Sequence
    from typing import Final

__all__ = ["ATOM", "COMMENT", "QUOTED", "SPECIAL", "Token", "format_tokens", "tokenize", "unquote"]

ATOM = "atom"
QUOTED = "quoted"
COMMENT = "comment"
SPECIAL = "special"

_WORDS = frozenset((ATOM, QUOTED, COMMENT))


class Token:
    """One token.  Values of this class are never changed after they were made.

    Attributes:
        kind: `ATOM`, `QUOTED`, `COMMENT` or `SPECIAL`.
        text: a quoted string without its quotes but with its backslashes, a comment with
            its parentheses, the character of a special, the text of an atom.
        start: index of the first character in the value.
        end: index behind the last one.
    """

    __slots__ = ("end", "kind", "start", "text")

    def __init__(self, kind: str, text: str, start: int = 0, end: int = 0) -> None:
        self.kind: Final = kind
        self.text: Final = text
        self.start: Final = start
        self.end: Final = end

    @property
    def is_word(self) -> bool:
        """True for atoms, quoted strings and comments."""
        return self.kind in _WORDS

    def __repr__(self) -> str:
        return f"Token({self.kind!r}, {self.text!r}, {self.start}, {self.end})"

    def __eq__(self, other: object) -> bool:
        """Tokens are equal when kind and text are; the place does not matter."""
        if not isinstance(other, Token):
            return NotImplemented
        return self.kind == other.kind and self.text == other.text

    def __hash__(self) -> int:
        return hash((self.kind, self.text))


def tokenize(value: str, on_error: Callable[[int], None] | None = None) -> list[Token]:
    """Splits a structured header value into tokens.

    Args:
        value: the value, folded or not.
        on_error: called with the character index of everything that was skipped or left
            open (a stray backslash or parenthesis, an unterminated string or comment).

    Returns:
        The tokens in order; white space is dropped.
    """
    tokens: list[Token] = []
    append = tokens.append
    match = (_pattern or _compile()).match
    report = on_error or _ignore
    position, length, in_angle = 0, len(value), False
    while position < length:
        found = match(value, position)
        if found is None:
            token = _read_irregular(value, position, report)
            position = token.end
            if token.text:
                append(token)
            continue
        kind, position = found.lastgroup, found.end()
        if kind is None:  # white space
            continue
        text = found[kind]
        if kind == SPECIAL and text in "<>":
            if (text == "<") is in_angle:  # spec 4.1.5: `<` inside `<`, `>` without `<`
                report(found.start())
                continue
            in_angle = not in_angle
            if text == ">" and tokens and tokens[-1].text == "<" and tokens[-1].kind == SPECIAL:
                append(Token(ATOM, "", found.start(), found.start()))
        append(Token(kind, text, found.start(), position))
    return tokens


def format_tokens(tokens: Iterable[Token]) -> str:
    """Prints tokens; a blank stands only between two adjacent words (spec 4.1)."""
    return _join(tokens, _print_token)


def unquote(tokens: Iterable[Token]) -> str:
    """The tokens as text: no quotes, no parentheses, escapes resolved (spec 4.1)."""
    return _join(tokens, _unquote_token)


def has_adjacent_words(tokens: Sequence[Token]) -> bool:
    """True when two words follow each other, which a bare addr-spec never has."""
    return any(first.is_word and second.is_word for first, second in pairwise(tokens))


def quote(text: str) -> str:
    """Text in double quotes; a backslash is put before bare quotes and a final lone backslash.

    Args:
        text: the inside of a quoted string, with the escapes it already has.
    """
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    pieces: list[str] = []
    position, length = 0, len(text)
    while position < length:
        char = text[position]
        if char == "\\" and position + 1 < length:
            pieces.append(text[position : position + 2])
            position += 2
            continue
        pieces.append("\\" + char if char in '"\\' else char)
        position += 1
    return f'"{"".join(pieces)}"'


def _ignore(_position: int) -> None:
    """The default error callback."""


_pattern: re.Pattern[str] | None = None
_escape: re.Pattern[str] | None = None
_parenthesis: re.Pattern[str] | None = None


def _compile() -> re.Pattern[str]:
    """Compiles on first use: importing `re` costs a short-lived command eight milliseconds."""
    global _pattern, _escape, _parenthesis  # noqa: PLW0603 - compiled once per process
    import re

    word = r"[^\s()<>\[\]:;@\\,.\"?]*+"
    # Possessive quantifiers: no input makes the pattern go back (spec 8.18).
    _pattern = re.compile(
        rf"""
        [\ \t\r\n\f\v]++
        | (?P<{ATOM}>  [^\ \t\r\n\f\v<>@,;:.\[\]()%!"\\?=/]++
                       # RFC 2047 2: three `?` before the end make an encoded word
                     | =\?{word}\?{word}\?{word}\?= )
        | "(?P<{QUOTED}> (?:[^"\\]++|\\.)*+ )"
        | (?P<{SPECIAL}> [<>@,;:.\[\]%!?=/] )
        """,
        re.VERBOSE | re.DOTALL,
    )
    _escape = re.compile(r"\\(.)", re.DOTALL)
    _parenthesis = re.compile(r"[()]|\\.", re.DOTALL)
    return _pattern


def _read_irregular(value: str, position: int, report: Callable[[int], None]) -> Token:
    """Reads what the pattern does not: comments, open strings, stray characters."""
    char = value[position]
    if char == "(":
        end = _find_comment_end(value, position)
        if end:
            return Token(COMMENT, value[position:end], position, end)
        report(position)  # spec 4.1.1: the rest becomes a quoted token with its `(`
        return Token(QUOTED, value[position:], position, len(value))
    report(position)
    if char == '"':  # spec 4.1.2: the rest is the text
        return Token(QUOTED, value[position + 1 :], position, len(value))
    return Token(SPECIAL, "", position, position + 1)  # `)` or `\`: skipped


def _find_comment_end(value: str, start: int) -> int:
    """Index behind the `)` that closes the comment, 0 when it stays open."""
    assert _parenthesis is not None  # noqa: S101 - _compile ran before
    depth = 0
    for found in _parenthesis.finditer(value, start):
        char = found[0]
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return found.end()
    return 0


def _join(tokens: Iterable[Token], render: Callable[[Token], str]) -> str:
    pieces: list[str] = []
    after_word = False
    for token in tokens:
        is_word = token.kind in _WORDS
        if is_word and after_word:
            pieces.append(" ")
        pieces.append(render(token))
        after_word = is_word
    return "".join(pieces)


def _print_token(token: Token) -> str:
    return quote(token.text) if token.kind == QUOTED else token.text


def _unquote_token(token: Token) -> str:
    text = token.text
    if token.kind == COMMENT:
        text = text[1:-1]
    if token.kind != SPECIAL and "\\" in text:
        if _escape is None:
            _compile()
        assert _escape is not None  # noqa: S101 - _compile sets it
        text = _escape.sub(r"\1", text)
    return text
