"""Address lists: reading, printing, wrapping and rewriting.

A list is read into *elements*: addresses, and the structural marks of groups (`name:` and
`;`), in order, so that printing the elements gives the list again.  `parse_addresses` gives
just the mailboxes, `parse_groups` the nested shape.  Nothing that is read raises an error, and
work is linear in the input.  Source: RFC 5322 3.4 and 4.4, spec rfc822 4.2 and 4.3.
"""

from __future__ import annotations

from couriermail.rfc822.headers import unfold
from couriermail.rfc822.tokens import (
    ATOM,
    COMMENT,
    QUOTED,
    SPECIAL,
    Token,
    format_tokens,
    has_adjacent_words,
    tokenize,
    unquote,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Sequence
    from typing import Final

    from couriermail.rfc822.headers import Field

_BLANKS = " \t\r\n\f\v"
_ONE_BLANK = dict.fromkeys(map(ord, _BLANKS), " ")

__all__ = [
    "Address",
    "Group",
    "fold_addresses",
    "format_addresses",
    "is_clean_list",
    "parse_address_list",
    "parse_addresses",
    "parse_groups",
    "rewrite_address_field",
    "rewrite_addresses",
    "wrap_addresses",
]


class Address:
    """One element of an address list: a mailbox, or a mark of a group.  Never changed."""

    __slots__ = ("_addr", "_addr_tokens", "_name", "_name_tokens")

    def __init__(self, name_tokens: Sequence[Token], addr_tokens: Sequence[Token]) -> None:
        self._name_tokens: tuple[Token, ...] | None = tuple(name_tokens)
        self._addr_tokens: tuple[Token, ...] | None = tuple(addr_tokens)
        self._name: str | None = None
        self._addr: str | None = None

    @classmethod
    def _from_printed(cls, name: str, addr: str) -> Address:
        """Makes an address from its printed parts, whose tokens are made when asked for."""
        address = cls.__new__(cls)
        address._name_tokens = address._addr_tokens = None
        address._name = name
        address._addr = addr
        return address

    @classmethod
    def make(cls, addr_spec: str, name: str = "") -> Address:
        """Makes an address from text, quoting the name where it needs it.

        Args:
            addr_spec: `local@domain`.
            name: the display name as plain text; not RFC 2047-encoded here.
        """
        skipped: list[int] = []
        tokens = tokenize(name, skipped.append)
        if skipped or not all(token.kind == ATOM for token in tokens):
            tokens = [Token(QUOTED, name.replace("\\", "\\\\").replace('"', '\\"'))]
        return cls(tokens, tokenize(addr_spec))

    @property
    def name_tokens(self) -> tuple[Token, ...]:
        """The display name.  A single comment means the old style `addr (name)`."""
        if self._name_tokens is None:
            self._name_tokens = tuple(tokenize(self._name or ""))
        return self._name_tokens

    @property
    def addr_tokens(self) -> tuple[Token, ...]:
        """The addr-spec with its route, if any; empty for marks."""
        if self._addr_tokens is None:
            self._addr_tokens = tuple(tokenize(self._addr or ""))
        return self._addr_tokens

    @property
    def is_mark(self) -> bool:
        """True for `group-name:`, for `;` and for a comment alone: no address."""
        return not self._addr and not self.addr_tokens

    @property
    def addr(self) -> str:
        """What stands between the angle brackets: addr-spec with its source route."""
        if self._addr is None:
            self._addr = format_tokens(self.addr_tokens)
        return self._addr

    @property
    def addr_spec(self) -> str:
        """`local@domain` without source route (RFC 5322 4.4: routes are to be ignored)."""
        if not self.addr.startswith("@"):
            return self.addr
        tokens = self.addr_tokens
        for index, token in enumerate(tokens):
            if token.text == ":" and token.kind == SPECIAL:
                return format_tokens(tokens[index + 1 :])
        return self.addr

    @property
    def local_part(self) -> str:
        """The part before the last `@`, quoted as it was."""
        local, at, domain = self.addr_spec.rpartition("@")
        return local if at else domain

    @property
    def domain(self) -> str:
        """The part behind the last `@`; empty when there is none."""
        _, at, domain = self.addr_spec.rpartition("@")
        return domain if at else ""

    @property
    def name(self) -> str:
        """The display name as plain text, encoded words (RFC 2047) decoded."""
        if self._name is not None and '"' not in self._name:
            text = self._name
        else:
            text = unquote(self.name_tokens)
        if "=?" not in text:
            return text
        from couriermail.rfc822.encoded_word import decode_words

        return decode_words(text)

    def with_addr(self, addr: str) -> Address:
        """The same name with another address."""
        return Address(self.name_tokens, tokenize(addr))

    def __str__(self) -> str:
        """The printed form (spec rfc822 4.3.1)."""
        if self._name is not None:  # read the short way: nothing special in it
            return f"{self._name} <{self._addr}>" if self._name else self.addr
        name, addr = format_tokens(self.name_tokens), self.addr
        if not self.addr_tokens:
            return name
        if not name:
            return addr if addr and not has_adjacent_words(self.addr_tokens) else f"<{addr}>"
        if self.name_tokens[0].kind == COMMENT:
            return f"{addr} {name}"
        return f"{name} <{addr}>"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Address):
            return NotImplemented
        return self.name_tokens == other.name_tokens and self.addr_tokens == other.addr_tokens

    def __hash__(self) -> int:
        return hash((self.name_tokens, self.addr_tokens))


