"""Bodies in pieces: decoded octets, decoded text, and a file to read them from.

Memory is one window, however long the body is.  Source: spec rfc822 1.1 and 4.17.
"""

from __future__ import annotations

import codecs
from io import RawIOBase

from couriermail.rfc822.charset import find_codec, hex_errors
from couriermail.rfc822.decoders import make_decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    from _typeshed import WriteableBuffer

    from couriermail.rfc822.decoders import Decoder
    from couriermail.rfc822.entity import Entity

__all__ = ["WINDOW", "BodyReader", "iter_decoded", "iter_text"]

WINDOW = 65_536  # octets of the message looked at per step


def iter_decoded(data: bytes | mmap, entity: Entity, *, strict: bool = False) -> Iterator[bytes]:
    """The body of a part with its transfer encoding undone, in pieces.

    Args:
        data: the message.
        entity: the part; a part with parts inside it is given as it is.
        strict: raise at the first octet that the encoding does not allow.

    Raises:
        DefectiveMessageError: `strict` was asked for and the body is damaged.
    """
    encoding = "8bit" if entity.children else entity.encoding
    decoder = make_decoder(encoding, offset=entity.body, strict=strict)
    return decode_span(data, entity.body, entity.end, decoder)


def decode_span(data: bytes | mmap, start: int, end: int, decoder: Decoder) -> Iterator[bytes]:
    """A range of a message through a decoder."""
    for position in range(start, end, WINDOW):
        decoded = decoder.feed(data[position : min(position + WINDOW, end)])
        if decoded:
            yield decoded
    rest = decoder.finish()
    if rest:
        yield rest


def iter_text(data: bytes | mmap, entity: Entity) -> Iterator[str]:
    """The body of a text part as text with LF line ends, in pieces; never fails.

    Octets that the charset does not have become `<HH>`; an unknown charset is taken for UTF-8
    when all of the body is valid UTF-8, else for Latin-1, which needs a look ahead.
    """
    charset = entity.content_type.charset
    codec = find_codec(charset) if charset else None
    if codec is None:
        codec = codecs.lookup("utf-8" if _is_utf8(data, entity) else "latin-1")
    text = _TextDecoder(codec)
    for piece in iter_decoded(data, entity):
        decoded = text.feed(piece)
        if decoded:
            yield decoded
    rest = text.feed(b"", final=True)
    if rest:
        yield rest


class _TextDecoder:
    """Octets of one charset to text, CRLF to LF."""

    def __init__(self, codec: codecs.CodecInfo) -> None:
        self._decode = codec.incrementaldecoder(hex_errors()).decode
        self._held = ""  # a CR that may belong to a line end

    def feed(self, octets: bytes, *, final: bool = False) -> str:
        try:
            decoded = self._decode(octets, final)
        except UnicodeError:  # stateful codecs may refuse a handler's answer
            decoded = octets.decode("latin-1")
            self._decode = codecs.lookup("latin-1").incrementaldecoder("strict").decode
        text = self._held + decoded
        self._held = "\r" if text.endswith("\r") and not final else ""
        return (text[:-1] if self._held else text).replace("\r\n", "\n")


def _is_utf8(data: bytes | mmap, entity: Entity) -> bool:
    decoder = codecs.lookup("utf-8").incrementaldecoder
    check = decoder()
    try:
        for piece in iter_decoded(data, entity):
            if not piece.isascii() or check.getstate()[0]:
                check.decode(piece)
        check.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class BodyReader(RawIOBase):
    """A body as a binary file that can be read once, decoded on the way."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills a buffer with decoded octets; 0 at the end."""
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
