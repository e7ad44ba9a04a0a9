"""`to "! addresses"` without a shell (spec filter 4.13)."""

from __future__ import annotations

import shlex

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.shellwords import is_from_message

__all__ = ["forward_arguments"]

_SHELL_SIGNS = frozenset(b"|&;<>()$`\\\"'*?[]#~{}\n\r")


def forward_arguments(sendmail: bytes, addresses: bytes) -> tuple[bytes, ...]:
    """The program and arguments that forward a message: `$SENDMAIL -f '' addresses`.

    Args:
        sendmail: the variable SENDMAIL, split as a shell would split it.
        addresses: the text behind `!`, split at blanks.

    Raises:
        RecipeRuntimeError: SENDMAIL cannot be split, or the addresses hold signs that mean
            something to a shell, or one that came with the message looks like an option.
    """
    if not addresses.strip() or _SHELL_SIGNS & frozenset(addresses):
        raise RecipeRuntimeError("Unable to forward: not a list of plain addresses.")
    for word, offset in _words(addresses):
        if word.startswith(b"-") and is_from_message(addresses, offset):
            raise RecipeRuntimeError("Unable to forward: an address looks like an option.")
    try:
        program = shlex.split(sendmail.decode("utf-8", "surrogateescape"))
    except ValueError:
        program = []
    if not program:
        raise RecipeRuntimeError("Unable to forward: SENDMAIL is not a command.")
    arguments = [word.encode("utf-8", "surrogateescape") for word in program]
    return (*arguments, b"-f", b"", *(word for word, _ in _words(addresses)))


def _words(text: bytes) -> list[tuple[bytes, int]]:
    words: list[tuple[bytes, int]] = []
    at = 0
    for word in bytes(text).split():
        at = text.index(word, at)
        words.append((word, at))
        at += len(word)
    return words
