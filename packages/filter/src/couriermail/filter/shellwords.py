"""Command texts in which nothing that came with a message is ever read as shell syntax.

A recipe may say `to "|notify '$MATCH1'"`.  Putting the matched text into the command would let
whoever wrote the message run commands of theirs.  So bytes marked as `MessageText` travel in
the command's environment, and the text gets a parameter expansion in their place, quoted to
fit the quotes around it: the shell expands it after it has read the command's grammar.
"""

from __future__ import annotations

from couriermail.filter.values import MessageText

__all__ = ["is_from_message", "safe_command"]

_VARIABLE = b"COURIERMAIL_TEXT_%d"


def is_from_message(text: bytes, at: int = 0) -> bool:
    """True when the byte at this offset did not come from the recipe's author."""
    return isinstance(text, MessageText) and any(low <= at < high for low, high in text.spans)


def safe_command(text: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """A command with its foreign bytes moved to the environment.

    Returns:
        The text for the shell, and the variables that it now uses.
    """
    if not isinstance(text, MessageText):
        return text, {}
    pieces: list[bytes] = []
    variables: dict[bytes, bytes] = {}
    quote, at = 0, 0
    for low, high in text.spans:
        own = bytes(text[at:low])
        quote = _quote_after(own, quote)
        name = _VARIABLE % len(variables)
        variables[name] = bytes(text[low:high])
        pieces += (own, _expansion(name, quote))
        at = high
    pieces.append(bytes(text[at:]))
    return b"".join(pieces), variables


def _expansion(name: bytes, quote: int) -> bytes:
    if quote == 0x27:  # leave the single quotes, expand inside double ones, come back
        return b"'\"${%b}\"'" % name
    return b"${%b}" % name


def _quote_after(text: bytes, quote: int) -> int:
    """Which quote is open behind `text`: 0, 0x22 or 0x27."""
    at = 0
    while at < len(text):
        char = text[at]
        if char == 0x5C and quote != 0x27:
            at += 1
        elif char == quote:
            quote = 0
        elif char in (0x22, 0x27) and not quote:
            quote = char
        at += 1
    return quote
