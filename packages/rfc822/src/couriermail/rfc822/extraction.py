"""Safe file names for the parts of a message.

What a sender calls an attachment may be a path, a hidden file, or an option of the next
command.  Source: RFC 2183 2.3, spec rfc822 2.2.5.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.rfc822.message import Part

__all__ = ["safe_file_name", "sender_file_name"]

_LONGEST_NAME = 32
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.=-")


def sender_file_name(part: Part) -> str:
    """The name a sender gave to a part, as it was given; empty when there is none."""
    return part.filename or ""


def safe_file_name(
    name: str, *, fallback: str, charset: str = "utf-8", keep_unicode: bool = False
) -> str:
    """A name for a file in the current directory.

    Args:
        name: what the sender called it.
        fallback: used when nothing is left of the name.
        charset: without `keep_unicode` each octet of this charset counts as a character.
        keep_unicode: keep letters and digits of all scripts.

    Returns:
        The last 32 characters behind the last slash or backslash; every character that is no
        letter, digit, `.`, `=` or `-` is `_`, and so is a leading `.` or `-`.
    """
    name = name.strip().replace("\\", "/").rpartition("/")[2]
    if not keep_unicode:
        name = name.encode(charset, "replace").decode("latin-1")
    safe = "".join(
        char if char in _PLAIN or (keep_unicode and char.isalnum()) else "_"
        for char in name[-_LONGEST_NAME:] or fallback
    )
    return "_" + safe[1:] if safe[:1] in (".", "-") else safe
