r"""xtext (RFC 3461 4) and utf-8 addresses (RFC 6533 3): how DSN parameters carry any text.

An `ORCPT` address is written in xtext: printable ASCII but `+` and `=` stands for itself and
`+HH` for any other octet.  For type `utf-8` the xtext holds a second layer, where
`\x{HEX}` is a code point.  RFC 6533 also lets a client that said SMTPUTF8 send the
characters as they are.
"""

from __future__ import annotations

import re

from couriermail.smtp.errors import XtextError

__all__ = ["decode_orcpt", "decode_xtext", "encode_orcpt", "encode_xtext"]

# RFC 3461 4: xchar is any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for
# "+" and "=".  hexchar is "+" and two upper-case hexadecimal digits.
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
_NOT_XCHAR = re.compile(rb"[^!-*,-<>-~]")

# RFC 6533 3: EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}", where HEXPOINT has two to six
# upper-case digits, a leading zero only to reach two.
_CODE_POINT = re.compile(r"\\x\{(0[0-9A-F]|[1-9A-F][0-9A-F]{1,5})\}")
_NOT_UNITEXT = re.compile(r"[^!-*,-<>-\[\]-~]")  # QCHAR: printable but "+", "=" and "\"


def decode_xtext(raw: bytes) -> bytes:
    """The octets that xtext stands for (RFC 3461 4).

    Raises:
        XtextError: an octet may not stand there, or `+` without two upper-case digits.
    """
    if not _XTEXT.match(raw):
        raise XtextError("not xtext")
    if b"+" not in raw:
        return raw
    return _HEXCHAR.sub(lambda match: bytes((int(match[1], 16),)), raw)


def encode_xtext(octets: bytes) -> bytes:
    """Write octets as xtext (RFC 3461 4); `decode_xtext` gives them back."""
    return _NOT_XCHAR.sub(lambda match: b"+%02X" % match[0][0], octets)


def decode_orcpt(raw: bytes) -> tuple[str, str]:
    """Read the value of `ORCPT`: the address type, in lower case, and the address.

    Args:
        raw: `rfc822;xtext` (RFC 3461 4.2) or `utf-8;text` in any form of RFC 6533 3.

    Raises:
        XtextError: no type, a type that is not an atom, or an address not in its form.
    """
    kind, semicolon, encoded = raw.partition(b";")
    if not semicolon or not encoded or not re.fullmatch(rb"[A-Za-z0-9-]+", kind):
        raise XtextError("ORCPT is not type;address")
    address_type = kind.decode("ascii").lower()
    if address_type == "utf-8":
        return address_type, _decode_utf8_address(encoded)
    octets = decode_xtext(encoded)
    return address_type, _clean(octets.decode("utf-8", "backslashreplace"))


def encode_orcpt(address_type: str, address: str, *, smtputf8: bool) -> bytes:
    """Write an `ORCPT` value for a peer; `decode_orcpt` gives the pair back.

    Args:
        address_type: `rfc822`, `utf-8` or another registered type.
        address: the original recipient.
        smtputf8: whether the peer takes UTF-8 in commands; otherwise type `utf-8` is written
            in the seven-bit form (RFC 6533 3, utf-8-addr-xtext).
    """
    if address_type != "utf-8":
        return b"%s;%s" % (address_type.encode("ascii"), encode_xtext(address.encode()))
    if smtputf8:
        quoted = re.sub(r"[\x00-\x20+=\\\x7f]", _escape_code_point, address)
        return b"utf-8;" + quoted.encode()
    return b"utf-8;" + _NOT_UNITEXT.sub(_escape_code_point, address).encode("ascii")


def _escape_code_point(match: re.Match[str]) -> str:
    return f"\\x{{{ord(match[0]):02X}}}"


def _decode_utf8_address(encoded: bytes) -> str:
    try:
        text = encoded.decode("utf-8")
    except UnicodeDecodeError as error:
        raise XtextError("ORCPT is not UTF-8", offset=error.start) from error
    # A client may have applied xtext on top (RFC 6533 3: utf-8-addr-xtext); "+" is no QCHAR.
    text = re.sub(r"\+([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)
    return _clean(_CODE_POINT.sub(_code_point, text))


def _code_point(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:  # RFC 6533 3: no surrogates
        raise XtextError("ORCPT names no Unicode character")
    return chr(point)


def _clean(address: str) -> str:
    """Refuse what would break a header or a log line: controls have no place in an address."""
    if re.search(r"[\x00-\x1f\x7f]", address):
        raise XtextError("ORCPT holds control characters")
    return address
