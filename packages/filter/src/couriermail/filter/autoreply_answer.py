"""The answers that mailbot gives: their text, their format, their header.

Source: spec filter 2.2 and 4.17.5, spec rfc822 4.22.
Written without attrs: an autoresponder starts once per message, and attrs was half of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from couriermail.filter.autoreply import mailbox_key
from couriermail.rfc822.headers import Headers
from couriermail.rfc822.params import ContentType
from couriermail.rfc822.reply import Reply
from couriermail.rfc822.salutation import DEFAULT_SALUTATION

if TYPE_CHECKING:
    from couriermail.rfc822.address import Address
    from couriermail.rfc822.forward import Forward
    from couriermail.rfc822.message import Message

__all__ = ["ANSWER_FORMATS", "AnswerFormat", "AnswerText", "Autoreply"]

AnswerFormat = Literal[
    "reply", "replyall", "replylist", "replydsn", "replydraft",
    "forward", "forwardatt", "feedback", "replyfeedback",
]  # fmt: skip

ANSWER_FORMATS: Final[tuple[AnswerFormat, ...]] = get_args(AnswerFormat)

# RFC 3834 3.1.7 and 3.1.8: other programs see that no person wrote the answer.
MARKS: Final = (("Precedence", "junk"), ("Auto-Submitted", "auto-replied"))
DEFAULT_SEPARATOR: Final = "--- Forwarded message ---"


class AnswerText:
    """What an autoresponder says.  Never changed.

    Attributes:
        content: the text, or for the format `replydraft` a whole message.
        header: MIME fields of the text; empty for flowed text in the charset of the answer.
    """

    def __init__(
        self,
        content: bytes = b"",
        header: bytes = b"",
    ) -> None:
        """Takes the attributes."""
        self.content: Final = content
        self.header: Final = header

    @classmethod
    def from_mime(cls, data: bytes) -> AnswerText:
        """Reads a file that begins with MIME fields, then an empty line, then the text."""
        headers = Headers(data)
        end = len(headers.raw) - len(headers.separator)
        return cls(data[len(headers.raw) :], data[:end].replace(b"\r\n", b"\n"))

    @property
    def is_plain(self) -> bool:
        """True for text/plain, beside which an original can be quoted."""
        field = Headers(self.header).field("content-type")
        return field is None or str(ContentType.parse(field.unfolded)) == "text/plain"


NO_TEXT: Final = AnswerText()


class Autoreply:
    """An answer that a program gives.  Never changed.

    Attributes:
        format: what is made of the original.
        text: what is said.
        fields: header fields that come first, name and value (encoded and folded).
        charset: of the answer, where `text` names none.
        subject: instead of that of the original.
        salutation: the line above quoted text, see `format_salutation`.
        separator: the line above a forwarded text.
        quote: False to leave the original's text out.
        full_message: reports return all of the original and not only its header.
        dsn_recipient: with an address, a reply is a delivery report by it.
        feedback_type: of a feedback report.
        feedback_fields: further fields of a feedback report, in any spelling.
        own_addresses: keys of addresses that get no copy, see `mailbox_key`.
        host: the machine that reports.
        user_agent: the program that reports, as `name/version`.
        now: seconds since 1970, for reports.
        utc_offset: seconds east of UTC that `now` is shown in.
    """

    def __init__(
        self,
        *,
        format: AnswerFormat = "reply",
        text: AnswerText = NO_TEXT,
        fields: tuple[tuple[str, str], ...] = (),
        charset: str = "utf-8",
        subject: str | None = None,
        salutation: str = DEFAULT_SALUTATION,
        separator: str = DEFAULT_SEPARATOR,
        quote: bool = True,
        full_message: bool = False,
        dsn_recipient: str = "",
        feedback_type: str = "other",
        feedback_fields: tuple[tuple[str, str], ...] = (),
        own_addresses: frozenset[str] = frozenset(),
        host: str = "",
        user_agent: str = "couriermail/0.1",
        now: float = 0.0,
        utc_offset: int = 0,
    ) -> None:
        """Takes the attributes by name."""
        self.format: Final = format
        self.text: Final = text
        self.fields: Final = fields
        self.charset: Final = charset
        self.subject: Final = subject
        self.salutation: Final = salutation
        self.separator: Final = separator
        self.quote: Final = quote
        self.full_message: Final = full_message
        self.dsn_recipient: Final = dsn_recipient
        self.feedback_type: Final = feedback_type
        self.feedback_fields: Final = feedback_fields
        self.own_addresses: Final = own_addresses
        self.host: Final = host
        self.user_agent: Final = user_agent
        self.now: Final = now
        self.utc_offset: Final = utc_offset

    def compose(self, original: Message, to: tuple[Address, ...] = ()) -> Reply | Forward:
        """The answer to a message, to be written with `chunks`.

        Args:
            original: the message.
            to: who is answered; a forward and the format `feedback` have no recipients but
                those in `fields`.
        """
        if self.format == "forward" or self.format == "forwardatt":  # noqa: PLR1714 - narrows
            return self._forward(original, self.format)
        mode = self.format
        if self.dsn_recipient:
            mode = "replydsn"
        elif mode == "replydsn":
            mode = "reply"  # spec filter 2.2: nobody is there whose delivery could be reported
        return Reply(
            original=original,
            mode=mode,
            to=to,
            content=self.text.content,
            content_header=self.text.header,
            charset=self.charset,
            fields=self.fields + MARKS,
            subject=self.subject,
            salutation=self.salutation,
            quote=self.quote and self.text.is_plain,
            full_message=self.full_message,
            is_my_address=lambda address: mailbox_key(address) in self.own_addresses,
            dsn_recipient=self.dsn_recipient,
            reporting_mta=self.host,
            feedback_type=self.feedback_type,
            feedback_fields=self.feedback_fields,
            user_agent=self.user_agent,
            now=self.now,
            utc_offset=self.utc_offset,
        )

    def _forward(self, original: Message, mode: Literal["forward", "forwardatt"]) -> Forward:
        from couriermail.rfc822.forward import Forward

        return Forward(
            original=original,
            mode=mode,
            content=self.text.content,
            content_header=self.text.header,
            charset=self.charset,
            fields=self.fields + MARKS,
            subject=self.subject,
            separator=self.separator,
        )
