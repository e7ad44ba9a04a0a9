"""Answers to messages: replies, delivery reports and feedback reports about them.

`Reply` says what is wanted, `chunks` writes it; the original is never copied or changed.
Whether a message may be answered by a program at all says `autoreply.autoreply_obstacle`.
Source: spec rfc822 4.22, RFC 5322 3.6, RFC 3834, RFC 5965.
Written without attrs: an autoresponder starts once per message, and attrs was half of that.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from couriermail.rfc822.address import fold_addresses
from couriermail.rfc822.autoreply import answer_addresses
from couriermail.rfc822.dates import format_date
from couriermail.rfc822.encoded_word import encode_words
from couriermail.rfc822.errors import EncodingError
from couriermail.rfc822.flowed import parse_flowed
from couriermail.rfc822.folding import checked_field, fold_text, without_controls
from couriermail.rfc822.idn import address_to_ascii
from couriermail.rfc822.msgid import fold_references, parse_message_ids
from couriermail.rfc822.quoting import TextPart, find_plain_text, read_lines
from couriermail.rfc822.returned import returned_header, returned_pieces
from couriermail.rfc822.salutation import DEFAULT_SALUTATION, format_salutation
from couriermail.rfc822.subject import strip_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from couriermail.rfc822.address import Address
    from couriermail.rfc822.delivery_status import DeliveryStatus
    from couriermail.rfc822.feedback import FeedbackReport
    from couriermail.rfc822.message import Message
    from couriermail.rfc822.report import Report

__all__ = ["Reply", "ReplyMode"]

ReplyMode = Literal[
    "reply", "replyall", "replylist", "replydsn", "feedback", "replyfeedback", "replydraft"
]

_SUBJECT_WIDTH: Final = 70
_ATTACHED: Final = b"Content-Disposition: attachment\n"


def _nobody(_address: str) -> bool:
    return False


class Reply:
    """An answer to a message.  Never changed.

    Attributes:
        original: the message that is answered.
        mode: who is answered, and how: `reply` and `replyall`; `replylist` answers to the known
            lists among its recipients; `replydsn` with a delivery report; `replyfeedback` with a
            feedback report, and `feedback` with one that has no recipients; `replydraft` with a
            draft that already is a message.
        content: the text of the answer, in the charset of the text part; for `replydraft` the
            whole draft.
        content_header: MIME fields of the text; without them it is flowed text in `charset`.
        signature: text behind the content.
        charset: of the text part, where `content_header` names none.
        fields: header fields that come first, name and value (encoded and folded).
        subject: instead of the original's.
        to: who is answered instead of those that the original names.
        quote: False to leave the original's text out.
        salutation: the line above it, see `format_salutation`; empty for none.
        full_message: reports return the whole original and not only its header.
        reply_to_envelope: answer to Return-Path or Errors-To where there is one.
        is_my_address: called with an address in lower case; such ones get no copy.
        is_mailing_list: called with an address in lower case.
        dsn_recipient: whose delivery a `replydsn` reports.
        reporting_mta: the host that reports, for reports.
        feedback_type: `abuse`, `fraud`, `virus`, `other`, ... for feedback reports.
        feedback_fields: further fields of the report, in any spelling.
        user_agent: the program that reports, as `name/version`.
        now: seconds since 1970, for reports.
        utc_offset: seconds east of UTC that `now` is shown in.
    """

    def __init__(
        self,
        *,
        original: Message,
        mode: ReplyMode = "reply",
        content: bytes = b"",
        content_header: bytes = b"",
        signature: bytes = b"",
        charset: str = "utf-8",
        fields: tuple[tuple[str, str], ...] = (),
        subject: str | None = None,
        to: tuple[Address, ...] = (),
        quote: bool = True,
        salutation: str = DEFAULT_SALUTATION,
        full_message: bool = False,
        reply_to_envelope: bool = False,
        is_my_address: Callable[[str], bool] = _nobody,
        is_mailing_list: Callable[[str], bool] = _nobody,
        dsn_recipient: str = "",
        reporting_mta: str = "",
        feedback_type: str = "abuse",
        feedback_fields: tuple[tuple[str, str], ...] = (),
        user_agent: str = "couriermail/0.1",
        now: float = 0.0,
        utc_offset: int = 0,
    ) -> None:
        """Takes the attributes by name."""
        self.original: Final = original
        self.mode: Final = mode
        self.content: Final = content
        self.content_header: Final = content_header
        self.signature: Final = signature
        self.charset: Final = charset
        self.fields: Final = fields
        self.subject: Final = subject
        self.to: Final = to
        self.quote: Final = quote
        self.salutation: Final = salutation
        self.full_message: Final = full_message
        self.reply_to_envelope: Final = reply_to_envelope
        self.is_my_address: Final = is_my_address
        self.is_mailing_list: Final = is_mailing_list
        self.dsn_recipient: Final = dsn_recipient
        self.reporting_mta: Final = reporting_mta
        self.feedback_type: Final = feedback_type
        self.feedback_fields: Final = feedback_fields
        self.user_agent: Final = user_agent
        self.now: Final = now
        self.utc_offset: Final = utc_offset

    @classmethod
    def of_text(cls, original: Message, text: str, *, mode: ReplyMode = "reply") -> Reply:
        """An answer in plain words; its long lines are wrapped."""
        content = TextPart().write(parse_flowed(text, flowed=False))
        return cls(original=original, content=content, mode=mode)

    @cached_property
    def recipients(self) -> tuple[list[Address], list[Address]]:
        """Who gets the answer: To and Cc.  Both are empty when nobody can be answered."""
        if self.mode == "feedback":
            return [], []
        if self.mode == "replylist":
            lists = [a for a in self._all_recipients() if self.is_mailing_list(_key(a))]
            if lists:
                return _distinct(lists, set()), []
        to = list(self.to) or answer_addresses(
            self.original.headers, prefer_envelope=self.reply_to_envelope
        )
        if self.mode not in ("replyall", "replylist"):
            return to, []
        seen = {_exact_key(address) for address in to}
        others = [a for a in self._all_recipients() if not self.is_my_address(_key(a))]
        return to, _distinct(others, seen)

    def chunks(self) -> Iterator[bytes]:
        """The answer with LF line ends, in pieces.

        Raises:
            EncodingError: a field has a line break that folds nothing, or a report lacks what
                it is about.
        """
        if self.mode == "replydraft":
            return self._draft_chunks()
        if self.mode in ("reply", "replyall", "replylist"):
            return self._text_chunks()
        return self._report().chunks()

    def __bytes__(self) -> bytes:
        """The whole answer."""
        return b"".join(self.chunks())

    def _all_recipients(self) -> list[Address]:
        headers = self.original.headers
        return headers.addresses("to") + headers.addresses("cc")

    def _header_fields(self) -> list[tuple[str, str]]:
        to, cc = self.recipients
        answers = [
            (name, without_controls(fold_addresses(addresses, indent=4)))
            for name, addresses in (("To", to), ("Cc", cc))
            if addresses
        ]
        answers += self._thread_fields()
        fields = [*self.fields, *answers, ("Subject", self._folded_subject())]
        for name, value in fields:
            checked_field(name, value)
        return fields

    def _thread_fields(self) -> Iterator[tuple[str, str]]:
        """Where the answer stands in its thread (RFC 5322 3.6.4)."""
        headers = self.original.headers
        own = headers.field("message-id")
        known = [*headers.get_fields("references"), *([] if own is None else [own])]
        ids = [found for field in known for found in parse_message_ids(field.value)]
        if ids:
            yield "References", without_controls(fold_references(ids))
        if own is not None:
            yield "In-Reply-To", without_controls(own.value).strip(" \t")

    def _folded_subject(self) -> str:
        field = self.original.headers.field("subject")
        original = field.value if field else ""
        if self.subject is not None:
            value = encode_words(self.subject, self.charset)
        elif "feedback" in self.mode:
            value = original
        else:
            value = f"Re: {strip_subject(original)}" if original.strip() else ""
        raw = fold_text("Subject", without_controls(value), width=_SUBJECT_WIDTH).raw
        return raw.decode("utf-8", "surrogateescape").partition(": ")[2].removesuffix("\n")

    def _written_header(self) -> bytes:
        lines = "".join(f"{name}: {value}\n" for name, value in self._header_fields())
        return (lines + "Mime-Version: 1.0\n").encode("utf-8", "surrogateescape")

    def _text_chunks(self) -> Iterator[bytes]:
        part = TextPart(self.content_header, self.charset)
        yield self._written_header() + part.header
        yield self._text(part)

    def _text(self, part: TextPart) -> bytes:
        return self._quoted(part) + self.content + b"\n" + self.signature

    def _quoted(self, part: TextPart) -> bytes:
        source = find_plain_text(self.original.root) if self.quote else None
        if source is None:
            return b""
        opening = format_salutation(self.original.headers, self.salutation)
        written = part.encode(f"{opening}\n\n") if opening else b""
        return written + part.write(read_lines(source, deeper=1)) + b"\n"

    def _draft_chunks(self) -> Iterator[bytes]:
        from couriermail.rfc822.message import Message
        from couriermail.rfc822.report import choose_boundary

        draft = Message(self.content)
        start, end = draft.body_span
        own = b"".join(field.raw for field in draft.headers if field.key.startswith(b"content-"))
        data = self.original.data
        boundary = choose_boundary(self.content, data)
        delimiter = f"\n--{boundary}\n".encode()
        kind = f'Content-Type: multipart/mixed; boundary="{boundary}"\n'
        yield self._written_header() + kind.encode() + b"\n" + delimiter
        yield own + b"\n" + self.content[start:end]
        yield delimiter + returned_header(self.original, is_whole=self.full_message)
        yield from returned_pieces(self.original, is_whole=self.full_message)
        yield f"\n--{boundary}--\n".encode()

    def _report(self) -> Report:
        from couriermail.rfc822.report import Report

        part = TextPart(self.content_header, self.charset)
        return Report(
            fields=tuple(self._header_fields()),
            text=self._text(part),
            text_header=part.fields,
            status=self._delivery_status() if self.mode == "replydsn" else self._feedback(),
            original=self.original.data,
            headers_only=not self.full_message,
            original_header=_ATTACHED,
            preamble=b"This is a report in MIME format.\n",
        )

    def _delivery_status(self) -> DeliveryStatus:
        from couriermail.rfc822.delivery_status import (
            DeliveryStatus,
            MessageStatus,
            RecipientStatus,
        )

        if not self.dsn_recipient:
            raise EncodingError("a delivery report needs the recipient it is about")
        host = f"dns; {self.reporting_mta}" if self.reporting_mta else ""
        message = MessageStatus(reporting_mta=host, arrival_date=self._date())
        address = self.dsn_recipient
        recipient = RecipientStatus(
            final_recipient=address_to_ascii(address) if address.isascii() else address,
            action="delivered",
            status="2.0.0",
        )
        return DeliveryStatus(message, (recipient,))

    def _feedback(self) -> FeedbackReport:
        from couriermail.rfc822.feedback import FeedbackReport, feedback_field_name

        host = f"dns; {self.reporting_mta}" if self.reporting_mta else ""
        return FeedbackReport(
            feedback_type=self.feedback_type,
            user_agent=self.user_agent,
            arrival_date=self._date(),
            reporting_mta=host,
            extra=tuple((feedback_field_name(name), v) for name, v in self.feedback_fields),
        )

    def _date(self) -> str:
        return format_date(self.now, self.utc_offset)


def _key(address: Address) -> str:
    return address.addr_spec.lower()


def _exact_key(address: Address) -> tuple[str, str]:
    """Spec rfc822 4.22.1: local parts are compared exactly."""
    return address.local_part, address.domain.lower()


def _distinct(addresses: list[Address], seen: set[tuple[str, str]]) -> list[Address]:
    result = []
    for address in addresses:
        key = _exact_key(address)
        if key not in seen:
            seen.add(key)
            result.append(address)
    return result
