"""Character sets of mail: which names are known, and decoding that never fails.

Names come from strangers.  They are looked up in the tables of the standard library before
any codec is loaded, so that no name can load a module, reach a codec that is no character
set (`rot13`, `unicode_escape`), or grow a cache.  Source: RFC 2978, spec rfc822 4.17.
"""

from __future__ import annotations

import codecs

__all__ = [
    "DEFAULT_CHARSET",
    "decode_charset",
    "decode_unlabelled",
    "encode_charset",
    "find_codec",
    "hex_errors",
]

DEFAULT_CHARSET = "utf-8"

_LONGEST_NAME = 40
_MOST_SPELLINGS = 256  # of known names that are remembered
_spellings: dict[str, codecs.CodecInfo] = {}

# Names seen in mail that Python does not know, or knows as a smaller set than senders mean.
_ALIASES = {
    "ks_c_5601_1987": "cp949",
    "ksc5601": "cp949",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "x_sjis": "cp932",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "windows_31j": "cp932",
    "ansi_x3.4_1968": "ascii",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "x_mac_roman": "mac_roman",
    "macintosh": "mac_roman",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "unicode": "utf_16",
    "iso_10646_ucs_2": "utf_16",
    "csgb2312": "gb18030",
    "x_euc_jp": "euc_jp",
    "x_cp1250": "cp1250",
    "x_cp1251": "cp1251",
    "x_cp1252": "cp1252",
    "x_ansi": "cp1252",
    "cs_windows_1252": "cp1252",
    "iso8859_11": "cp874",
    "iso_8859_11": "cp874",
    "tis_620": "cp874",
    "koi8": "koi8_r",
    "visual": "iso8859_8",
    "logical": "iso8859_8",
}

# Text transforms and names that mean "I do not know": never character sets of mail.
_REFUSED = frozenset(
    (
        "idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "rot_13", "undefined",
        "unicode_escape",
    )
)  # fmt: skip
# Character sets whose own name is missing from the alias table of the standard library.
_UNLISTED = frozenset(
    (
        "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u",
        "mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "utf_8_sig",
    )
)  # fmt: skip


def find_codec(charset: str) -> codecs.CodecInfo | None:
    """The codec for a charset name in any spelling; None for names that are not known."""
    found = _spellings.get(charset)
    if found is None:
        found = _search_codec(charset)
        if found is not None and len(_spellings) < _MOST_SPELLINGS:
            _spellings[charset] = found
    return found


def _search_codec(charset: str) -> codecs.CodecInfo | None:
    name = charset.strip().lower().replace("-", "_").replace(" ", "_")
    if not name or len(name) > _LONGEST_NAME or not name.isascii():
        return None
    name = _ALIASES.get(name, name)
    if name.startswith("cp_"):
        name = "cp" + name[3:]
    name = name.replace(".", "_")
    from encodings.aliases import aliases

    canonical = aliases.get(name, name)
    if canonical in _REFUSED or canonical.endswith("_codec"):
        return None
    if canonical not in _known_codecs(aliases):
        return None
    try:
        return codecs.lookup(canonical)
    except LookupError:  # a codec of another platform
        return None


def decode_charset(octets: bytes, charset: str) -> tuple[str, bool]:
    """Decodes octets of a named charset; never fails.

    Args:
        octets: the text.
        charset: its label, in any spelling.

    Returns:
        The text and whether it is faithful.  Octets that the charset does not have become
        `<HH>`; an unknown charset is taken as `decode_unlabelled` does.  Both give False.
    """
    codec = find_codec(charset)
    if codec is None:
        return decode_unlabelled(octets), False
    try:
        return codec.decode(octets)[0], True
    except UnicodeError:
        pass
    try:
        return codec.decode(octets, hex_errors())[0], False
    except UnicodeError:  # stateful codecs may refuse a handler's answer
        return decode_unlabelled(octets), False


def decode_unlabelled(octets: bytes) -> str:
    """Octets without a charset: UTF-8 where valid, else Latin-1, which has every octet."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def encode_charset(text: str, charset: str) -> bytes:
    """Encodes a text; never fails.

    Characters that the charset does not have become `<HH>` for each octet of their UTF-8 form; an
    unknown charset is taken for UTF-8.
    """
    codec = find_codec(charset)
    if codec is None or codec.name == "utf-8":
        return text.encode("utf-8", "replace")
    try:
        return codec.encode(text)[0]
    except UnicodeError:
        pass
    try:
        return codec.encode(text, hex_errors())[0]
    except UnicodeError:
        return text.encode("utf-8", "replace")


_codec_names: frozenset[str] | None = None


def _known_codecs(aliases: dict[str, str]) -> frozenset[str]:
    global _codec_names  # noqa: PLW0603 - computed once per process
    if _codec_names is None:
        _codec_names = frozenset(aliases.values()) | _UNLISTED
    return _codec_names


_HANDLER = "couriermail.hex"
_is_registered = False


def hex_errors() -> str:
    """Name of the error handler that writes `<HH>`.

    The registry of handlers is shared, but the name is ours; a handler is the only way to
    decode damaged text in linear time.
    """
    global _is_registered  # noqa: PLW0603 - registered once per process
    if not _is_registered:
        codecs.register_error(_HANDLER, _replace_by_hex)
        _is_registered = True
    return _HANDLER


def _replace_by_hex(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeEncodeError):
        damaged = error.object[error.start : error.end].encode("utf-8", "surrogatepass")
    elif isinstance(error, UnicodeDecodeError):
        damaged = error.object[error.start : error.end]
    else:
        raise error
    return "".join(f"<{octet:02X}>" for octet in damaged), error.end
