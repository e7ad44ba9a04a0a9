r"""Addresses with a type, as delivery reports and ORCPT write them: `rfc822;joe@example.com`.

Source: RFC 3461 4.2, RFC 6533 3, spec rfc822 4.23.
"""

from __future__ import annotations

import re

from couriermail.rfc822.idn import address_to_ascii, address_to_unicode

__all__ = ["decode_typed_address", "encode_typed_address"]

_PLUS_ESCAPE = re.compile(rb"\+([0-9A-Fa-f]{2})")
_BRACE_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{1,8})\}")
_TO_PLUS = re.compile(rb"[^!-~]|[+=\\]")
_TO_BRACE = re.compile(r"[\x00- \\+=\x7f]")
_TO_BRACE_ASCII = re.compile(r"[^!-~]|[\\+=]")
_UNUSABLE = re.compile(r"[\x00-\x20\x7f]")


def encode_typed_address(address: str, form: str = "utf-8") -> str:
    """Writes an address with its type and the escapes of that type.

    Args:
        address: `local@domain`, without escapes.
        form: `utf-8` for a peer that takes SMTPUTF8, `unitext` for the same in ASCII,
            `rfc822` for everybody.  An ASCII address always has the type `rfc822`.
    """
    if form == "rfc822" or address.isascii():
        octets = address_to_ascii(address).encode("utf-8", "surrogateescape")
        return "rfc822;" + _TO_PLUS.sub(lambda found: b"+%02X" % found[0][0], octets).decode()
    pattern = _TO_BRACE_ASCII if form == "unitext" else _TO_BRACE
    return "utf-8;" + pattern.sub(lambda found: f"\\x{{{ord(found[0]):X}}}", address)


def decode_typed_address(text: str) -> str:
    """Reads an address with a type; text without a type is the address itself.

    Returns:
        The address with U-labels; empty for a type that is not known and for an address that
        has blanks or controls in it.
    """
    kind, semicolon, value = text.partition(";")
    value = value.strip(" \t") if semicolon else text.strip(" \t")
    kind = kind.strip(" \t").lower() if semicolon else ""
    if kind == "rfc822":
        value = _decode_plus(value)
    elif kind == "utf-8":
        value = _BRACE_ESCAPE.sub(_brace_character, value)
    elif semicolon:
        return ""
    if _UNUSABLE.search(value):
        return ""
    return address_to_unicode(value)


def _decode_plus(value: str) -> str:
    octets = value.encode("utf-8", "surrogateescape")
    octets = _PLUS_ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), octets)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return value  # the plus signs were no escapes


def _brace_character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return found[0]
    return chr(code)
