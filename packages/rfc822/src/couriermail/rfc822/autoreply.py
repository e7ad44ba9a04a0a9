"""Whether a program may answer a message by itself.

Source: RFC 3834 2, spec rfc822 2.6 and 8.15.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.rfc822.headers import Headers

__all__ = ["autoreply_obstacle"]

_BULK = ("junk", "bulk", "list")
_LIST_FIELDS = ("list-id", "list-unsubscribe", "list-post", "list-help")


def autoreply_obstacle(headers: Headers) -> str | None:
    """Why no automatic answer may be sent; None when one may.

    Args:
        headers: of the message that would be answered.
    """
    if _value(headers, "content-type").startswith("multipart/report"):
        return "it is a report"
    if _value(headers, "precedence").startswith(_BULK):
        return "its precedence is low"
    if _value(headers, "auto-submitted") not in ("", "no"):  # RFC 3834 5
        return "a program sent it"
    if any(_value(headers, name) for name in _LIST_FIELDS):
        return "it came from a mailing list"
    if any(field.value.strip() == "<>" for field in headers.get_fields("return-path")):
        return "its reverse path is empty"
    if {word.strip() for word in _value(headers, "x-auto-response-suppress").split(",")} & {
        "all", "autoreply", "oof",
    }:  # fmt: skip
        return "its sender wants no answer"
    if not (headers.addresses("reply-to") or headers.addresses("from")):
        return "it names no sender"
    return None


def _value(headers: Headers, name: str) -> str:
    field = headers.field(name)
    return field.value.strip(" \t").lower() if field else ""