class Group:
    """A named group of addresses (RFC 5322 3.4).  Never changed.

    Attributes:
        name: the group's name as plain text.
        members: its mailboxes; may be empty.
    """

    __slots__ = ("members", "name")

    def __init__(self, name: str, members: Sequence[Address]) -> None:
        self.name: Final = name
        self.members: Final = tuple(members)

    def __repr__(self) -> str:
        return f"Group({self.name!r}, {self.members!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Group):
            return NotImplemented
        return self.name == other.name and self.members == other.members

    def __hash__(self) -> int:
        return hash((self.name, self.members))


def parse_addresses(value: str | bytes) -> list[Address]:
    """The mailboxes of an address list, those inside groups too."""
    return [element for element in parse_address_list(value) if not element.is_mark]


def parse_groups(value: str | bytes) -> list[Address | Group]:
    """The address list in its nested shape; a group that is left open ends with the value."""
    result: list[Address | Group] = []
    name: str | None = None
    members: list[Address] = []
    for element in parse_address_list(value):
        if not element.is_mark:
            (result if name is None else members).append(element)
        elif _is_group_start(element):
            if name is not None:
                result.append(Group(name, members))
            name, members = unquote(element.name_tokens[:-1]), []
        elif name is not None and _is_special(element.name_tokens, ";"):
            result.append(Group(name, members))
            name, members = None, []
    if name is not None:
        result.append(Group(name, members))
    return result


def parse_address_list(
    value: str | bytes, on_error: Callable[[int], None] | None = None
) -> list[Address]:
    """Reads an address list into its elements, marks of groups included (spec rfc822 4.2).

    Args:
        value: the value of a header field, folded or not.  Bytes are taken as UTF-8; octets
            that are not valid UTF-8 survive as surrogates, so that they can be written back.
        on_error: called with the character index of everything that shows that this is no
            clean list (RFC 5322 3.4 and 4.4): what had to be skipped or was left open, two
            words without a comma between them, a group name that a comment stands before, text
            without an address behind an angle address.  A caller that rewrites leaves such a
            field alone, since the addresses in it are guesses; see `is_clean_list`.
    """
    text = value if isinstance(value, str) else unfold(value).decode("utf-8", "surrogateescape")
    simple = _read_simple_list(text)
    if simple is not None:
        return simple
    return _ListParser(text, tokenize(text, on_error), on_error).parse()


