"""An SMTP reply as a value: what an error offers a peer and what a handler answers."""

from __future__ import annotations

import attrs

__all__ = ["Reply"]


@attrs.frozen
class Reply:
    """One SMTP reply (RFC 5321 4.2), possibly of several lines.

    Attributes:
        code: three digits, 200-599.
        text: the text; lines are separated by LF.  Never holds CR.
        enhanced: enhanced status code (RFC 3463) such as `2.1.5`, or None.
    """

    code: int
    text: str = ""
    enhanced: str | None = attrs.field(default=None, kw_only=True)

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return 200 <= self.code < 300

    @property
    def is_temporary_failure(self) -> bool:
        """True for 4xx: the same command may succeed later."""
        return 400 <= self.code < 500

    @property
    def is_permanent_failure(self) -> bool:
        """True for 5xx."""
        return 500 <= self.code < 600

    def lines(self) -> list[str]:
        """The lines of the reply without CRLF: `250-...` for all but the last (RFC 5321 4.2.1).

        The enhanced code, if any, is repeated on every line (RFC 2034 4).
        """
        texts = self.text.split("\n")
        prefix = f"{self.enhanced} " if self.enhanced else ""
        last = len(texts) - 1
        return [
            f"{self.code}{' ' if number == last else '-'}{prefix}{text}"
            for number, text in enumerate(texts)
        ]

    def to_bytes(self) -> bytes:
        """The reply as it goes over the wire, every line ended by CRLF."""
        return "".join(f"{line}\r\n" for line in self.lines()).encode("utf-8", "backslashreplace")

    def __str__(self) -> str:
        return "\n".join(self.lines())
