"""Address lists for the wire: names as encoded words, domains as A-labels.

Source: RFC 2047 5, spec rfc822 4.4 and 4.8.5.
"""

from __future__ import annotations

from couriermail.rfc822.address import Address
from couriermail.rfc822.encoded_word import encode_words
from couriermail.rfc822.idn import domain_to_ascii
from couriermail.rfc822.tokens import ATOM, COMMENT, Token, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["encode_addresses"]


def encode_addresses(elements: Iterable[Address], charset: str = "utf-8") -> list[Address]:
    """Encodes what is not ASCII in the names and domains of a list.

    Local parts that are not ASCII stay: such an address needs SMTPUTF8 (RFC 6531).

    Args:
        elements: what `parse_address_list` gave.
        charset: of the encoded words.
    """
    return [
        Address(
            [_encode_token(token, charset) for token in element.name_tokens],
            element.with_addr(_encode_addr(element)).addr_tokens,
        )
        for element in elements
    ]


def _encode_token(token: Token, charset: str) -> Token:
    if token.text.isascii():
        return token
    text = unquote([token])
    if token.kind == COMMENT:
        return Token(COMMENT, f"({encode_words(text, charset, 'comment')})")
    return Token(ATOM, encode_words(text, charset, "word"))


def _encode_addr(element: Address) -> str:
    addr = element.addr
    if addr.startswith("@") or not element.domain:  # a route is copied, not followed
        return addr
    return f"{element.local_part}@{domain_to_ascii(element.domain)}"
