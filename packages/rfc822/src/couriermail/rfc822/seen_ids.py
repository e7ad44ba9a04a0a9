r"""The list of message ids by which duplicates are known.

Ids stand in the file oldest first, each ended by NUL; an empty id ends the list, and what lies
behind it is left over from a longer one.  Source: spec rfc822 2.4.7.
"""

from __future__ import annotations

__all__ = ["SeenIds"]


class SeenIds:
    """The ids of a file, as many of the newest as fit.

    Attributes:
        ids: oldest first.
    """

    __slots__ = ("ids",)

    def __init__(self, data: bytes = b"") -> None:
        """Reads the contents of a file; a last id without NUL was cut off and is dropped."""
        self.ids: list[bytes] = data.partition(b"\0\0")[0].split(b"\0")
        is_ended = data.endswith(b"\0") or b"\0\0" in data
        if not is_ended:
            self.ids.pop()
        self.ids = [found for found in self.ids if found]

    def see(self, message_id: bytes, limit: int) -> bool:
        """Notes an id as the newest.

        Args:
            message_id: not empty, without NUL.
            limit: octets the list may have; the newest id is kept in any case.

        Returns:
            True when the id was in the list already.
        """
        is_known = message_id in self.ids
        if is_known:
            self.ids.remove(message_id)
        self.ids.append(message_id)
        size = sum(len(found) + 1 for found in self.ids)
        dropped = 0
        while size >= limit and dropped < len(self.ids) - 1:
            size -= len(self.ids[dropped]) + 1
            dropped += 1
        del self.ids[:dropped]
        return is_known

    def __bytes__(self) -> bytes:
        """The contents of the file, with the empty id that ends the list."""
        return b"".join(found + b"\0" for found in self.ids) + b"\0"
