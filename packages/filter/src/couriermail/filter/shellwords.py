"""Command texts in which nothing that came with a message is ever read as shell syntax.

A recipe may say `to "|notify '$MATCH1'"`.  Putting the matched text into the command would let
whoever wrote the message run commands of theirs.  So bytes marked as `MessageText` travel in
the command's environment, and the text gets a parameter expansion in their place, quoted to
fit the quotes around it: the shell expands it after it has read the command's grammar.  Where
the name of a command would be, such bytes are refused.
"""

from __future__ import annotations

from couriermail.filter.errors import RecipeRuntimeError
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

    Raises:
        RecipeRuntimeError: foreign bytes stand where the shell looks for a command's name.
    """
    if not isinstance(text, MessageText):
        return text, {}
    pieces: list[bytes] = []
    variables: dict[bytes, bytes] = {}
    scanner, at = _Scanner(), 0
    for low, high in text.spans:
        own = bytes(text[at:low])
        scanner.read(own)
        if scanner.is_at_command:
            raise RecipeRuntimeError("Unable to run: the message itself names a command.")
        name = _VARIABLE % len(variables)
        variables[name] = bytes(text[low:high])
        pieces += (own, _expansion(name, scanner.quote))
        scanner.word += b"x"
        at = high
    pieces.append(bytes(text[at:]))
    return b"".join(pieces), variables


def _expansion(name: bytes, quote: int) -> bytes:
    if quote == 0x27:  # leave the single quotes, expand inside double ones, come back
        return b"'\"${%b}\"'" % name
    return b"${%b}" % name


class _Scanner:
    """Follows a command's text: which quote is open, and whether a command's name is due.

    It knows less than a shell.  What it does not know makes it see a command's name where
    there is none, or expand in the wrong quotes; the shell's grammar stays the author's.

    Attributes:
        quote: the open quote: 0, 0x22 or 0x27.
        word: what was read of the current word.
    """

    def __init__(self) -> None:
        self.quote = 0
        self.word = b""
        self._wants_command = True

    @property
    def is_at_command(self) -> bool:
        """True when the next byte belongs to the name of a command."""
        return self._wants_command and b"=" not in self.word

    def read(self, text: bytes) -> None:
        """Read the author's own text."""
        at = 0
        while at < len(text):
            char = text[at]
            if char == 0x5C and self.quote != 0x27:
                self.word += text[at : at + 2]
                at += 1
            elif self.quote:
                self._quoted(char)
            else:
                self._plain(char)
            at += 1

    def _quoted(self, char: int) -> None:
        if char == self.quote:
            self.quote = 0
        elif self.quote == 0x22 and char in b"(`":
            self._begin_command()  # "$(...)" inside double quotes
        elif self.quote == 0x22 and char in b" \t\n" and self._wants_command:
            self._end_word()
        else:
            self.word += bytes((char,))

    def _plain(self, char: int) -> None:
        if char in b"\"'":
            self.quote = char
            self.word += b"q"
        elif char in b" \t":
            self._end_word()
        elif char in b";|&()`{}\n":
            self._begin_command()
        else:
            self.word += bytes((char,))

    def _end_word(self) -> None:
        if self.word and b"=" not in self.word and self.word not in _PREFIX_WORDS:
            self._wants_command = False
        self.word = b""

    def _begin_command(self) -> None:
        self.word = b""
        self._wants_command = True


_PREFIX_WORDS = frozenset(
    b"! { if then elif else while until do time eval exec command builtin env nohup nice sudo"
    b" . source trap".split()
)