def is_clean_list(value: str | bytes) -> bool:
    """True when a value is an address list whose addresses are no guesses.

    `Mary Smith` is none: it reads as two mailboxes.  Obsolete forms (RFC 5322 4.4) are clean.
    """
    places: list[int] = []
    parse_address_list(value, places.append)
    return not places


def format_addresses(elements: Iterable[Address]) -> str:
    """Prints a list on one line (spec rfc822 4.3.2)."""
    return " ".join(_with_separators(elements))


def wrap_addresses(
    elements: Iterable[Address], width: int = 70, *, measure: Callable[[str], int] = len
) -> list[str]:
    """Prints a list on lines of at most `width` characters (spec rfc822 4.3.3).

    Lines break only between elements; one element longer than the width stays whole.

    Args:
        elements: what `parse_address_list` gave.
        width: room per line.
        measure: what a text takes of it; `display_width` for cells of a terminal.
    """
    lines: list[str] = []
    line: list[str] = []
    used = 0
    for piece in _with_separators(elements):
        more = measure(piece)
        if line and used + 1 + more > width:
            lines.append(" ".join(line))
            line, used = [], 0
        used += more + (1 if line else 0)
        line.append(piece)
    return [*lines, " ".join(line)] if line else lines


def fold_addresses(elements: Iterable[Address], *, width: int = 70, indent: int = 6) -> str:
    """Prints a list as the folded value of a header field.

    Args:
        elements: what `parse_address_list` or `rewrite_addresses` gave.
        width: characters per line, without the indent (spec rfc822 4.3.4).
        indent: blanks at the start of each continuation line; at least one.
    """
    return ("\n" + " " * max(indent, 1)).join(wrap_addresses(elements, width))


def rewrite_addresses(elements: Iterable[Address], rewrite: Callable[[str], str]) -> list[Address]:
    """Passes each address through a function; names, comments and groups stay.

    Args:
        elements: what `parse_address_list` gave.
        rewrite: gets the printed address with its route, such as `bob` or `bob@example.com`,
            and returns the new one.  Its errors pass through.
    """
    result: list[Address] = []
    for element in elements:
        if not element.is_mark:
            old = element.addr
            new = rewrite(old)
            result.append(element if new == old else element.with_addr(new))
        else:
            result.append(element)
    return result


def rewrite_address_field(
    field: Field,
    rewrite: Callable[[str], str],
    *,
    width: int = 70,
    indent: int = 6,
    keep_unchanged: bool = False,
) -> bytes:
    r"""Rewrites the addresses of one header field and folds it anew.

    Args:
        field: such as a To or From field.
        rewrite: maps a printed address to the new one, see `rewrite_addresses`.
        width: characters per line of the value.
        indent: blanks before each continuation line.
        keep_unchanged: True to return `field.raw` when no address was changed, so that
            signatures over it stay good; False folds every field (spec mta 6.3).

    Returns:
        The field with its final line end.  Octets that are not UTF-8 are kept.
    """
    elements = parse_address_list(field.raw_value)
    rewritten = rewrite_addresses(elements, rewrite)
    if not rewritten or (keep_unchanged and rewritten == elements):
        return field.raw
    name = field.raw.partition(b":")[0].rstrip(b" \t")
    value = fold_addresses(rewritten, width=width, indent=indent)
    return b"%s: %s\n" % (name, value.encode("utf-8", "surrogateescape"))


_element: re.Pattern[str] | None = None


