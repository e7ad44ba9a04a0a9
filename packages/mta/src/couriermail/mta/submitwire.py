r"""The words that `sendmail` and the submission socket exchange, and the drop file's format.

A request is one head and one message:

    couriermail-submit 1 LF
    NAME TAB VALUE LF        any number; `rcpt` may repeat; LF, TAB and `\\` in values are escaped
    LF
    HHHHHHHH BYTES           any number of chunks: eight hex digits of length, then that many bytes
    00000000                 the end; a request without it is incomplete and is thrown away

so that a `sendmail` killed in the middle never leaves half a message behind.  A drop file
(`drop/new`, used when no daemon listens) holds exactly the same bytes.  The answer is lines
`rcpt TAB ADDRESS TAB REPLY` for refused recipients and one final `end TAB REPLY`, where REPLY is
`CODE TEXT` with further lines of a reply escaped like values.  Requests about the queue
(`couriermail.mta.queuecontrol`) are answered with lines `item TAB VALUE` instead of `rcpt`.

`sendmail` runs once per message: this module imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "CHUNK_END",
    "MAGIC",
    "MAX_HEAD_BYTES",
    "RequestReader",
    "encode_answer",
    "encode_chunk",
    "encode_head",
    "encode_items",
    "escape",
    "parse_answer",
    "parse_items",
    "unescape",
]

MAGIC = b"couriermail-submit 1\n"
MAX_HEAD_BYTES = (
    16 * 1024 * 1024
)  # argv may hold very many recipients (Linux allows 2 MiB and more)
MAX_CHUNK_BYTES = 16 * 1024 * 1024
CHUNK_END = b"00000000"


def escape(text: str) -> str:
    r"""Make a value safe for one line: `\\`, TAB, LF and CR become two-character escapes."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def unescape(text: str) -> str:
    r"""Undo `escape`; an unknown escape stands for the character behind the backslash."""
    if "\\" not in text:
        return text
    pieces = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            character = next(characters, "\\")  # noqa: PLW2901 - the pair is one character
            character = {"t": "\t", "n": "\n", "r": "\r"}.get(character, character)  # noqa: PLW2901
        pieces.append(character)
    return "".join(pieces)


def encode_head(fields: Iterable[tuple[str, str]]) -> bytes:
    """The head of a request: magic line, fields in order, empty line."""
    lines = "".join(f"{name}\t{escape(value)}\n" for name, value in fields)
    return MAGIC + lines.encode("utf-8", "surrogateescape") + b"\n"


def encode_chunk(data: bytes) -> bytes:
    """One chunk of the message; empty data would end it, so it encodes to nothing."""
    return b"%08x" % len(data) + data if data else b""


def encode_answer(refused: Iterable[tuple[str, str]], final: str) -> bytes:
    """The answer: refused recipients with their replies, then the final reply."""
    lines = [f"rcpt\t{escape(address)}\t{escape(reply)}\n" for address, reply in refused]
    lines.append(f"end\t{escape(final)}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def encode_items(items: Iterable[str], final: str) -> bytes:
    """The answer to a request about the queue: its items, then the final reply."""
    lines = [f"item\t{escape(item)}\n" for item in items]
    lines.append(f"end\t{escape(final)}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def parse_items(data: bytes) -> tuple[list[str], str | None]:
    """Take such an answer apart; the reply is None when the daemon went away before it."""
    items = []
    for line in _whole_lines(data):
        kind, _, value = line.partition("\t")
        if kind == "item":
            items.append(unescape(value))
        elif kind == "end":
            return items, unescape(value)
    return items, None


def parse_answer(data: bytes) -> tuple[list[tuple[str, str]], str | None]:
    """Take an answer apart; the final reply is None when the daemon went away before it."""
    refused = []
    for line in _whole_lines(data):
        kind, *values = line.split("\t")
        if kind == "rcpt" and len(values) == 2:
            refused.append((unescape(values[0]), unescape(values[1])))
        elif kind == "end" and values:
            return refused, unescape(values[0])
    return refused, None


def _whole_lines(data: bytes) -> list[str]:
    """The lines that have come to their end; half a final reply is none."""
    return data.decode("utf-8", "surrogateescape").split("\n")[:-1]


class RequestReader:
    """Reads a request in whatever pieces it comes; memory is one head plus one piece.

    Attributes:
        fields: the head's fields, None until the head is complete.
        is_complete: True when the final empty chunk was seen; bytes behind it are ignored.
        error: why the request is refused, or "".
    """

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] | None = None
        self.is_complete = False
        self.error = ""
        self._buffer = bytearray()
        self._left = 0  # bytes of the open chunk that have not come yet

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes in; yields the message's bytes among them, in order."""
        if self.is_complete or self.error:
            return
        self._buffer += data
        if self.fields is None and not self._read_head():
            return
        yield from self._read_chunks()

    def _read_head(self) -> bool:
        buffer = self._buffer
        if not MAGIC.startswith(bytes(buffer[: len(MAGIC)])):
            self.error = "not a couriermail submission"
            return False
        end = buffer.find(b"\n\n", len(MAGIC) - 1)
        if end < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                self.error = "head of the submission is too long"
            return False
        head = bytes(buffer[len(MAGIC) : max(end, len(MAGIC))])
        del buffer[: end + 2]
        self.fields = []
        for line in head.decode("utf-8", "surrogateescape").split("\n"):
            name, separator, value = line.partition("\t")
            if separator:
                self.fields.append((name, unescape(value)))
        return True

    def _read_chunks(self) -> Iterator[bytes]:
        buffer = self._buffer
        while buffer:
            if self._left:
                piece = bytes(buffer[: self._left])
                del buffer[: self._left]
                self._left -= len(piece)
                yield piece
                continue
            if len(buffer) < 8:
                return
            try:
                self._left = int(bytes(buffer[:8]), 16)
            except ValueError:
                self._left = -1
            del buffer[:8]
            if not 0 <= self._left <= MAX_CHUNK_BYTES:
                self.error = "broken chunk in the submission"
                return
            if self._left == 0:
                self.is_complete = True
                return
