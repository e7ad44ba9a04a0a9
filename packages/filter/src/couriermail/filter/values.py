"""What the language's values mean as numbers, as truth and as text (spec filter 4.3, 4.7).

Every value is a byte string.  Bytes that came with the message, its envelope or a command's
output are marked, byte range by byte range, by `MessageText`; the mark survives substitution
and slicing, and `couriermail.filter.shellwords` uses it to keep such bytes out of the shell's
grammar.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MessageText",
    "exit_code",
    "format_number",
    "is_true",
    "join",
    "leading_integer",
    "marked_slice",
    "to_integer",
    "to_number",
    "to_unsigned",
    "unescape",
]

_SPACE = b" \t\n\v\f\r"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_LONG_MAX = 2**63 - 1


class MessageText(bytes):
    """Bytes of which some did not come from the recipe's author.

    Attributes:
        spans: half-open byte ranges that came from elsewhere, in order.
    """

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def whole(cls, text: bytes) -> bytes:
        """Mark all of `text`; what is marked already, or empty, stays as it is."""
        if not text or type(text) is cls:
            return text
        return cls.ranges(text, ((0, len(text)),))

    @classmethod
    def ranges(cls, text: bytes, spans: tuple[tuple[int, int], ...]) -> MessageText:
        """Mark the given ranges of `text`."""
        marked = cls(text)
        marked.spans = spans
        return marked

    def marked(self, text: bytes) -> MessageText:
        """`text`, which has the same length, with the marks of this value."""
        return MessageText.ranges(text, self.spans)


def join(pieces: list[bytes]) -> bytes:
    """Concatenate, keeping marks."""
    if not any(type(piece) is MessageText for piece in pieces):
        return b"".join(pieces)
    spans: list[tuple[int, int]] = []
    offset = 0
    for piece in pieces:
        if isinstance(piece, MessageText):
            spans.extend((start + offset, end + offset) for start, end in piece.spans)
        offset += len(piece)
    return MessageText.ranges(b"".join(pieces), tuple(spans))


def marked_slice(text: bytes, start: int, end: int) -> bytes:
    """`text[start:end]`, keeping marks; both ends lie inside the text."""
    if not isinstance(text, MessageText):
        return text[start:end]
    spans = _clip(text.spans, start, end)
    return MessageText.ranges(text[start:end], spans) if spans else bytes(text[start:end])


def _clip(spans: Iterable[tuple[int, int]], start: int, end: int) -> tuple[tuple[int, int], ...]:
    clipped = ((max(low, start) - start, min(high, end) - start) for low, high in spans)
    return tuple((low, high) for low, high in clipped if low < high)


def is_true(value: bytes) -> bool:
    """The truth of a value (spec filter 4.3).

    Courier: skips the character after `0.` unseen, so `0.0` is true and `0.50` false.
    """
    if value in (b"1", b"0"):
        return value == b"1"
    whole, dot, fraction = value.strip(_SPACE).partition(b".")
    if whole == b"0":
        return bool(fraction.strip(b"0"))
    if not whole:
        return bool(dot) and not (fraction and not fraction.strip(b"0"))
    return True


def to_number(value: bytes) -> float:
    """C `atof`: the longest prefix that is a number, else 0."""
    text = value.lstrip(_SPACE).partition(b"\0")[0]
    sign = -1.0 if text[:1] == b"-" else 1.0
    if text[:1] in (b"-", b"+"):
        text = text[1:]
    word = text[:8].lower()
    if word.startswith(b"inf"):
        return sign * float("inf")
    if word.startswith(b"nan"):
        return float("nan")
    if word.startswith(b"0x") and (number := _hexadecimal(text)) is not None:
        return sign * number
    end = _decimal_end(text)
    return sign * float(text[:end]) if end else 0.0


def _decimal_end(text: bytes) -> int:
    end = _run(text, 0, _DIGITS)
    digits = end
    if text[end : end + 1] == b".":
        after = _run(text, end + 1, _DIGITS)
        digits += after - end - 1
        end = after
    if not digits:
        return 0
    return _exponent_end(text, end, b"eE")


def _exponent_end(text: bytes, end: int, letters: bytes) -> int:
    if text[end : end + 1] and text[end] in letters:
        start = end + 1 + (text[end + 1 : end + 2] in (b"+", b"-"))
        after = _run(text, start, _DIGITS)
        if after > start:
            return after
    return end


def _hexadecimal(text: bytes) -> float | None:
    end = _run(text, 2, _HEX)
    digits = end - 2
    if text[end : end + 1] == b".":
        after = _run(text, end + 1, _HEX)
        digits += after - end - 1
        end = after
    if not digits:
        return None
    end = _exponent_end(text, end, b"pP")
    try:
        return float.fromhex(text[:end].decode("ascii"))
    except OverflowError:
        return float("inf")


def _run(text: bytes, start: int, allowed: bytes) -> int:
    end = start
    while end < len(text) and text[end] in allowed:
        end += 1
    return end


def format_number(value: float) -> bytes:
    """C `%.22g`; not-a-number has no sign."""
    if value != value:  # noqa: PLR0124 - the one test for not-a-number without importing math
        return b"nan"
    return b"%.22g" % value


def leading_integer(value: bytes) -> int | None:
    """C `strtol` without limits: blanks, sign, digits; None when there are no digits."""
    text = value.lstrip(_SPACE)
    start = 1 if text[:1] in (b"-", b"+") else 0
    end = _run(text, start, _DIGITS)
    if end == start:
        return None
    digits = int(text[start : min(end, start + 400)])
    return -digits if text[:1] == b"-" else digits


def to_integer(value: bytes) -> int:
    """C `atol`: saturates at 64 bits."""
    number = leading_integer(value) or 0
    return max(-_LONG_MAX - 1, min(_LONG_MAX, number))


def to_unsigned(value: bytes) -> int:
    """An operand of `|` and `&`: a number cut to unsigned 64 bits, 0 when out of range."""
    number = to_number(value)
    if not -(2.0**63) <= number < 2.0**64:
        return 0
    return int(number) % 2**64


def exit_code(value: bytes) -> int:
    """EXITCODE as a process's status, modulo 256 (spec filter 4.14)."""
    text = value.lstrip(_SPACE)
    return (leading_integer(text) or 0) % 256 if text[:1] != b"+" else 0


_CONTROLS = {0x72: b"\r", 0x6E: b"\n", 0x74: b"\t", 0x66: b"\f", 0x76: b"\v"}


def unescape(value: bytes) -> bytes:
    r"""The text that `echo` and `log` write, with its final newline (spec filter 4.7)."""
    ending = b"\n"
    if b"\\" not in value:
        return value + ending
    pieces: list[bytes] = []
    at = 0
    while (slash := value.find(b"\\", at)) >= 0:
        pieces.append(value[at:slash])
        following = value[slash + 1 : slash + 2]
        at = slash + 2
        if not following:
            pieces.append(b"\\")
        elif following == b"c" and at == len(value):
            ending = b""
        elif following in b"01234567":
            end = _run(value, slash + 1, b"01234567")
            pieces.append(bytes((int(value[slash + 1 : end][-8:], 8) & 0xFF,)))
            at = end
        else:
            pieces.append(_CONTROLS.get(following[0], following))
    pieces.append(value[at:])
    return b"".join(pieces) + ending
