"""Blocks of fields in the machine-readable parts of reports, both ways.

Delivery reports, disposition notifications and feedback reports share their syntax: that of a
message header (RFC 3464 2.1.1, RFC 8098 3.1.1, RFC 5965 2(c)).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from couriermail.rfc822.headers import Field, split_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from couriermail.rfc822.message import Message

__all__ = [
    "ExtraFields",
    "format_fields",
    "read_block",
    "read_blocks",
    "read_report_bodies",
    "with_address_type",
]

ExtraFields = tuple[tuple[str, str], ...]

_BLANK_LINE: Final = re.compile(rb"(?:^|(?<=\n))[ \t]*\r?\n")
_FOLD: Final = "\n" + " " * 8  # spec mta 12.4: further lines of a reply


def format_fields(fields: Iterable[tuple[str, str]]) -> bytes:
    """A block of fields without the empty line behind it; fields without text are left out.

    Line ends in a value become continuation lines, so that text of strangers stays in its field.
    """
    lines = [f"{name}: {_fold(value)}\n" for name, value in fields if value]
    return "".join(lines).encode("utf-8", "surrogateescape")


def read_blocks(body: bytes) -> list[list[Field]]:
    """The blocks of a body, which empty lines separate; blocks without fields are left out."""
    return [fields for block in _BLANK_LINE.split(body) if (fields := split_fields(block))]


def read_block(fields: list[Field], names: Mapping[str, str]) -> tuple[dict[str, str], ExtraFields]:
    """The fields of a block.

    Args:
        fields: one of `read_blocks`.
        names: known field names and what they are called in the result.

    Returns:
        The known ones, the first of each name, and all others in order.
    """
    attributes = {name.lower().encode(): attribute for name, attribute in names.items()}
    known: dict[str, str] = {}
    extra: list[tuple[str, str]] = []
    for field in fields:
        if not field.has_colon:
            continue
        attribute = attributes.get(field.key)
        if attribute is None:
            extra.append((field.name, field.value.strip(" \t")))
        else:
            known.setdefault(attribute, field.value.strip(" \t"))
    return known, tuple(extra)


def with_address_type(address: str) -> str:
    """An address with its type (RFC 3464 2.3.2, RFC 6533 3); one that has a type stays."""
    if not address or ";" in address:
        return address
    return f"rfc822; {address}" if address.isascii() else f"utf-8; {address}"


def _fold(value: str) -> str:
    lines = [line.strip(" \t") for line in value.replace("\r", "").replace("\0", "").split("\n")]
    return _FOLD.join(line for line in lines if line)


def read_report_bodies(
    message: Message, report_type: str, media_types: tuple[str, ...]
) -> list[bytes]:
    """The decoded parts for programs of a report; none when it is no report of this kind.

    Args:
        message: any message.
        report_type: what its report-type parameter has to be (RFC 6522 3).
        media_types: the types that such a part may have.
    """
    content_type = message.content_type
    if str(content_type) != "multipart/report":
        return []
    if (content_type.get("report-type") or "").lower() != report_type:
        return []
    children = message.root.children
    return [part.decoded() for part in children if str(part.content_type) in media_types]
