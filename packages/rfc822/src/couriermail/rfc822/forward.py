"""Passing a message on: its text with what is attached to it, or all of it as an attachment.

Source: spec rfc822 4.22 (Forward).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import attrs

from couriermail.rfc822.encoded_word import encode_words
from couriermail.rfc822.flowed import FlowedLine
from couriermail.rfc822.folding import checked_field, fold_text, without_controls
from couriermail.rfc822.header_text import decode_header
from couriermail.rfc822.quoting import TextPart, find_plain_text, read_lines
from couriermail.rfc822.report import choose_boundary
from couriermail.rfc822.returned import has_global_header, returned_pieces
from couriermail.rfc822.subject import strip_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.rfc822.message import Message, Part

__all__ = ["Forward"]

_SHOWN: Final = frozenset(
    (
        b"subject", b"from", b"to", b"cc", b"date", b"message-id", b"resent-from", b"resent-to",
        b"resent-cc", b"resent-date", b"resent-message-id",
    )
)  # fmt: skip
_SUBJECT_WIDTH: Final = 70


@attrs.define(kw_only=True, slots=False, frozen=True)
class Forward:
    """A message to be passed on.

    Attributes:
        original: the message.
        mode: `forward` shows its text and attaches what is attached to it; where it has no
            text, and with `forwardatt`, all of it is attached.
        content: text above it, in the charset of the text part.
        content_header: MIME fields of the text; without them it is flowed text in `charset`.
        signature: text behind the content.
        charset: of the text part, where `content_header` names none.
        fields: header fields that come first, name and value (encoded and folded).
        subject: instead of the original's.
        separator: the line between the content and the original.
        description: of a whole message that is attached.
    """

    original: Message
    mode: Literal["forward", "forwardatt"] = "forward"
    content: bytes = b""
    content_header: bytes = b""
    signature: bytes = b""
    charset: str = "utf-8"
    fields: tuple[tuple[str, str], ...] = ()
    subject: str | None = None
    separator: str = "--- Forwarded message ---"
    description: str = "Forwarded message"

    def chunks(self) -> Iterator[bytes]:
        """The new message with LF line ends, in pieces.

        Raises:
            EncodingError: a field has a line break that folds nothing.
        """
        source, attached = self._source
        is_whole = source is None
        header = self._header()
        part = TextPart(self.content_header, self.charset)
        text = self._text(part, source)
        if not attached and not is_whole:
            yield header + part.header + text
            return
        boundary = choose_boundary(text, part.header, self.original.data)
        delimiter = f"\n--{boundary}\n".encode()
        yield header + f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n'.encode()
        yield delimiter + part.header + text
        if is_whole:
            yield delimiter + self._whole_header()
            yield from returned_pieces(self.original, is_whole=True)
        for attachment in attached:
            start, end = attachment.span
            yield delimiter
            yield self.original.data[start:end]
        yield f"\n--{boundary}--\n".encode()

    def __bytes__(self) -> bytes:
        """The whole new message."""
        return b"".join(self.chunks())

    @cached_property
    def _source(self) -> tuple[Part | None, list[Part]]:
        """The part whose text is shown, and the parts that are attached."""
        if self.mode == "forwardatt":
            return None, []
        top = _signed_part(self.original.root)
        kind = str(top.content_type)
        if kind == "text/plain" and not top.entity.children:
            return top, []
        if kind == "multipart/alternative":
            return find_plain_text(top), []
        if kind == "multipart/mixed" and top.children:
            first, *others = top.children
            source = find_plain_text(first)
            return source, others if source else []
        return None, []

    def _header(self) -> bytes:
        field = self.original.headers.field("subject")
        if self.subject is not None:
            value = encode_words(self.subject, self.charset)
        else:
            value = f"{strip_subject(field.value if field else '')} (fwd)".strip(" ")
        own = b"".join(checked_field(name, value).raw for name, value in self.fields)
        subject = fold_text("Subject", without_controls(value), width=_SUBJECT_WIDTH).raw
        return own + subject + b"Mime-Version: 1.0\n"

    def _whole_header(self) -> bytes:
        kind = b"message/global" if has_global_header(self.original) else b"message/rfc822"
        description = fold_text("Content-Description", encode_words(self.description)).raw
        return b"Content-Type: %s\n%s\n" % (kind, description)

    def _text(self, part: TextPart, source: Part | None) -> bytes:
        written = self.content + b"\n" + self.signature + b"\n"
        written += part.encode(f"{self.separator}\n")
        if source is None:
            return written
        return written + part.write(self._shown_header()) + part.write(read_lines(source))

    def _shown_header(self) -> Iterator[FlowedLine]:
        for field in self.original.headers:
            if field.key in _SHOWN:
                text = decode_header(field.name, field.raw_value)
                yield FlowedLine(0, (f"{field.name}: {' '.join(text.split())}",))
        yield FlowedLine(0, ("",))


def _signed_part(root: Part) -> Part:
    """What a signature is about, or what a decoder of PGP/MIME left (spec rfc822 4.27.3)."""
    kind, children = str(root.content_type), root.children
    if kind == "multipart/signed" and children:
        return children[0]
    if kind == "multipart/x-mimegpg" and len(children) > 1:
        is_log = str(children[0].content_type) == "text/x-gpg-output"
        return children[1] if is_log else root
    return root
