"""`reformime -h -H -o -O`: header text, decoded and encoded (spec rfc822 2.2, 4.5 and 4.8)."""

from __future__ import annotations

import os

from couriermail.cli.message_io import default_charset, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.cli.reformime import Request

__all__ = ["convert_text", "encode_text", "usable_charset"]

_EACH_ON_ITS_LINE = 1  # characters per line: less than any address has


def convert_text(request: Request) -> int:
    """Converts the text of the option that goes first."""
    charset = request.charset or default_charset()
    texts = request.texts
    if "decode" in texts:
        from couriermail.rfc822.header_text import decode_header

        _print(decode_header("subject", _octets(texts["decode"])), charset)
    elif "decode_addresses" in texts:
        _print(_decode_addresses(texts["decode_addresses"]), charset)
    elif "encode" in texts:
        from couriermail.rfc822.encoded_word import encode_words

        _print(encode_words(_text(texts["encode"], charset), charset), "utf-8")
    else:
        _print(_encode_addresses(texts["encode_addresses"], charset), "utf-8")
    return 0


def _octets(argument: str) -> bytes:
    return os.fsencode(argument)


def _text(argument: str, charset: str) -> str:
    """An argument is octets of the charset in effect, whatever the interpreter made of it."""
    from couriermail.rfc822.charset import decode_charset

    return decode_charset(_octets(argument), charset)[0]


def _decode_addresses(argument: str) -> str:
    from couriermail.rfc822.address import parse_address_list, wrap_addresses
    from couriermail.rfc822.header_text import decode_addresses

    elements = decode_addresses(parse_address_list(_octets(argument)))
    return " \n".join(wrap_addresses(elements, _EACH_ON_ITS_LINE))


def _encode_addresses(argument: str, charset: str) -> str:
    from couriermail.rfc822.address import parse_address_list, wrap_addresses
    from couriermail.rfc822.address_encoding import encode_addresses

    elements = parse_address_list(_text(argument, charset))
    return "\n  ".join(wrap_addresses(encode_addresses(elements, charset), _EACH_ON_ITS_LINE))


def encode_text(text: str, charset: str) -> bytes:
    """Text in a charset; what that does not have is shown as `<HH>` (spec rfc822 4.5.6)."""
    codec = usable_charset(charset)
    if codec == "utf-8":
        return text.encode("utf-8", "surrogateescape")
    try:
        return text.encode(codec)
    except UnicodeError:
        return b"".join(_encode_character(char, codec) for char in text)


def usable_charset(charset: str) -> str:
    """The codec for a charset; UTF-8 when the environment names one that does not exist."""
    from couriermail.rfc822.charset import find_codec

    codec = find_codec(charset)
    return "utf-8" if codec is None else codec.name


def _print(text: str, charset: str) -> None:
    write_out(encode_text(text, charset) + b"\n")


def _encode_character(char: str, codec: str) -> bytes:
    try:
        return char.encode(codec)
    except UnicodeError:
        octets = char.encode("utf-8", "surrogateescape")
        return "".join(f"<{octet:02X}>" for octet in octets).encode()
