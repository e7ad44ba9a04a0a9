"""The reply that says what became of one delivery (RFC 2033 4.2, RFC 3463).

A failure is `550`, a deferral `451` (`452` for a full mailbox).  The text is what the recipe or
its commands said.  A recipe may choose the code: `echo "552 5.2.3 Too big for me"`, with an exit
code that refuses.  The code must be of the outcome's own kind, so no text turns a refusal into an
acceptance, and `421` is not for users to say: it would end the session of an MTA.
"""

from __future__ import annotations

import re

from couriermail.core import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.local.values import LocalResult

__all__ = ["reply_for"]

MAX_LINES = 20
MAX_TEXT = 400  # RFC 5321 4.5.3.1.5: 512 octets for a whole line
_OWN_CODE = re.compile(r"([45]\d\d)(?:[ -]+([45]\.\d{1,3}\.\d{1,3}))?(?:[ -]+|\Z)")
_CLOSING = 421
_MAILBOX_FULL = "4.2.2"


def reply_for(result: LocalResult, name: str) -> Reply:
    """The reply for one recipient.

    Args:
        result: what the delivery agent says.
        name: the message's name in our log and in its `Received:` line.
    """
    if result.kind == "success":
        return Reply(250, f"Message delivered. {name}", enhanced="2.0.0")
    kind = "5" if result.kind == "failure" else "4"
    code, enhanced = _own_code(result.lines, kind)
    if not enhanced:
        enhanced = result.enhanced if result.enhanced.startswith(kind) else f"{kind}.3.0"
    texts = [_clean(line) for line in result.lines[:MAX_LINES]]
    return Reply(code or _usual_code(enhanced), "\n".join(texts), enhanced=enhanced)


def _own_code(lines: tuple[str, ...], kind: str) -> tuple[int, str]:
    """Code and status with which the text begins, where they are of the right kind."""
    match = _OWN_CODE.match(lines[0]) if lines else None
    if match is None or not match[1].startswith(kind) or int(match[1]) == _CLOSING:
        return 0, ""
    status = match[2] or ""
    return int(match[1]), status if status.startswith(kind) else ""


def _usual_code(enhanced: str) -> int:
    if enhanced.startswith("5"):
        return 550
    return 452 if enhanced == _MAILBOX_FULL else 451


def _clean(line: str) -> str:
    """A line without a code of its own, in ASCII without controls (RFC 5321 4.2)."""
    text = _OWN_CODE.sub("", line, count=1) if _OWN_CODE.match(line) else line
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.encode("ascii", "backslashreplace").decode("ascii")[:MAX_TEXT]
