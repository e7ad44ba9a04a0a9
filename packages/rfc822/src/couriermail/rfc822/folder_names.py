r"""Folder names on the wire: modified UTF-7 of IMAP, and the escapes of SMAP.

`é & 日` is `&AOk- &- &ZeU-` for IMAP; `a.b` is `a\056b` for SMAP.  Source: RFC 3501 5.1.3, RFC
2152, spec rfc822 4.17.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64

from couriermail.rfc822.errors import EncodingError

__all__ = ["decode_imap_utf7", "decode_smap", "encode_imap_utf7", "encode_smap"]

_SHIFTED = re.compile(r"&([^-]*)-")
_BASE64 = re.compile(r"[A-Za-z0-9+,]*\Z")
_SMAP_SPECIAL = re.compile(r"[\x00-\x1f./~:\\]")
_SMAP_ESCAPE = re.compile(r"\\[0-3][0-7]{2}")
_SMAP_OCTET = re.compile(rb"\\([0-3][0-7]{2})")


def encode_imap_utf7(name: str, munge: str = "") -> str:
    """A folder name for IMAP.

    Args:
        name: the name; characters outside the basic plane become surrogate pairs.
        munge: ASCII characters that are to be hidden too, such as `./~:` for the components of
            a maildir folder.

    Raises:
        EncodingError: the name has half a surrogate pair.
    """
    pieces: list[str] = []
    hidden = ""
    for char in name:
        if " " <= char <= "\x7f" and char not in munge:
            if hidden:
                pieces.append(_shift(hidden))
                hidden = ""
            pieces.append("&-" if char == "&" else char)
        else:
            hidden += char
    if hidden:
        pieces.append(_shift(hidden))
    return "".join(pieces)


def decode_imap_utf7(text: str, *, strict: bool = False) -> str:
    """The name of a folder from IMAP.

    Args:
        text: what `encode_imap_utf7` gave, or somebody else's.
        strict: refuse what is not the one form that RFC 3501 allows: characters hidden that
            need not be, shifts that follow each other, bits set in the padding.

    Raises:
        EncodingError: no modified UTF-7.
    """
    if not text.isascii():
        raise EncodingError("a folder name in modified UTF-7 is ASCII")
    pieces: list[str] = []
    position = 0
    for found in _SHIFTED.finditer(text):
        pieces.append(_check_plain(text[position : found.start()]))
        pieces.append(_unshift(found[1]))
        position = found.end()
    pieces.append(_check_plain(text[position:]))
    name = "".join(pieces)
    if strict and encode_imap_utf7(name) != text:
        raise EncodingError("a folder name in modified UTF-7 has one form only")
    return name


def encode_smap(name: str) -> str:
    r"""A folder name for SMAP: controls and `. / ~ : \` as three octal digits."""
    return _SMAP_SPECIAL.sub(lambda found: f"\\{ord(found[0]):03o}", name)


def decode_smap(text: str) -> str:
    """The name of a folder from SMAP.

    Raises:
        EncodingError: a character that has to be escaped is not, or an escape is damaged.
    """
    if _SMAP_SPECIAL.search(_SMAP_ESCAPE.sub("", text)):
        raise EncodingError("a folder name has a character that must be escaped")
    try:
        return _SMAP_OCTET.sub(_read_octet, text.encode()).decode()
    except UnicodeError:
        raise EncodingError("a folder name is not UTF-8") from None


def _read_octet(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[1], 8),))


def _shift(hidden: str) -> str:
    try:
        octets = hidden.encode("utf-16-be")
    except UnicodeEncodeError:
        raise EncodingError("a folder name has half a surrogate pair") from None
    base64 = b2a_base64(octets, newline=False).decode().rstrip("=")
    return f"&{base64.replace('/', ',')}-"


def _check_plain(text: str) -> str:
    if "&" in text or any(not " " <= char <= "\x7f" for char in text):
        raise EncodingError("not modified UTF-7: an open shift, or a control character")
    return text


def _unshift(base64: str) -> str:
    if not base64:
        return "&"
    if not _BASE64.match(base64):
        raise EncodingError("not modified UTF-7: a character that is no base64")
    padded = base64.replace(",", "/") + "=" * (-len(base64) % 4)
    try:
        return a2b_base64(padded.encode()).decode("utf-16-be")
    except (Error, UnicodeDecodeError):
        raise EncodingError("not modified UTF-7: no UTF-16 behind the shift") from None