def _compile() -> re.Pattern[str]:
    """Compiles on first use, see `tokens`."""
    global _element  # noqa: PLW0603 - compiled once per process
    import re

    blank, blanks = r"[ \t\r\n\f\v]", r"[ \t\r\n\f\v]*+"
    atom = r"[^ \t\r\n\f\v<>@,;:.\[\]()%!\"\\?=/]++"
    half = r"[^ \t\r\n\f\v<>@,;:\[\]()\"\\?]++"
    word = rf"(?:{atom}|=\?[^\s()<>\[\]:;@\\,.\"?]++\?[BbQq]\?[^\s()<>\[\]:;@\\,.\"?]*+\?=)"
    phrase = rf"{word}(?:{blank}++{word})*+|\"[^\"\\]*+\""
    _element = re.compile(
        rf"(?:(?:(?P<name>{phrase}){blanks})?<{blanks}(?P<addr>{half}@{half}){blanks}>"
        rf"|(?P<bare>{half}@{half})){blanks}(?:,{blanks}|\Z)"
    )
    return _element


def _read_simple_list(text: str) -> list[Address] | None:
    """Reads what nearly all lists are: `a@b` and `Name <a@b>` with commas between.

    Returns:
        What `_ListParser` would; None when anything else is in the list.
    """
    text = text.strip(_BLANKS)
    if _element is None:
        plain = _read_plain_list(text)
        if plain is not None:
            return plain
    match = (_element or _compile()).match
    elements: list[Address] = []
    position, length = 0, len(text)
    while position < length:
        found = match(text, position)
        if found is None:
            return None
        name, addr, bare = found.groups()
        if name and name[0] != '"':
            name = " ".join(filter(None, name.translate(_ONE_BLANK).split(" ")))
        elements.append(Address._from_printed(name or "", addr or bare))
        position = found.end()
    return elements


def _read_plain_list(text: str) -> list[Address] | None:
    """Reads the plainest lists, so that a command that reads two addresses does not load `re`.

    Returns:
        What `_read_simple_list` would; None for anything with a character that could mean more.
    """
    if not (text.isascii() and text.isprintable()):
        return None
    elements: list[Address] = []
    for piece in text.split(",") if text else ():
        name, bracket, addr = piece.strip(" ").rpartition("<")
        if bracket:
            if not addr.endswith(">"):
                return None
            addr = addr[:-1]
        local, _, domain = addr.partition("@")
        name = name.strip(" ")
        if name[:1] != '"':
            name = " ".join(filter(None, name.split(" ")))
        if not (_is_plain(local, "._-+=") and _is_plain(domain, ".-") and _is_plain_name(name)):
            return None
        elements.append(Address._from_printed(name, addr))
    return elements


def _is_plain_name(name: str) -> bool:
    if name[:1] == '"':
        return len(name) > 2 and name[-1] == '"' and _is_plain(name[1:-1], " -'")
    return all(_is_plain(word, "-'") or _is_plain_encoded(word) for word in name.split())


def _is_plain_encoded(word: str) -> bool:
    opening, *inner, closing = word.split("?") if word.count("?") == 4 else ("", "")
    if opening != "=" or closing != "=":
        return False
    charset, encoding, text = inner
    return (
        _is_plain(charset, "-_") and encoding in ("B", "b", "Q", "q") and _is_plain(text, "=_+/!*-")
    )


def _is_plain(text: str, marks: str) -> bool:
    return text.translate(dict.fromkeys(map(ord, marks))).isalnum()


