"""Structured MIME fields: `value; name=text`, with the continuations of RFC 2231.

Source: RFC 2045 5.1, RFC 2183, RFC 2231, spec rfc822 4.9.
"""

from __future__ import annotations

from couriermail.rfc822.errors import EncodingError
from couriermail.rfc822.headers import decode_octets
from couriermail.rfc822.tokens import COMMENT, SPECIAL, tokenize, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from couriermail.rfc822.tokens import Token

__all__ = ["ContentType", "Parameter", "ParameterizedValue", "format_parameter", "parse_parameters"]

_LONGEST_PLAIN = 75  # characters of name and value; spec rfc822 4.9
_PIECE = 70  # columns of one piece of a continued parameter
_ALWAYS_PLAIN = ("charset", "boundary")
_TO_QUOTE = frozenset('()<>[]:;@\\,."/?= \t')
_NOT_PLAIN = frozenset("()'\"\\%:;=")  # these make a value take the extended form
_TO_PERCENT = _NOT_PLAIN | frozenset("<>@,/[]?*")  # RFC 2231 7: not attribute-char

# Octets that make a value or a parameter more than a word or a plain quoted string.
_BLANKS = b" \t"
_NOT_IN_WORD = b' \t\r\n\f\v;"\\()<>'
_NOT_IN_VALUE = _NOT_IN_WORD + b"=?"
_NOT_IN_NAME = _NOT_IN_VALUE + b"*@,:/[].%!"


class Parameter:
    """One parameter, put together from its pieces.  Never changed.

    Attributes:
        name: in lower case.
        octets: the value, percent escapes decoded.
        charset: its label in lower case; empty when none was given.
        language: its tag in lower case; empty when none was given.
        is_extended: True when the value came in the form of RFC 2231.
    """

    __slots__ = ("charset", "is_extended", "language", "name", "octets")

    def __init__(
        self,
        name: str,
        octets: bytes,
        *,
        charset: str = "",
        language: str = "",
        is_extended: bool = False,
    ) -> None:
        self.name: Final = name
        self.octets: Final = octets
        self.charset: Final = charset
        self.language: Final = language
        self.is_extended: Final = is_extended

    @property
    def value(self) -> str:
        """The value as text; encoded words, which many senders use here, are decoded."""
        if self.charset:
            from couriermail.rfc822.charset import decode_charset

            return decode_charset(self.octets, self.charset)[0]
        text = decode_octets(self.octets)
        if self.is_extended or "=?" not in text:
            return text
        from couriermail.rfc822.encoded_word import decode_words

        return decode_words(text)

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, {self.value!r})"


