"""Header fields as people read them, and as searches see them.

Address fields are taken apart, so that names are decoded one by one and quoted again where they
need it; domains get their U-labels back.  All others are decoded text.  Source: spec rfc822 4.5.
"""

from __future__ import annotations

from couriermail.rfc822.address import Address, format_addresses, parse_address_list, wrap_addresses
from couriermail.rfc822.encoded_word import decode_words
from couriermail.rfc822.headers import decode_octets, unfold
from couriermail.rfc822.idn import address_to_unicode
from couriermail.rfc822.tokens import ATOM, COMMENT, QUOTED, SPECIAL, Token, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["decode_addresses", "decode_header", "is_address_field", "wrap_header"]

_ADDRESS_FIELDS = frozenset(
    (
        "from", "to", "cc", "bcc", "resent-from", "resent-to", "resent-cc", "resent-bcc",
        "in-reply-to",
    )
)  # fmt: skip
_TO_QUOTE = frozenset('()<>[]@\\,."')


def is_address_field(name: str) -> bool:
    """True for the fields that are shown as address lists (spec rfc822 4.5.1)."""
    return name.lower() in _ADDRESS_FIELDS


def decode_header(name: str, value: str | bytes) -> str:
    """The value of a field as text for people.

    Args:
        name: the field's name, which tells address lists from text.
        value: its value, folded or not.
    """
    if is_address_field(name):
        return format_addresses(decode_addresses(parse_address_list(value)))
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return decode_words(decode_octets(unfold(octets)))


def wrap_header(name: str, value: str | bytes, width: int = 70) -> list[str]:
    """`decode_header` on lines that fit a terminal.

    Args:
        name: the field's name.
        value: its value, folded or not.
        width: cells per line.  Text lines keep the blank they break at, and it counts.
    """
    from couriermail.rfc822.cells import display_width, wrap_text

    if is_address_field(name):
        elements = decode_addresses(parse_address_list(value))
        return wrap_addresses(elements, width, measure=display_width)
    lines = decode_header(name, value).splitlines() or [""]
    return [piece for line in lines for piece in wrap_text(line, width)]


def decode_addresses(elements: Iterable[Address]) -> list[Address]:
    """The elements of an address list with their names and domains decoded.

    Printing them gives text for people; names that need it are in quotes again.

    Args:
        elements: what `parse_address_list` gave.
    """
    return [_decode_element(element) for element in elements]


def _decode_element(element: Address) -> Address:
    name, addr = element.name_tokens, element.addr
    shown = address_to_unicode(addr) if "@" in addr else addr
    addr_tokens = element.addr_tokens if shown == addr else element.with_addr(shown).addr_tokens
    if not name or (len(name) == 1 and name[0].kind == SPECIAL):
        return Address(name, addr_tokens)
    if element.is_mark and name[-1].kind == SPECIAL:  # the name of a group, with its colon
        return Address([*_decode_name(name[:-1]), name[-1]], addr_tokens)
    return Address(_decode_name(name), addr_tokens)


def _decode_name(tokens: Sequence[Token]) -> list[Token]:
    text = decode_words(unquote(tokens))
    if tokens and tokens[0].kind == COMMENT:  # the old style `addr (name)`
        return [Token(COMMENT, f"({_escape_comment(text)})")]
    if _needs_quotes(text):
        return [Token(QUOTED, text.replace("\\", "\\\\").replace('"', '\\"'))]
    return [Token(ATOM, text)]


def _needs_quotes(text: str) -> bool:
    """Spec rfc822 4.5.3; parentheses around the whole are no reason."""
    inner = text[1:-1] if text[:1] == "(" and text[-1:] == ")" and len(text) > 1 else text
    return (
        text[:1] == " "
        or "  " in text
        or any(char in _TO_QUOTE or char < " " or char == "\x7f" for char in inner)
        or any(mark in text[:-1] for mark in ":;")
    )


def _escape_comment(text: str) -> str:
    """Leaves balanced parentheses as they are; others would end the comment."""
    text = text.replace("\\", "\\\\")
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
    return text if depth == 0 else text.replace("(", "\\(").replace(")", "\\)")
