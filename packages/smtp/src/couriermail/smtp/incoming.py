"""The message that is arriving: by DATA or by BDAT, wanted or on its way to a refusal.

A refused message or chunk is read to its true end like any other; only nothing of it comes out.
"""

from __future__ import annotations

import re

import attrs

from couriermail.core import Reply
from couriermail.smtp import replies
from couriermail.smtp.config import ServerConfig
from couriermail.smtp.content import ChunkReader, Content, DotReader
from couriermail.smtp.events import DataChunk, DataDiscarded
from couriermail.smtp.line_buffer import LineBuffer

__all__ = ["Incoming", "parse_bdat"]

# RFC 3030 2: bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]
_BDAT = re.compile(rb"([0-9]{1,19})(?: +(LAST))?\Z", re.IGNORECASE)


def parse_bdat(argument: bytes) -> tuple[int, bool] | None:
    """Size and LAST of a BDAT command; None when nobody can know where the chunk ends."""
    match = _BDAT.match(argument)
    return None if match is None else (int(match[1]), match[2] is not None)


@attrs.define
class Incoming:
    """Reads one message, or skips one chunk, from the buffer.

    Attributes:
        size_limit: octets of the largest message; 0 is no limit.
        reader: knows where the message or the chunk ends.
        content: judges and converts what comes.
        is_wanted: the caller said 354 and was not yet told that the message is over.
        refusal: what the client will be told at the end, if it is already sure.
        is_skipped: a chunk that was refused before it began.
    """

    size_limit: int
    content: Content
    reader: DotReader | ChunkReader
    is_wanted: bool = False
    refusal: Reply | None = None
    is_skipped: bool = False

    @classmethod
    def by_data(cls, config: ServerConfig) -> Incoming:
        """A message that ends with CRLF.CRLF."""
        content = Content(config.line_ends, config.bare)
        return cls(config.limits.message_size, content, DotReader(content))

    @classmethod
    def by_bdat(cls, config: ServerConfig) -> Incoming:
        """A message in counted chunks; `start_chunk` begins each."""
        content = Content(config.line_ends, config.bare)
        return cls(config.limits.message_size, content, ChunkReader(content))

    def start_chunk(self, size: int, *, is_last: bool) -> None:
        """The next BDAT command was read."""
        if isinstance(self.reader, ChunkReader):
            self.reader.start_chunk(size, is_last=is_last)

    def skip(self, refusal: Reply) -> None:
        """Let the octets of the current chunk go by and refuse it behind them."""
        self.is_skipped, self.refusal = True, refusal

    @property
    def is_at_end(self) -> bool:
        """The end of the message, or of the chunk, has been read."""
        if isinstance(self.reader, DotReader):
            return self.reader.rest is not None
        return self.reader.remaining == 0

    @property
    def is_whole(self) -> bool:
        """No further chunk belongs to the message."""
        return isinstance(self.reader, DotReader) or self.reader.is_last

    def read(self, buffer: LineBuffer) -> DataChunk | DataDiscarded | None:
        """Take what belongs to the message from the buffer and leave what lies behind it."""
        data = buffer.take_all()
        if isinstance(self.reader, DotReader):
            piece = self.reader.feed(data)
            rest = self.reader.rest
        else:
            piece, rest = self.reader.feed(data)
        if rest:
            buffer.append(rest)
        return self._judge(piece) if self.is_wanted else None

    def _judge(self, piece: bytes) -> DataChunk | DataDiscarded | None:
        if self.content.is_refused:
            self.refusal = replies.BAD_CONTENT
        elif self.size_limit and self.content.size > self.size_limit:
            self.refusal = replies.MESSAGE_TOO_BIG  # RFC 1870 6.3
        if self.refusal is not None:
            self.is_wanted = False
            return DataDiscarded(self.refusal)
        return DataChunk(piece) if piece else None
