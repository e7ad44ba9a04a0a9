"""`$name` substitution (spec filter 4.4), split once when the recipe is compiled."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.run import Run

__all__ = ["Part", "report_unclosed", "split_text"]

Part = tuple[bool, bytes]
"""(True, name) of a variable or (False, text) of literal bytes."""

_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SPACE = b" \t\n\v\f\r"


def split_text(text: bytes) -> tuple[list[Part], int]:
    r"""Split a string or a pattern into literal text and variables.

    `$` before anything but a name or a brace is literal, which in a pattern makes it the
    anchor; a backslash and what follows it stay as they are.

    Returns:
        The parts, and how many `${` were never closed and were kept as text.
    """
    parts: list[Part] = []
    unclosed = 0
    at = done = 0
    while at < len(text):
        char = text[at]
        if char == 0x5C:
            at += 2
            continue
        if char != 0x24:
            at += 1
            continue
        name, after = _variable(text, at + 1)
        unclosed += name is None and text[at + 1 : at + 2] == b"{"
        if name is not None:
            if at > done:
                parts.append((False, text[done:at]))
            parts.append((True, name))
            done = after
        at = after
    if done < len(text):
        parts.append((False, text[done:]))
    return parts, unclosed


def report_unclosed(run: Run, times: int, *, name: str, line: int) -> None:
    """Complain about each `${` without its brace, as happens whenever the text is evaluated."""
    for _ in range(times):
        run.host.trace(f"{name}({line}): Terminating }} is missing.".encode())
        run.host.trace(b"")


def _variable(text: bytes, at: int) -> tuple[bytes | None, int]:
    if text[at : at + 1] == b"{":
        end = at + 1
        while end < len(text) and text[end] not in _SPACE and text[end] != 0x7D:
            end += 1
        if text[end : end + 1] == b"}":
            return text[at + 1 : end], end + 1
        return None, at
    end = at
    while end < len(text) and text[end] in _NAME:
        end += 1
    return (text[at:end], end) if end > at else (None, at)
