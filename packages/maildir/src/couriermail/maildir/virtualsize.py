"""The virtual size of a message: its octets when every line ends with CRLF.

IMAP and POP3 send messages with such line ends and state their size in advance (RFC 3501
2.3.4, RFC 1939 11), but maildirs hold them with LF alone.  Dovecot therefore writes the virtual
size into file names, as `,W=` beside `,S=`; with it no message needs to be read for its size.
"""

from __future__ import annotations

__all__ = ["VirtualSize"]

_PIECE = 1 << 18


class VirtualSize:
    """Adds up the virtual size of a message that comes in any pieces.

    Attributes:
        octets: those so far, each bare LF counted as two.
    """

    __slots__ = ("_is_behind_cr", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self._is_behind_cr = False

    def feed(self, chunk: bytes | memoryview) -> None:
        """Count the next piece."""
        if isinstance(chunk, bytes):
            self._count(chunk)
            return
        for start in range(0, len(chunk), _PIECE):  # a mapped file is not copied whole
            self._count(bytes(chunk[start : start + _PIECE]))

    def _count(self, data: bytes) -> None:
        if not data:
            return
        bare = data.count(b"\n") - data.count(b"\r\n")
        if self._is_behind_cr and data[0] == 10:
            bare -= 1
        self.octets += len(data) + bare
        self._is_behind_cr = data[-1] == 13
