"""`reformime -r -d -D -V -u --json`: the modes that look at a message as a whole.

Spec rfc822 2.2.
"""

from __future__ import annotations

import os

from couriermail.cli.message_io import default_charset, write_out
from couriermail.cli.reformime_text import encode_text
from couriermail.cli.version import VERSION
from couriermail.rfc822.defects import FATAL, Defect, DefectKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.rfc822.message import Message, Part

__all__ = [
    "dump_structure", "fatal_descriptions", "rewrite", "show_report", "show_text", "validate",
]  # fmt: skip

AGENT = f"reformime (couriermail {VERSION})"

# Kinds without a line here are no business of this command (spec rfc822 4.13).
DESCRIPTIONS = {
    DefectKind.EIGHT_BIT_HEADER: "8-bit header content",
    DefectKind.EIGHT_BIT_CONTENT: "8-bit content without a Content-Transfer-Encoding declaration",
    DefectKind.TOO_COMPLEX: "MIME complexity exceeds limits",
    DefectKind.BAD_BOUNDARY: "Non-unique MIME boundary delimiters",
    DefectKind.EIGHT_BIT_IN_QP: "Unencoded 8-bit content in quoted-printable content",
    DefectKind.BAD_HEX_IN_QP: "Bad hexadecimal quoted-printable encoding",
    DefectKind.WRONG_BOUNDARY: "Unexpected MIME boundary delimiter",
    DefectKind.LONG_HEADER: "MIME header field exceeds the limit",
    DefectKind.UNKNOWN_ENCODING: "Unknown Content-Transfer-Encoding",
    DefectKind.INVALID_BASE64: "Invalid base64 encoding",
    DefectKind.DUPLICATE_CONTENT: "Duplicate MIME Content-* header",
}


def fatal_descriptions(message: Message) -> list[str]:
    """What makes Courier refuse a message, in the order of the kinds."""
    kinds = {
        defect.kind for part in message.walk() for defect in part.defects if _is_fatal(part, defect)
    }
    return [text for kind, text in DESCRIPTIONS.items() if kind in kinds]


def _is_fatal(part: Part, defect: Defect) -> bool:
    if defect.kind == DefectKind.INVALID_BASE64:  # of a multipart: its delimiters would be data
        return part.is_multipart
    return bool(defect.kind & FATAL)


def rewrite(message: Message, mode: str, charset: str | None) -> int:
    """`-r`: writes the message in another form; `charset` is that of `-c`."""
    from couriermail.rfc822.autoconvert import Autoconvert
    from couriermail.rfc822.message import Message

    conversion = Autoconvert(
        Message(message.data, strict_mime=False),
        mode,
        charset=charset or _charset_for_fields(),
        agent=AGENT,
        add_version=True,
        stable="SOURCE_DATE_EPOCH" in os.environ,
    )
    for piece in conversion.pieces():
        write_out(piece)
    return 0


def _charset_for_fields() -> str:
    """The charset of the environment, if there is one of that name."""
    from couriermail.rfc822.charset import find_codec

    charset = default_charset()
    return "UTF-8" if find_codec(charset) is None else charset


def show_report(message: Message, *, prefers_original: bool) -> int:
    """`-d` and `-D`: action and address of each recipient; 1 for what is no report."""
    from couriermail.rfc822.delivery_status import read_delivery_status

    status = read_delivery_status(message)
    if status is None:
        return 1
    lines = []
    for recipient in status.recipients:
        address = recipient.final_address
        if prefers_original:
            address = recipient.original_address or address
        if recipient.action and address:
            lines.append(f"{recipient.action} {address}\n")
    write_out(encode_text("".join(lines), default_charset()))
    return 0


def validate(message: Message) -> int:
    """`-V`: what is wrong with each section; 1 when it is fatal for one of them."""
    code = 0
    for part in message.walk():
        defects = [*part.defects, *part.content_defects()]
        is_fatal = any(_is_fatal(part, defect) for defect in defects)
        kinds = {defect.kind for defect in defects}
        lines = [f"    {text}\n" for kind, text in DESCRIPTIONS.items() if kind in kinds]
        if lines:
            title = "Fatal error" if is_fatal else "Warnings"
            write_out("".join([f"{title} ({part.section}):\n", *lines]).encode())
        if is_fatal:
            code = 1
    return code


def show_text(message: Message) -> int:
    """`-u`: the decoded text of the message."""
    from couriermail.rfc822.text_feed import write_feed

    for piece in write_feed(message, add_eol=True):
        write_out(piece)
    return 0


def dump_structure(message: Message) -> int:
    """`--json`: one object per section, for programs."""
    import json

    sections = [_as_object(part) for part in message.walk()]
    write_out(json.dumps(sections, indent=1).encode() + b"\n")
    return 0


def _as_object(part: Part) -> dict[str, object]:
    content_type = part.content_type
    return {
        "section": part.section,
        "content_type": str(content_type),
        "parameters": {name: found.value for name, found in content_type.parameters.items()},
        "encoding": part.encoding,
        "filename": part.filename,
        "content_id": part.content_id,
        "start": part.span[0],
        "body": part.body_span[0],
        "end": part.span[1],
        "lines": part.line_count,
        "body_lines": part.body_line_count,
        "defects": [
            {"kind": str(defect.kind.name).lower(), "offset": defect.offset}
            for defect in (*part.defects, *part.content_defects())
        ],
    }
