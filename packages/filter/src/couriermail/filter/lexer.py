"""Recipe text to tokens (spec filter 4.1), without looking further than it is asked to.

The scanner is called token by token because the language's errors depend on it: a message
about a quote that is never closed must not appear before an earlier mistake in the grammar.
The only state carried from token to token is the kind of the last one, which decides whether
`/` begins a pattern, a path or a division.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EMBEDDED_FORBIDDEN", "KEYWORDS", "Lexer", "Token"]

KEYWORDS = frozenset(
    b"lt le gt ge eq ne to cc length substr if elsif else while exception echo xfilter system"
    b" dotlock flock logfile log include exit foreach getaddr lookup escape tolower toupper"
    b" hasaddr gdbmopen gdbmclose gdbmfetch gdbmstore time import unset".split()
)

EMBEDDED_FORBIDDEN = frozenset(b"to cc xfilter system dotlock flock logfile log".split())
"""Keywords that a recipe in embedded mode may not use (spec filter 4.1)."""

_SPACE = b" \t\n\v\f\r"
_BLANK = b" \t\v\f"
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_WORD_START = frozenset(_LETTERS + b"_@.:/$-")
_WORD = _WORD_START | frozenset(b"{}")
_OPTION = frozenset(_LETTERS + b"+.,-")
_QUOTES = {0x22: "QSTR", 0x27: "SQSTR", 0x60: "BTSTR"}
_PAIRS = frozenset((b"&&", b"||", b"<=", b">=", b"=~", b"==", b"!="))
_SINGLES = frozenset(b"&|{}()+*~<>=!,")
_BEFORE_PATH = frozenset(("=", "to", "cc"))
_UNCLOSED = "maildrop: Missing ', \", or `."


class Token:
    """One token of a recipe.

    Attributes:
        kind: `QSTR` (quoted or bare word, substituted), `SQSTR`, `BTSTR`, `REGEXP`, `DIV`,
            `MINUS`, `SEMI` (line end or `;`), `EOF`, `ERROR`, or the keyword or sign itself.
        value: the text of a string or pattern, escapes of the quotes already taken away.
        options: the option letters of a pattern.
        line: 1-based line where the token begins.
        column: 1-based column where it begins, in bytes.
        offset: byte offset where it begins.
        end: byte offset behind it.
        end_line: line where it ends; a string may go on in the next lines.
        detail: for `ERROR`, the extra diagnostic line, or the empty string.
    """

    __slots__ = (
        "column",
        "detail",
        "end",
        "end_line",
        "kind",
        "line",
        "offset",
        "options",
        "value",
    )

    def __init__(
        self,
        kind: str,
        value: bytes = b"",
        *,
        line: int,
        column: int,
        offset: int,
        options: bytes = b"",
        detail: str = "",
    ) -> None:
        self.kind = kind
        self.value = value
        self.options = options
        self.line = self.end_line = line
        self.column = column
        self.offset = self.end = offset
        self.detail = detail

    def __repr__(self) -> str:
        return f"Token({self.kind!r}, {self.value!r}, line={self.line}, column={self.column})"


class Lexer:
    """A scanner over one recipe.

    Args:
        text: the recipe.
        embedded: True to refuse commands and deliveries.
        on_token: is told of every token, or None.

    Attributes:
        text: the recipe.
        line: the line that the scanner has reached, 1-based.
    """

    def __init__(
        self,
        text: bytes,
        *,
        embedded: bool = False,
        on_token: Callable[[Token], None] | None = None,
    ) -> None:
        self.text = text
        self._on_token = on_token
        self.line = 1
        self._embedded = embedded
        self._at = 0
        self._line_start = 0
        self._last = "SEMI"

    def next(self) -> Token:
        """The next token; `EOF` again and again at the end."""
        token = self._scan()
        token.end_line = self.line
        token.end = self._at
        self._last = token.kind
        if self._on_token is not None:
            self._on_token(token)
        return token

    def excerpt(self, token: Token) -> str:
        """The words around a token, for a diagnostic: its line, shortened."""
        start = self.text.rfind(b"\n", 0, token.offset) + 1
        end = self.text.find(b"\n", token.offset)
        line = self.text[start : end if end >= 0 else len(self.text)]
        begin = max(0, token.offset - start - 30)
        words = line[begin : token.offset - start + 30].strip()
        return words.decode("utf-8", "backslashreplace")

    def _token(self, kind: str, start: int, value: bytes = b"", detail: str = "") -> Token:
        column = start - self._line_start + 1
        return Token(kind, value, line=self.line, column=column, offset=start, detail=detail)

    def _scan(self) -> Token:
        text = self.text
        while self._at < len(text):
            start = self._at
            char = text[start]
            if char == 0x0D and text[start + 1 : start + 2] == b"\n":
                self._at += 1  # Courier: two line ends; ours: a CR before LF is a blank
            elif char in b"\r\n":
                return self._line_end(start)
            elif char in _BLANK:
                self._at += 1
            elif char == 0x5C:  # a backslash joins lines, whatever stands after the blank
                if text[start + 1 : start + 2] and text[start + 1] in _SPACE:
                    self._skip_line()
                else:
                    self._at += 1
                    return self._token("ERROR", start)
            elif char == 0x23:
                end = text.find(b"\n", start)
                return self._line_end(end if end >= 0 else len(text))
            else:
                return self._visible(start, char)
        return self._token("SEMI" if self._last != "SEMI" else "EOF", self._at)

    def _line_end(self, at: int) -> Token:
        token = self._token("SEMI", at)
        self._at = min(at + 1, len(self.text))
        if at < len(self.text) and self.text[at] == 0x0A:
            self.line += 1
            self._line_start = self._at
        return token

    def _skip_line(self) -> None:
        end = self.text.find(b"\n", self._at)
        if end < 0:
            self._at = len(self.text)
            return
        self._at = self._line_start = end + 1
        self.line += 1

    def _visible(self, start: int, char: int) -> Token:
        kind = _QUOTES.get(char)
        if kind is not None:
            return self._quoted(start, kind)
        if char == 0x2F and self._last not in _BEFORE_PATH:
            return self._slash(start)
        if char in _WORD_START:
            return self._word(start)
        pair = self.text[start : start + 2]
        if pair in _PAIRS:
            self._at += 2
            return self._token(pair.decode(), start)
        self._at += 1
        if char == 0x3B:
            return self._token("SEMI", start)
        return self._token(chr(char) if char in _SINGLES else "ERROR", start)

    def _word(self, start: int) -> Token:
        text, at = self.text, start
        while at < len(text) and text[at] in _WORD:
            at += 1
        word = text[start:at]
        self._at = at
        if word == b"-":
            return self._token("MINUS", start)
        if word not in KEYWORDS:
            return self._token("QSTR", start, word)
        if self._embedded and word in EMBEDDED_FORBIDDEN:
            return self._token("ERROR", start, word, _disabled(word.decode()))
        return self._token(word.decode(), start)

    def _slash(self, start: int) -> Token:
        text = self.text
        if not text[start + 1 : start + 2].strip(_SPACE):
            self._at += 1
            return self._token("DIV", start)
        line_end = _first_line_end(text, start)
        end = text.find(b"/", start + 1, line_end)
        while end > 0 and _is_escaped(text[start + 1 : end]):
            end = text.find(b"/", end + 1, line_end)
        if end < 0:
            self._at = line_end
            return self._token("ERROR", start)
        self._at = end + 1
        token = self._token("REGEXP", start, text[start + 1 : end])
        token.options = self._options()
        return token

    def _options(self) -> bytes:
        text, at = self.text, self._at
        if text[at : at + 1] != b":":
            return b""
        at += 1
        start = at
        while at < len(text) and text[at] in _OPTION:
            at += 1
        self._at = at
        return text[start:at]

    def _quoted(self, start: int, kind: str) -> Token:
        text, quote = self.text, self.text[start]
        token = self._token(kind, start)
        pieces: list[bytes] = []
        at = done = start + 1
        while at < len(text) and text[at] != quote and text[at] not in b"\r\n":
            if text[at] != 0x5C:
                at += 1
                continue
            pieces.append(text[done:at])
            following = text[at + 1 : at + 2]
            if following and following in (b"\\", bytes((quote,))):
                pieces.append(following)
                at = done = at + 2
            elif (resume := self._continuation(at + 1)) is not None:
                at = done = resume
            else:
                done = at
                at += 2 if following.strip(_SPACE) else 1
        self._at = at
        if at >= len(text) or text[at] != quote:
            token.kind, token.detail = "ERROR", _UNCLOSED
            return token
        pieces.append(text[done:at])
        token.value = b"".join(pieces)
        self._at = at + 1
        if kind == "BTSTR" and self._embedded:
            shown = token.value.decode("utf-8", "backslashreplace")
            token.kind, token.detail = "ERROR", _disabled(f"string: `{shown}`")
        return token

    def _continuation(self, at: int) -> int | None:
        """Where the text goes on when `at`, just after a backslash, ends the line."""
        text = self.text
        while at < len(text) and text[at] in b" \t":
            at += 1
        if at >= len(text) or text[at] not in b"\r\n#":
            return None
        if text[at] == 0x23 and text[at - 1] == 0x5C:
            return None  # a comment begins behind a blank only
        at = text.find(b"\n", at)
        if at < 0:
            return len(text)
        while at < len(text) and text[at] in _SPACE:
            if text[at] == 0x0A:
                self.line += 1
                self._line_start = at + 1
            at += 1
        return at


def _is_escaped(before: bytes) -> bool:
    r"""True when the sign behind this text is escaped: `\\/` ends a pattern, as Debian's does.

    The specification (4.1 rule 6) has it that any backslash before the sign is enough.
    """
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _first_line_end(text: bytes, at: int) -> int:
    ends = [end for end in (text.find(b"\n", at), text.find(b"\r", at)) if end >= 0]
    return min(ends, default=len(text))


def _disabled(name: str) -> str:
    return f"maildrop: '{name}' disabled in embedded mode."