class _ListParser:
    """The loop of spec rfc822 4.2 over tokens.

    `_stop` and `_words` hold, for each token, where the next list mark and the end of the run
    of words are: looking ahead afresh from each token would make long lists quadratic.
    """

    __slots__ = ("_index", "_report", "_stop", "_text", "_tokens", "_words")

    def __init__(
        self, text: str, tokens: list[Token], on_error: Callable[[int], None] | None = None
    ) -> None:
        self._text = text
        self._report = on_error or _ignore
        self._tokens = tokens
        self._index = 0
        self._stop, self._words = _look_ahead(tokens)

    def parse(self) -> list[Address]:
        elements: list[Address] = []
        tokens = self._tokens
        while self._index < len(tokens):
            token = tokens[self._index]
            if token.kind == SPECIAL and token.text == ",":  # RFC 5322 4.4: empty elements
                self._index += 1
            elif token.kind == SPECIAL and token.text == ";":
                self._index += 1
                elements.append(Address((token,), ()))
            else:
                element = self._read_element()
                if element.name_tokens or element.addr_tokens:  # not for a lone `<`
                    elements.append(element)
        return elements

    def _read_element(self) -> Address:
        tokens, start = self._tokens, self._index
        colon = self._words[start]
        if start < colon < len(tokens) and _is_special(tokens[colon : colon + 1], ":"):
            self._index = colon + 1
            return Address(tokens[start : colon + 1], ())
        stop = self._stop[start]
        if stop < len(tokens) and tokens[stop].text == "<":
            return self._read_bracketed(start, stop)
        return self._read_old_style(start)

    def _read_bracketed(self, start: int, bracket: int) -> Address:
        tokens, end = self._tokens, bracket + 1
        while end < len(tokens) and not _is_special(tokens[end : end + 1], ">"):
            end += 1
        self._index = end + 1
        if end == len(tokens):
            self._report(tokens[bracket].start)
        else:
            self._expect_separator(end + 1)
        name = tokens[start:bracket]
        if any(token.kind == SPECIAL for token in name):
            # `Mr. X`: the source text from first to last token becomes one quoted string.
            name = [Token(QUOTED, self._text[name[0].start : name[-1].end])]
        return Address([_comment_as_quoted(token) for token in name], tokens[bracket + 1 : end])

    def _read_old_style(self, start: int) -> Address:
        tokens, end = self._tokens, start
        comment: Token | None = None
        addr: list[Token] = []
        while end < len(tokens):
            token = tokens[end]
            if token.kind == SPECIAL:
                if token.text in ",;":
                    break
                if token.text in ":<>":  # a group whose name has a comment, a stray bracket
                    self._report(token.start)
            elif token.kind == COMMENT:
                comment = token
                end += 1
                continue
            elif addr and addr[-1].kind != SPECIAL:
                self._report(token.start)
                break  # the second of two words starts a new address
            addr.append(token)
            end += 1
        self._index = max(end, start + 1)
        return Address((comment,) if comment else (), addr)

    def _expect_separator(self, index: int) -> None:
        """Reports what follows an angle address and is no comma, semicolon or comment."""
        tokens = self._tokens
        while index < len(tokens) and tokens[index].kind == COMMENT:
            index += 1
        if index < len(tokens) and not (
            tokens[index].kind == SPECIAL and tokens[index].text in ",;"
        ):
            self._report(tokens[index].start)


def _look_ahead(tokens: list[Token]) -> tuple[list[int], list[int]]:
    count = len(tokens)
    stops, words = [count] * count, [count] * count
    stop = word = count
    for index in range(count - 1, -1, -1):
        token = tokens[index]
        if token.kind == SPECIAL:
            word = index
            if token.text in ",;<":
                stop = index
        elif token.kind == COMMENT:
            word = index
        stops[index], words[index] = stop, word
    return stops, words


def _with_separators(elements: Iterable[Address]) -> list[str]:
    """Printed elements, each with the comma that follows it."""
    pieces: list[str] = []
    after_mark = True
    for element in elements:
        is_end = element.is_mark and _is_special(element.name_tokens, ";")
        if is_end and not after_mark:
            pieces[-1] += ";"  # spec rfc822 4.3.2: `a, b;`
        else:
            if not after_mark:
                pieces[-1] += ","
            pieces.append(str(element))
        after_mark = is_end or _is_group_start(element)
    return pieces


def _is_group_start(element: Address) -> bool:
    return element.is_mark and _is_special(element.name_tokens[-1:], ":")


def _ignore(_position: int) -> None:
    """The default error callback."""


def _is_special(tokens: Sequence[Token], char: str) -> bool:
    return len(tokens) == 1 and tokens[0].kind == SPECIAL and tokens[0].text == char


def _comment_as_quoted(token: Token) -> Token:
    return Token(QUOTED, token.text) if token.kind == COMMENT else token
