r"""What the end of a filter's run means for its recipient (spec filter 4.18).

>>> judge_recipient(FilterResult(99))
<Standing.FILTERED: 'filtered'>
>>> reply = judge_recipient(FilterResult(1, b"go away\n"))
>>> reply.code, reply.text
(511, 'go away')
"""

from __future__ import annotations

import enum

import attrs

from couriermail.core.reply import Reply
from couriermail.filter.courierfilter.protocol import FilterReply

__all__ = ["OUTPUT_BYTES", "FilterResult", "Standing", "judge_content", "judge_recipient"]

OUTPUT_BYTES = 2047
"""Octets of a filter's output that are read; they become the rejection's text."""

LINE_OCTETS = 480
"""Octets of a line's text; with its codes a line stays below 512 (RFC 5321 4.5.3.1.5)."""

ASK_FOR_CONTENT = 99

NOT_AUTHORIZED = Reply(571, "Delivery not authorized, message refused.", enhanced="5.7.1")
ACCESS_DENIED = Reply(450, "Access denied.", enhanced="4.7.1")
NO_ANSWER = Reply(450, "Mail filter did not answer, please try again later.", enhanced="4.3.0")


class Standing(enum.Enum):
    """How a recipient takes mail of a transaction."""

    WHITELISTED = "whitelisted"
    """Unseen: neither its content filter nor the global filters in `filters/` are asked."""
    FILTERED = "filtered"
    """After its content filter and all global filters were asked."""


@attrs.frozen
class FilterResult:
    """How a filter ended.

    Attributes:
        exit_code: exit status, 0-255; None when it had no say: it was killed, its time was
            over, or nobody could run it now.  A program that cannot be executed counts as 0.
        output: what it wrote, standard output and standard error as they came; the first
            `OUTPUT_BYTES` octets count.
    """

    exit_code: int | None
    output: bytes = b""


def judge_recipient(result: FilterResult) -> Standing | Reply:
    """What a filter says to its recipient's RCPT: a standing, or why the recipient is refused.

    A refusal has the code of the text's first line where that is 400-599, else 511; 571 when
    there is no text.
    """
    if result.exit_code is None:
        return NO_ANSWER
    if result.exit_code == 0:
        return Standing.WHITELISTED
    if result.exit_code == ASK_FOR_CONTENT:
        return Standing.FILTERED
    lines = _lines(result.output)
    if not lines:
        return NOT_AUTHORIZED
    code = _code(lines[0])
    return _refusal(code if code is not None and 400 <= code <= 599 else 511, lines)


def judge_content(result: FilterResult) -> Reply | None:
    """What a content filter says to the message: None for yes, or why its recipient refuses it.

    The code is that of the text's first line where it is 200-299 or 400-599, else 450.  A 2xx is
    the recipient's wish that the sender believe the mail arrived: it gets none.
    """
    if result.exit_code is None:
        return NO_ANSWER
    if result.exit_code == 0:  # 99 is a refusal here, like any other
        return None
    lines = _lines(result.output)
    if not lines:
        return ACCESS_DENIED
    code = _code(lines[0])
    # Courier: 3xx is passed on as well; it is no answer to a message (RFC 5321 4.2.1).
    is_final = code is not None and (200 <= code <= 299 or 400 <= code <= 599)
    return _refusal(code if code is not None and is_final else 450, lines)


def _lines(output: bytes) -> list[str]:
    """The text that a filter wrote, without empty lines."""
    text = output[:OUTPUT_BYTES].decode("utf-8", "surrogateescape")
    return [line for line in text.splitlines() if line.strip()]


def _code(line: str) -> int | None:
    code = line[:3]
    is_number = len(code) == 3 and code.isascii() and code.isdecimal()
    return int(code) if is_number and line[3:4] in ("", " ", "-") else None


def _refusal(code: int, lines: list[str]) -> Reply:
    texts = tuple(line if _code(line) is None else line[4:] for line in lines)
    reply = FilterReply(str(code), texts).reply
    text = "\n".join(piece for line in reply.text.split("\n") for piece in _pieces(line))
    enhanced = reply.enhanced or f"{code // 100}.7.1"  # RFC 3463 3.8: not authorized
    return Reply(code, text, enhanced=enhanced)


def _pieces(line: str) -> list[str]:
    """A line as several that fit into a reply, cut behind words where there are any."""
    pieces = []
    octets = line.encode()
    while len(octets) > LINE_OCTETS:
        end = octets.rfind(b" ", 1, LINE_OCTETS) + 1 or LINE_OCTETS
        while octets[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        pieces.append(octets[:end].rstrip(b" ").decode())
        octets = octets[end:]
    return [*pieces, octets.decode()]
