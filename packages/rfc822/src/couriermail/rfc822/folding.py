"""Folding of header fields that are made here.

Address lists fold by `address.fold_addresses`.  Source: RFC 5322 2.1.1 and 2.2.3, spec rfc822
4.10.6.
"""

from __future__ import annotations

from couriermail.rfc822.errors import EncodingError
from couriermail.rfc822.headers import Field

__all__ = ["checked_field", "fold_parameters", "fold_text", "without_controls"]

_LINE_ENDS = str.maketrans("\r\n", "  ")
_CONTROLS = str.maketrans("\r\0", "  ")


def fold_text(name: str, value: str, *, width: int = 78) -> Field:
    """A field with unstructured text, folded at its blanks.

    Every way of unfolding gives the same text back: one blank starts the new line, further
    ones stay at the end of the line before.  A word that is longer than the width stays
    whole, so that encoded words are never cut.

    Args:
        name: the field's name.
        value: text, encoded words already made; line ends in it become blanks.
        width: characters per line where a blank allows it.
    """
    lines: list[str] = []
    line = f"{name}:"
    pending = ""  # blanks and words that no line end may stand in
    for word in value.translate(_LINE_ENDS).split(" "):
        pending += " " + word
        if not word:
            continue  # one more blank before the next word
        blanks = pending[: len(pending) - len(word) - 1]
        if len(line) + len(pending) > width and line[-1:] != ":":
            lines.append(line + blanks)
            line = " " + word
        else:
            line += pending
        pending = ""
    return Field(("\n".join([*lines, line + pending]) + "\n").encode("utf-8", "surrogateescape"))


def fold_parameters(name: str, value: str, parameters: list[str]) -> Field:
    """A structured MIME field, one parameter per line.

    Args:
        name: such as `Content-Type`.
        value: such as `text/plain`.
        parameters: pieces from `format_parameter`.
    """
    text = ";\n  ".join([f"{name}: {value}", *parameters])
    return Field(f"{text}\n".encode("utf-8", "surrogateescape"))


def checked_field(name: str, value: str) -> Field:
    """A field of a name and a value that is already encoded and folded.

    Text of callers, and of strangers, stays inside its field.

    Raises:
        EncodingError: it would become another field, or end the header.
    """
    lines = value.split("\n")
    is_name = name.isascii() and name.isprintable() and not set(name) & set(" :")
    is_folded = all(line[:1] in (" ", "\t") and line.strip(" \t") for line in lines[1:])
    if not name or not is_name or not is_folded or "\r" in value or "\0" in value:
        raise EncodingError(f"not a header field: {name[:40]!r}")
    return Field.make(name, value)


def without_controls(value: str) -> str:
    """Text of strangers without what some programs take for the end of a line or a text."""
    return value.translate(_CONTROLS)
