"""A message, or its header, as the last part of another one.

Source: RFC 6522 3, RFC 6532 3.7, spec rfc822 4.22.10.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.rfc822.message import Message

__all__ = ["has_global_header", "returned_header", "returned_pieces"]

_WINDOW = 65_536


def returned_header(message: Message, *, is_whole: bool) -> bytes:
    """The header of the part, with its empty line.

    Args:
        message: what the part holds.
        is_whole: True for all of it, False for its header only.
    """
    is_global = has_global_header(message)
    if is_whole:
        kind = "message/global" if is_global else "message/rfc822"
        return f"Content-Type: {kind}\nContent-Disposition: attachment\n\n".encode()
    kind = "message/global-headers" if is_global else "text/rfc822-headers"
    return (
        f'Content-Type: {kind}; charset="utf-8"\nContent-Disposition: attachment\n'
        "Content-Transfer-Encoding: 8bit\n\n"
    ).encode()


def returned_pieces(message: Message, *, is_whole: bool) -> Iterator[bytes]:
    """What the part holds; a mapped message is read in pieces."""
    end = len(message.data) if is_whole else message.body_span[0]
    for start in range(0, end, _WINDOW):
        yield message.data[start : min(start + _WINDOW, end)]


def has_global_header(message: Message) -> bool:
    """True when a header in the message has 8-bit octets, so that it needs RFC 6532."""
    data = message.data
    return any(not data[e.start : e.body].isascii() for e in message.root.entity.walk())
