"""Making a cut-off LMDB file safe to map.

LMDB maps its file and trusts the size that the meta page names; where the file is shorter
(a restored or torn copy) the first touch of a missing page kills the process by SIGBUS.
Holes filled with zeros read as pages of no kind, which LMDB reports as corruption.
"""

from __future__ import annotations

import os
import struct

__all__ = ["pad_short_file"]

MAGIC = 0xBEEFC0DE
# A page header of 16 octets, then magic, version, address, map size, two tree records of 48
# octets (the first starts with the page size), last page number, transaction number.
META = struct.Struct("=16xIIQQI44x48xQQ")
PAGE_SIZES = frozenset({4096, 8192, 16384, 32768, 65536})


def pad_short_file(path: str) -> None:
    """Fill up a database file that is shorter than its own meta pages say.

    Never shrinks or overwrites, so a writer that is extending the file at this moment is not
    disturbed.  A file that is absent or no LMDB file at all is left to LMDB's own checks.

    Raises:
        OSError: the file cannot be read or extended.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(descriptor).st_size
        needed = _claimed_size(os.pread(descriptor, 2 * 65536 + META.size, 0))
        if size < needed:
            os.posix_fallocate(descriptor, size, needed - size)
    finally:
        os.close(descriptor)


def _claimed_size(start: bytes) -> int:
    """Octets that the larger of the two meta pages counts on; 0 when there is none."""
    claimed = 0
    page = 0
    for _ in range(2):
        if len(start) < page + META.size:
            break
        magic, _, _, _, page_size, last_page, _ = META.unpack_from(start, page)
        if magic != MAGIC or page_size not in PAGE_SIZES:
            break
        claimed = max(claimed, (last_page + 1) * page_size)
        page += page_size
    return claimed
