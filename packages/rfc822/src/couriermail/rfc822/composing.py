"""New messages in one call: text, alternatives, attachments, inline images.

```
message = compose(
    sender="Zoë <zoe@example.com>", to=["bob@example.com"], subject="Grüße",
    text="Hello", html="<p>Hello <img src='cid:logo'>",
    inline=[Attachment("logo.png", png, "logo")],
    attachments=[Attachment("report.pdf", pdf)],
)
smtp.send(bytes(message))
```

What comes out is a `Message` and can be read like any other.  The same arguments always give the
same octets: there is no clock and no chance in it.  A Date and a Message-ID that the caller does
not give are added by whoever submits the message.  Source: RFC 5322, RFC 2045, RFC 2046 5.1,
RFC 2183, RFC 2387, RFC 2392.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from couriermail.rfc822.address import Address, fold_addresses, parse_address_list
from couriermail.rfc822.address_encoding import encode_addresses
from couriermail.rfc822.dates import format_date
from couriermail.rfc822.detection import detect_encoding
from couriermail.rfc822.encoded_word import encode_words
from couriermail.rfc822.errors import EncodingError
from couriermail.rfc822.folding import checked_field, fold_parameters, fold_text
from couriermail.rfc822.headers import Field
from couriermail.rfc822.msgid import fold_references
from couriermail.rfc822.params import format_parameter
from couriermail.rfc822.report import choose_boundary
from couriermail.rfc822.transfer import encode_base64, encode_quoted_printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from couriermail.rfc822.message import Message

__all__ = ["Attachment", "compose"]

_EMBEDDED: Final = ("message/rfc822", "message/global")
_DEFAULT_TYPE: Final = "application/octet-stream"


@attrs.frozen
class Attachment:
    """Something that goes with a message.

    Attributes:
        filename: the name that the recipient sees; any text without directories.
        data: its octets.
        content_id: what HTML calls it by, as in `<img src="cid:logo">`; only for inline parts.
        content_type: its media type, with parameters; guessed from the name when empty.
    """

    filename: str
    data: bytes = attrs.field(repr=False)
    content_id: str = ""
    content_type: str = ""


def compose(
    *,
    sender: str | Address,
    to: Sequence[str | Address] = (),
    cc: Sequence[str | Address] = (),
    bcc: Sequence[str | Address] = (),
    reply_to: Sequence[str | Address] = (),
    subject: str = "",
    text: str | None = None,
    html: str | None = None,
    attachments: Iterable[Attachment] = (),
    inline: Iterable[Attachment] = (),
    date: float | None = None,
    utc_offset: int = 0,
    message_id: str = "",
    in_reply_to: str = "",
    references: Sequence[str] = (),
    fields: Iterable[tuple[str, str]] = (),
    eight_bit: bool = False,
) -> Message:
    """Makes a message.

    Addresses may be one mailbox or a whole list in one text; names are encoded where needed.

    Args:
        sender: the From field.
        to: recipients.
        cc: recipients of copies.
        bcc: recipients that the submission program takes out of the header again.
        reply_to: where answers go.
        subject: plain text.
        text: the text; also beside `html`, for readers that show none.
        html: the text as HTML.
        attachments: what is attached, in order.
        inline: images and the like that `html` refers to by their `content_id`.
        date: seconds since 1970.
        utc_offset: seconds east of UTC that the date is shown in.
        message_id: the identifier, with or without angle brackets.
        in_reply_to: the identifier of the message that is answered.
        references: identifiers of the messages before, oldest first.
        fields: further header fields, name and plain text.
        eight_bit: True to send text as 8bit where its lines are short enough; False for a
            message that every transport takes as it is.

    Raises:
        EncodingError: an address or a field cannot be written, or `inline` stands without
            `html`.
    """
    from couriermail.rfc822.message import Message

    named = (("From", [sender]), ("To", to), ("Cc", cc), ("Bcc", bcc), ("Reply-To", reply_to))
    header = [_address_field(name, addresses) for name, addresses in named if addresses]
    header.append(fold_text("Subject", encode_words(subject)))
    if date is not None:
        header.append(Field.make("Date", format_date(date, utc_offset)))
    header += _identifiers(message_id, in_reply_to, references)
    header += [_plain_field(name, value) for name, value in fields]
    header.append(Field.make("Mime-Version", "1.0"))
    content = _content(text, html, tuple(inline), attachments, eight_bit=eight_bit)
    return Message(b"".join(field.raw for field in header) + content)


def _content(
    text: str | None,
    html: str | None,
    inline: Sequence[Attachment],
    attachments: Iterable[Attachment],
    *,
    eight_bit: bool,
) -> bytes:
    """Everything behind the fields of the message: the body, and what is attached to it."""
    if inline and html is None:
        raise EncodingError("inline parts need the html that shows them")
    body = _body(text, html, inline, eight_bit=eight_bit)
    parts = [body, *(_attachment(item, "attachment") for item in attachments)]
    return parts[0] if len(parts) == 1 else _multipart("mixed", parts)


def _body(
    text: str | None, html: str | None, inline: Sequence[Attachment], *, eight_bit: bool
) -> bytes:
    """The text in all its forms, the plainest first (RFC 2046 5.1.4)."""
    if html is None:
        return _text_part("plain", text or "", eight_bit=eight_bit)
    shown = _text_part("html", html, eight_bit=eight_bit)
    if inline:  # RFC 2387 3.1: the root comes first, and its type is named
        related = [shown, *(_attachment(item, "inline") for item in inline)]
        shown = _multipart("related", related, ['type="text/html"'])
    if text is None:
        return shown
    return _multipart("alternative", [_text_part("plain", text, eight_bit=eight_bit), shown])


def _text_part(subtype: str, text: str, *, eight_bit: bool) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    octets = lines.encode("utf-8", "replace")
    if octets and not octets.endswith(b"\n"):
        octets += b"\n"
    charset = "us-ascii" if octets.isascii() else "utf-8"
    kind = fold_parameters("Content-Type", f"text/{subtype}", [f"charset={charset}"])
    return _leaf([kind], octets, detect_encoding(octets, seven_bit=not eight_bit).encoding)


def _attachment(item: Attachment, disposition: Literal["attachment", "inline"]) -> bytes:
    kind = item.content_type or _guess_type(item)
    if not kind.isprintable() or "/" not in kind:
        raise EncodingError(f"not a media type: {kind[:40]!r}")
    media_type = kind.partition(";")[0].strip().lower()
    names = format_parameter("filename", item.filename) if item.filename else []
    header = [
        Field.make("Content-Type", kind),
        fold_parameters("Content-Disposition", disposition, names),
    ]
    if item.content_id:
        header.append(_plain_field("Content-ID", f"<{_bare_id(item.content_id)}>"))
    if media_type in _EMBEDDED:  # RFC 2046 5.2.1: may not be encoded
        encoding = "7bit" if item.data.isascii() else "8bit"
    elif media_type.startswith("text/"):
        encoding = detect_encoding(item.data, seven_bit=True).encoding
        if b"\r" in item.data:  # text encodings would change its line ends
            encoding = "base64"
    else:
        encoding = "base64"
    return _leaf(header, item.data, encoding)


def _leaf(header: Iterable[Field], data: bytes, encoding: str) -> bytes:
    """A part with its encoding; the octets come back exactly when it is decoded."""
    if encoding == "base64":
        data = encode_base64(data)
    elif encoding == "quoted-printable":
        data = encode_quoted_printable(data)
    raw = b"".join(field.raw for field in header)
    return raw + f"Content-Transfer-Encoding: {encoding}\n\n".encode() + data


def _multipart(subtype: str, parts: Sequence[bytes], parameters: Sequence[str] = ()) -> bytes:
    boundary = choose_boundary(*parts)
    delimiter = f"\n--{boundary}".encode()
    kind = [*parameters, f'boundary="{boundary}"']
    header = fold_parameters("Content-Type", f"multipart/{subtype}", kind).raw
    return header + b"".join(delimiter + b"\n" + part for part in parts) + delimiter + b"--\n"


def _guess_type(item: Attachment) -> str:
    from mimetypes import MimeTypes

    guessed, encoding = MimeTypes().guess_type(item.filename)  # built-in tables, no files
    if not guessed or encoding:
        return _DEFAULT_TYPE
    if not guessed.startswith("text/") or item.data.isascii():
        return guessed
    try:
        item.data.decode()
    except UnicodeDecodeError:
        return guessed
    return f"{guessed}; charset=utf-8"


def _address_field(name: str, addresses: Iterable[str | Address]) -> Field:
    elements: list[Address] = []
    for address in addresses:
        if isinstance(address, Address):
            elements.append(address)
            continue
        wrong: list[int] = []
        found = parse_address_list(address, wrong.append)
        if wrong or not found:
            raise EncodingError(f"not an address list, for the field {name}")
        elements += found
    value = fold_addresses(encode_addresses(elements), indent=2)
    return checked_field(name, value)


def _identifiers(message_id: str, in_reply_to: str, references: Sequence[str]) -> list[Field]:
    ids = [_bare_id(identifier) for identifier in references]
    if in_reply_to and _bare_id(in_reply_to) not in ids:
        ids.append(_bare_id(in_reply_to))
    fields = []
    if message_id:
        fields.append(_plain_field("Message-ID", f"<{_bare_id(message_id)}>"))
    if in_reply_to:
        fields.append(_plain_field("In-Reply-To", f"<{_bare_id(in_reply_to)}>"))
    if ids:
        fields.append(checked_field("References", fold_references(ids)))
    return fields


def _bare_id(identifier: str) -> str:
    bare = identifier.strip(" ").removeprefix("<").removesuffix(">")
    if not bare or not bare.isprintable() or set(bare) & set(" <>"):
        raise EncodingError(f"not an identifier: {identifier[:40]!r}")
    return bare


def _plain_field(name: str, value: str) -> Field:
    encoded = value if value.isascii() and value.isprintable() else encode_words(value)
    return checked_field(
        name, fold_text(name, encoded).raw.decode().partition(": ")[2].rstrip("\n")
    )
