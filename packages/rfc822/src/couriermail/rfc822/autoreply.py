"""Whether a program may answer a message by itself.

Source: RFC 3834 2, spec rfc822 2.6 and 8.15, spec filter 4.17.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from couriermail.rfc822.address import Address
    from couriermail.rfc822.headers import Headers

__all__ = ["answer_addresses", "autoreply_obstacle", "is_program_address"]

_BULK = ("junk", "bulk", "list")
_LIST_FIELDS = ("list-unsubscribe", "list-post", "list-help")
_NO_ANSWERS = frozenset(("all", "autoreply", "oof"))
_AUTHOR_FIELDS = ("from", "sender", "return-path")
_ENVELOPE_FIELDS = (b"return-path", b"errors-to")
_PROGRAM_ENDINGS = ("-owner", "-request", "-bounce", "-bounces")


def autoreply_obstacle(
    headers: Headers,
    *,
    answered: Sequence[Address] | None = None,
    prefer_envelope: bool = False,
    is_careful: bool = True,
) -> str | None:
    """Why no automatic answer may be sent; None when one may.

    Where a field stands several times, one that forbids an answer is enough.

    Args:
        headers: of the message that would be answered.
        answered: who would get the answer; by default whom the message names.
        prefer_envelope: see `answer_addresses`.
        is_careful: False to heed only what every autoresponder heeds: reports, a low
            precedence, Auto-Submitted, List-Id and a missing sender.
    """
    obstacle = _mark_of_a_program(headers)
    if obstacle is None and is_careful:
        obstacle = _further_mark(headers)
    if obstacle is not None:
        return obstacle
    if answered is None:
        answered = answer_addresses(headers, prefer_envelope=prefer_envelope)
    if not answered:
        return "it names no sender"
    if is_careful and any(map(is_program_address, answered)):
        return "a program would get the answer"
    return None


def answer_addresses(headers: Headers, *, prefer_envelope: bool = False) -> list[Address]:
    """Who gets the answer to a message: Reply-To where there is one, else From.

    A Reply-To without an address means that nobody does, and so does a group.

    Args:
        headers: of the message that is answered.
        prefer_envelope: take the last Return-Path or Errors-To that has an address instead.
    """
    if prefer_envelope:
        for field in reversed(headers.fields):
            if field.key in _ENVELOPE_FIELDS:
                found = _mailboxes(field.value)
                if found:
                    return found
    fields = headers.get_fields("reply-to") or headers.get_fields("from")
    return [address for field in fields for address in _mailboxes(field.value)]


def is_program_address(address: Address) -> bool:
    """True for addresses behind which no person reads: bounces and the owners of lists.

    RFC 3834 2; what stands behind a `+` does not count.
    """
    local = address.local_part.strip('"').lower().partition("+")[0]
    return (
        local == "mailer-daemon" or local.startswith("owner-") or local.endswith(_PROGRAM_ENDINGS)
    )


def _mark_of_a_program(headers: Headers) -> str | None:
    if any(map(_is_report, _values(headers, "content-type"))):
        return "it is a report"
    if any(value.startswith(_BULK) for value in _values(headers, "precedence")):
        return "its precedence is low"
    # RFC 3834 5: the word may have parameters
    words = [value.partition(";")[0].rstrip(" \t") for value in _values(headers, "auto-submitted")]
    if any(word != "no" for word in words):
        return "a program sent it"
    if any(_values(headers, "list-id")):
        return "it came from a mailing list"
    return None


def _further_mark(headers: Headers) -> str | None:
    if any(value for name in _LIST_FIELDS for value in _values(headers, name)):
        return "it came from a mailing list"
    if any(not _mailboxes(field.value) for field in headers.get_fields("return-path")):
        return "its reverse path is empty"
    for value in _values(headers, "x-auto-response-suppress"):
        if _NO_ANSWERS.intersection(word.strip() for word in value.split(",")):
            return "its sender wants no answer"
    for name in _AUTHOR_FIELDS:
        if any(map(is_program_address, headers.addresses(name))):
            return "a program sent it"
    return None


def _values(headers: Headers, name: str) -> Iterator[str]:
    """What the fields of a name say, in lower case; empty ones say nothing."""
    for field in headers.get_fields(name):
        value = field.value.strip(" \t").lower()
        if value:
            yield value


def _is_report(content_type: str) -> bool:
    if "report" not in content_type or content_type.startswith("multipart/report"):
        return content_type.startswith("multipart/report")
    from couriermail.rfc822.params import ContentType  # comments and blanks are rare

    return str(ContentType.parse(content_type.encode("utf-8", "surrogateescape"))) == (
        "multipart/report"
    )


def _mailboxes(value: str) -> list[Address]:
    """The addresses of a list; none where it begins with a group."""
    from couriermail.rfc822.address import parse_address_list

    elements = parse_address_list(value)
    if not elements or elements[0].is_mark:
        return []
    return [element for element in elements if not element.is_mark and element.local_part]
