"""Boundaries of multiparts that start no line of what they separate.

`=_` occurs in no base64 or quoted-printable data, so that a transfer encoding applied later
makes no new delimiter.  Source: RFC 2046 5.1.1, spec rfc822 3 and 4.20.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from mmap import mmap

__all__ = ["pick_boundary", "starts_line"]

_PREFIX = b"--=_"
_LONGEST = 70  # RFC 2046 5.1.1
_TOKEN_BYTES = 16


def pick_boundary(texts: Iterable[bytes | mmap], *, wanted: str = "", stable: bool = False) -> str:
    """A boundary that starts no line of any text, in any spelling.

    Args:
        texts: what it is to separate, before and after transfer decoding.
        wanted: tried first; it may have a number appended.
        stable: count instead of drawing random names, so that the same input gives the same
            output.
    """
    sources = list(texts)
    for boundary in _candidates(wanted, stable=stable):
        delimiter = b"--" + boundary.encode()
        if not any(starts_line(text, delimiter) for text in sources):
            return boundary
    raise AssertionError("the candidates never end")


def starts_line(text: bytes | mmap, delimiter: bytes) -> bool:
    """Whether a line of the text starts with a delimiter, in any spelling.

    Args:
        text: any octets.
        delimiter: the boundary with its two dashes.
    """
    fixed = _PREFIX if delimiter.startswith(_PREFIX) else b"--"
    wanted = delimiter.lower()
    position = text.find(fixed)
    while position >= 0:
        if (not position or text[position - 1 : position] == b"\n") and (
            text[position : position + len(wanted)].lower() == wanted
        ):
            return True
        position = text.find(fixed, position + 1)
    return False


def _candidates(wanted: str, *, stable: bool) -> Iterator[str]:
    if wanted:
        yield wanted
    number = 0
    while True:
        number += 1
        if stable or wanted:
            yield f"{(wanted or '=_courier')[: _LONGEST - 12]}_{number}"
        else:
            yield f"=_{os.urandom(_TOKEN_BYTES).hex()}"
