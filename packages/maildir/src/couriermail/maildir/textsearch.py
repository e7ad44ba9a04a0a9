"""Looking for words in text that comes in pieces (spec maildir 4.18).

Case does not matter, and any run of white space counts as one blank.  The text itself comes
from elsewhere, such as `iter_text` of `couriermail.rfc822`.
"""

from __future__ import annotations

from couriermail.maildir.errors import InvalidNameError

__all__ = ["TextSearch"]

_BLANKS = str.maketrans("\t\r\n", "   ")
# `str.lower` looks at the neighbours of a sigma and makes two letters of one dotted I; the simple
# mapping of Unicode does neither, so that a text means the same whatever its pieces.
_SIMPLE = str.maketrans("\u03a3\u0130", "\u03c3i")


class TextSearch:
    """Finds one text in others.

    Work is linear in the text; what is held is shorter than what is looked for.

    Attributes:
        found: True as soon as it was found, and from then on.
    """

    __slots__ = ("_needle", "_tail", "found")

    def __init__(self, needle: str) -> None:
        """Prepare a search.

        Raises:
            InvalidNameError: there is nothing to look for but white space.
        """
        self._needle = _collapsed(_folded(needle)).strip(" ")
        if not self._needle:
            raise InvalidNameError("nothing to look for")
        self._tail = ""
        self.found = False

    @classmethod
    def from_bytes(cls, needle: bytes, charset: str) -> TextSearch:
        """Prepare a search for a text in a character set, as IMAP clients send it.

        Raises:
            InvalidNameError: an unknown character set, or octets that are not of it.
        """
        try:
            return cls(needle.decode(charset))
        except (LookupError, UnicodeError, ValueError) as error:
            raise InvalidNameError(f"cannot read the text to look for: {error}") from None

    def feed(self, text: str) -> bool:
        """Look at the next piece; True when the text was found in it or before."""
        if not self.found:
            window = _collapsed(self._tail + _folded(text))
            self.found = self._needle in window
            keep = len(self._needle) - 1
            self._tail = window[-keep:] if keep and not self.found else ""
        return self.found

    def restart(self) -> None:
        """Begin with another text, so that nothing is found across the border."""
        self._tail = ""
        self.found = False


def _folded(text: str) -> str:
    return text.translate(_SIMPLE).lower().translate(_BLANKS)


def _collapsed(text: str) -> str:
    while "  " in text:  # each round halves the runs
        text = text.replace("  ", " ")
    return text
