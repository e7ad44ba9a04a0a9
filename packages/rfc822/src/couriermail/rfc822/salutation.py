"""The line above a quoted text: `On Tue, 14 Nov 2023, Ann wrote:` from a pattern.

Source: spec rfc822 4.22.7.
"""

from __future__ import annotations

import re
import time

from couriermail.rfc822.cells import wrap_text
from couriermail.rfc822.dates import parse_date
from couriermail.rfc822.header_text import decode_addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.rfc822.headers import Headers

__all__ = ["DEFAULT_SALUTATION", "format_salutation"]

DEFAULT_SALUTATION = "%F writes:"

_WIDTH = 75
_DATE_FORMAT = "%a, %d %b %Y %H:%M:%S %z"
_LONGEST_FORMAT = 200  # characters of a date pattern
_DIRECTIVE = re.compile(r"%(?:\{([^}]*)\})?(.)", re.DOTALL)
_FIELDS = {"C": "x-newsgroup", "N": "newsgroups", "i": "message-id", "s": "subject", "S": "subject"}


def format_salutation(headers: Headers, pattern: str = DEFAULT_SALUTATION) -> str:
    """Fills in a pattern.

    `%%` is a percent sign, `%n` a new line, `%C` X-Newsgroup, `%N` Newsgroups, `%i` Message-ID,
    `%f` the sender's address, `%F` the sender's name (else the address), `%s` the subject, `%d`
    the date, `%{FORMAT}d` the date by a `strftime` pattern; any other letter stands for itself.

    Args:
        headers: of the message that is answered.
        pattern: the text with its directives.

    Returns:
        The text, wrapped at 75 cells into lines that flow together.
    """
    values = _Values(headers)
    text = _DIRECTIVE.sub(lambda found: values.get(found[2], found[1]), pattern)
    wrapped = (" \n".join(_wrap(line)) for line in text.split("\n"))
    return "\n".join(wrapped)


class _Values:
    """What directives stand for; each is looked up when it is used."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def get(self, letter: str, date_format: str | None) -> str:
        name = _FIELDS.get(letter)
        if name is not None:
            return self._headers.get(name) or ""
        if letter == "n":
            return "\n"
        if letter == "d":
            return self._date(date_format or _DATE_FORMAT)
        if letter in "fF":
            return self._sender(is_name=letter == "F")
        return letter

    def _sender(self, *, is_name: bool) -> str:
        senders = decode_addresses(self._headers.addresses("from"))
        if not senders:
            return "@" if is_name else "(no address given)"
        return (senders[0].name if is_name else "") or senders[0].addr

    def _date(self, date_format: str) -> str:
        field = self._headers.field("date")
        epoch = parse_date(field.value) if field else None
        if epoch is None:
            return ""
        try:
            moment = time.localtime(epoch)
            return time.strftime(date_format[:_LONGEST_FORMAT].replace("\0", ""), moment)
        except (ValueError, OverflowError, OSError, UnicodeError):  # what the system cannot show
            return field.text if field else ""


def _wrap(line: str) -> list[str]:
    *lines, last = wrap_text(line, _WIDTH)
    return [*(piece.rstrip(" ") for piece in lines), last]