class ParameterizedValue:
    """A value with parameters, such as Content-Disposition.  Never changed.

    Attributes:
        value: what stands before the first `;`, unquoted, in lower case.
    """

    __slots__ = ("_parameters", "_raw", "value")

    def __init__(
        self, value: str, parameters: dict[str, Parameter] | None = None, raw: bytes = b""
    ) -> None:
        """Takes a value.

        Args:
            value: what stands before the first `;`, in lower case.
            parameters: by name.
            raw: the whole field, where the parameters are to be read on first use.
        """
        self.value: Final = value
        self._parameters = parameters
        self._raw = raw

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by name, in the order of their first pieces."""
        if self._parameters is None:
            self._parameters = parse_parameters(self._raw).parameters
        return self._parameters

    def get(self, name: str) -> str | None:
        """The text of a parameter, or None."""
        found = self.parameters.get(name)
        return None if found is None else found.value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r}, {list(self.parameters.values())!r})"


class ContentType(ParameterizedValue):
    """A media type (RFC 2045 5.1).

    What is no media type at all has the type text/plain (RFC 2045 5.2); `value` keeps it.

    Attributes:
        type: the part before the slash, such as `text`.
        subtype: the part behind the slash, such as `plain`.
    """

    __slots__ = ("subtype", "type")

    def __init__(
        self, value: str, parameters: dict[str, Parameter] | None = None, raw: bytes = b""
    ) -> None:
        """Takes a value, as `ParameterizedValue` does."""
        super().__init__(value, parameters, raw)
        main, _, sub = value.partition("/")
        if not (main.isalnum() and sub.isalnum()):
            main = main.strip()
            sub = (sub.split(None, 1) or [""])[0]  # `text/plain charset=x`
            if not (main and sub):
                main, sub = "text", "plain"
        self.type: Final = main
        self.subtype: Final = sub

    @classmethod
    def parse(cls, value: bytes, default: str = "text/plain") -> ContentType:
        """Reads the value of a Content-Type field; `default` stands for an empty one."""
        first = value.partition(b";")[0].strip(_BLANKS)
        # nothing quoted, no comment; most types are letters and digits around a slash
        if first.replace(b"/", b"").isalnum() or _is_made_without(_NOT_IN_VALUE, first):
            return cls(first.decode("latin-1").lower(), None, value)
        parsed = parse_parameters(value)
        return cls(parsed.value or default, parsed.parameters)

    @property
    def charset(self) -> str:
        """The charset parameter in lower case; empty when there is none."""
        return (self.get("charset") or "").lower()

    @property
    def boundary(self) -> bytes:
        """The boundary as it was spelled, without trailing blanks; empty when there is none."""
        found = self.parameters.get("boundary")
        return b"" if found is None else found.octets.rstrip(b" \t\r\n")

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}"


def parse_parameters(value: str | bytes, *, extended: bool = True) -> ParameterizedValue:
    """Reads a value with parameters, as far as it can be understood.

    Args:
        value: the value of the field, folded or not.
        extended: False to leave continuations and percent escapes as they are, which IMAP
            wants for BODYSTRUCTURE.
    """
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    simple = _read_simple(octets)
    if simple is not None:
        return simple
    # Latin-1 maps each octet to one character and back.
    tokens = tokenize(octets.decode("latin-1"))
    segments = _split_segments([token for token in tokens if token.kind != COMMENT])
    plain: dict[str, Parameter] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    order: list[str] = []
    for name, text in map(_read_segment, segments[1:]):
        found = _split_name(name) if extended and "*" in name else None
        if not name or (found is not None and not found[0]):
            continue
        if found is None:
            plain.setdefault(name, Parameter(name, text))
            order.append(name)
        else:
            base, number, is_encoded = found
            pieces.setdefault(base, {}).setdefault(number, (text, is_encoded))
            order.append(base)
    # spec rfc822 4.9.4: the extended form is the better one where both were sent
    parameters = {
        name: _join_pieces(name, pieces[name]) if name in pieces else plain[name] for name in order
    }
    return ParameterizedValue(unquote(segments[0]).strip().lower(), parameters)


def format_parameter(
    name: str, value: str, charset: str = "utf-8", language: str = ""
) -> list[str]:
    """Writes a parameter, in one piece or more (RFC 2231 3).

    Args:
        name: such as `filename`.
        value: the text.
        charset: what the text is encoded in where it is not plain.
        language: its tag, or empty.

    Returns:
        `name=value` pieces, to be joined with `;` and a line break.

    Raises:
        EncodingError: name, charset and language are too long for a line, or the charset is
            unknown or lacks characters of the text.
    """
    if name in _ALWAYS_PLAIN:
        return [f"{name}={_quote_if_needed(value)}"]
    is_plain = (
        len(name) + len(value) <= _LONGEST_PLAIN
        and not language
        and charset.lower() in ("", "utf-8", "us-ascii")
        and all(" " < char < "\x7f" and char not in _NOT_PLAIN for char in value)
    )
    if is_plain:
        return [f"{name}={_quote_if_needed(value)}"]
    if len(name) + len(charset) + len(language) > 60:
        raise EncodingError("parameter name, charset and language are too long")
    return _format_pieces(name, value, charset, language)


def _read_simple(octets: bytes) -> ParameterizedValue | None:
    """Reads what nearly all values are: words and plain quoted strings; None for others.

    No regular expressions: compiling them costs a command that reads one message more than
    all the rest.
    """
    first, *segments = octets.split(b";")
    value = first.strip(_BLANKS)
    if not _is_made_without(_NOT_IN_VALUE, value):
        return None
    parameters: dict[str, Parameter] = {}
    for segment in segments:
        name, _, text = segment.partition(b"=")
        name = name.lstrip(_BLANKS)
        text = text.rstrip(_BLANKS)
        if not _is_made_without(_NOT_IN_NAME, name):
            return None
        if text.startswith(b'"'):
            # A semicolon inside the quotes cut the string in two: it is not simple.
            if not text.endswith(b'"') or text.count(b'"') != 2 or b"\\" in text:
                return None
            text = text[1:-1]
        elif not _is_made_without(_NOT_IN_WORD, text):
            return None
        key = name.decode("latin-1").lower()
        if key not in parameters:
            parameters[key] = Parameter(key, text)
    return ParameterizedValue(value.decode("latin-1").lower(), parameters)


def _is_made_without(octets: bytes, word: bytes) -> bool:
    """True for a word that has at least one octet, and none of those."""
    # letters and digits are in none of the sets, and most words are made of nothing else
    return word.isalnum() or (bool(word) and len(word.translate(None, octets)) == len(word))


def _split_segments(tokens: list[Token]) -> list[list[Token]]:
    segments: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == SPECIAL and token.text == ";":
            segments.append([])
        else:
            segments[-1].append(token)
    return segments


def _read_segment(tokens: list[Token]) -> tuple[str, bytes]:
    for index, token in enumerate(tokens):
        if token.kind == SPECIAL and token.text == "=":
            name, text = unquote(tokens[:index]), unquote(tokens[index + 1 :])
            return name.strip().lower(), text.encode("latin-1")
    return unquote(tokens).strip().lower(), b""


def _split_name(name: str) -> tuple[str, int, bool] | None:
    """Base, number and whether the piece is percent-encoded; an empty base is to be ignored."""
    base, _, rest = name.partition("*")
    is_encoded = rest.endswith("*") or not rest
    digits = rest.removesuffix("*")
    if digits == "" and rest in ("", "*"):
        return base, 0, True
    if not (digits.isascii() and digits.isdigit()):
        return None
    if len(digits.lstrip("0")) > 4:  # spec rfc822 7: piece numbers above 9999 are ignored
        return "", 0, False
    return base, int(digits), is_encoded


def _join_pieces(name: str, pieces: dict[int, tuple[bytes, bool]]) -> Parameter:
    charset = language = ""
    octets: list[bytes] = []
    for number in sorted(pieces):
        text, is_encoded = pieces[number]
        if is_encoded:
            if number == 0 and text.count(b"'") >= 2:
                label, tag, text = text.split(b"'", 2)
                charset = label.decode("latin-1").lower()
                language = tag.decode("latin-1").lower()
            text = _decode_percent(text)
        octets.append(text)
    return Parameter(name, b"".join(octets), charset=charset, language=language, is_extended=True)


def _decode_percent(text: bytes) -> bytes:
    if b"%" not in text:
        return text
    import re

    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes((int(found[1], 16),)), text)


def _quote_if_needed(value: str) -> str:
    if value and not any(char in _TO_QUOTE or char < " " for char in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _format_pieces(name: str, value: str, charset: str, language: str) -> list[str]:
    from couriermail.rfc822.charset import find_codec

    codec = find_codec(charset)
    try:
        octets = codec.encode(value)[0] if codec else None
    except UnicodeError:
        octets = None
    if octets is None:
        raise EncodingError(f"cannot write the parameter in the charset {charset[:40]!r}")
    pieces: list[str] = []
    piece = f"{name}*0*={charset}'{language}'"
    for octet in octets:
        char = chr(octet)
        if len(piece) >= _PIECE:
            pieces.append(piece)
            piece = f"{name}*{len(pieces)}*="
        is_plain = " " < char < "\x7f" and char not in _TO_PERCENT
        piece += char if is_plain else f"%{octet:02X}"
    return [*pieces, piece]
