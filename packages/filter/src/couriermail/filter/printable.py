"""Text of recipes and messages made safe to show on a terminal."""

from __future__ import annotations

__all__ = ["printable", "shortened"]

_ELLIPSIS = "..."


def printable(text: bytes) -> str:
    r"""UTF-8 text in which nothing can steer a terminal or reorder what is shown.

    Line ends, tabs, escape sequences, signs that change the direction of writing and bytes
    that are no UTF-8 become escapes such as `\n` and `\x1b`.
    """
    decoded = text.decode("utf-8", "backslashreplace")
    if decoded.isprintable():
        return decoded
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in decoded
    )


def shortened(text: str, width: int) -> str:
    """At most `width` characters, the last three of them dots when something was left out."""
    return text if len(text) <= width else text[: width - len(_ELLIPSIS)] + _ELLIPSIS
