"""Reading an LMDB 0.9 file without LMDB, past damage that would crash it.

LMDB trusts the pages it maps; a page of garbage can crash the process.  This walks the same
trees with every number checked and skips what does not make sense.  Only for salvage: it
reads the newest committed state of a file that nobody writes.

Layout (64 bit, native order): a page is a header of 16 octets (number, flags, bounds) and an
array of node offsets.  A branch node names a child page, a leaf node holds key and value; a
large value lies on overflow pages, a named database is a value that holds a tree record.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PageFile"]

MAGIC = 0xBEEFC0DE
HEADER_SIZE = 16
BRANCH, LEAF = 0x01, 0x02
BIG_VALUE, SUB_TREE = 0x01, 0x02

DEPTH_MAX = 32  # LMDB's own limit

HEADER = struct.Struct("=QHHHH")  # page number, padding, flags, lower, upper
NODE = struct.Struct("=HHHH")  # size low, size high, flags, key size
PAGE_NUMBER = struct.Struct("=Q")
TREE = struct.Struct("=IHHQQQQQ")  # ..., root page
# Magic, version, address, map size, the free tree (first its page size), the main tree.
META = struct.Struct("=16xIIQQI44x40xQQQ")


@attrs.frozen
class Node:
    """One entry of a page."""

    flags: int
    child: int
    key: bytes
    value: bytes


class PageFile:
    """A database file, mapped for reading.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
        ValueError: no meta page of it makes sense.
    """

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        self._page_size, self._root = self._newest_meta()

    def close(self) -> None:
        """Unmap the file."""
        self._data.close()

    def rows(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """The readable rows of a named database, in key order."""
        for node in self._walk(self._root, set()):
            if node.flags & SUB_TREE and node.key == name.encode() and len(node.value) >= TREE.size:
                for row in self._walk(TREE.unpack_from(node.value)[7], set()):
                    yield row.key, row.value

    def _newest_meta(self) -> tuple[int, int]:
        found: list[tuple[int, int, int]] = []
        start = 0
        for _ in range(2):
            if start + META.size > len(self._data):
                break
            fields = META.unpack_from(self._data, start)
            magic, page_size, root, transaction = fields[0], fields[4], fields[5], fields[7]
            if magic == MAGIC and page_size in {1 << bits for bits in range(9, 17)}:
                found.append((transaction, page_size, root))
            start += found[0][1] if found else 4096
        if not found:
            raise ValueError("no meta page")
        return max(found)[1:]

    def _walk(self, number: int, seen: set[int], depth: int = 0) -> Iterator[Node]:
        """The leaf nodes below a page; damage may make cycles, `seen` breaks them."""
        if number in seen or depth > DEPTH_MAX:
            return
        seen.add(number)
        header = self._header(number)
        if header is None:
            return
        flags, count = header
        for node in self._nodes(number, flags, count):
            if flags & BRANCH:
                yield from self._walk(node.child, seen, depth + 1)
            else:
                yield node

    def _header(self, number: int) -> tuple[int, int] | None:
        """Flags and node count of a page that can be one."""
        start = number * self._page_size
        if start + self._page_size > len(self._data):
            return None
        claimed, _, flags, lower, upper = HEADER.unpack_from(self._data, start)
        is_tree_page = claimed == number and flags & (BRANCH | LEAF) in {BRANCH, LEAF}
        if not is_tree_page or not HEADER_SIZE <= lower <= upper <= self._page_size:
            return None
        return flags, (lower - HEADER_SIZE) // 2

    def _nodes(self, number: int, page_flags: int, count: int) -> Iterator[Node]:
        start = number * self._page_size
        for offset in struct.unpack_from(f"={count}H", self._data, start + HEADER_SIZE):
            if not HEADER_SIZE <= offset <= self._page_size - NODE.size:
                continue
            low, high, flags, key_size = NODE.unpack_from(self._data, start + offset)
            key_at = start + offset + NODE.size
            if key_at + key_size > start + self._page_size:
                continue
            key = self._data[key_at : key_at + key_size]
            if page_flags & BRANCH:
                yield Node(0, low | high << 16 | flags << 32, key, b"")
                continue
            value = self._value(flags, low | high << 16, key_at + key_size, start)
            if value is not None:
                yield Node(flags, 0, key, value)

    def _value(self, flags: int, size: int, at: int, page_start: int) -> bytes | None:
        end = len(self._data)
        if not flags & BIG_VALUE:
            end = page_start + self._page_size
        elif at + PAGE_NUMBER.size <= end:
            at = PAGE_NUMBER.unpack_from(self._data, at)[0] * self._page_size + HEADER_SIZE
        return self._data[at : at + size] if at + size <= end else None
