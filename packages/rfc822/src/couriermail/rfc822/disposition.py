"""Disposition notifications: what a reader's program did with a message, both ways.

A message asks for one by Disposition-Notification-To; nobody has to answer, and no answer may
be sent without asking the user in the cases of RFC 8098 2.1.  Source: RFC 8098 3, RFC 6533 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from couriermail.rfc822.status_fields import (
    ExtraFields,
    format_fields,
    read_block,
    read_blocks,
    read_report_bodies,
    with_address_type,
)
from couriermail.rfc822.typed_address import decode_typed_address

if TYPE_CHECKING:
    from couriermail.rfc822.message import Message

__all__ = ["DispositionNotification", "read_disposition_notification"]

_FIELDS: Final = {
    "Reporting-UA": "reporting_ua",
    "MDN-Gateway": "gateway",
    "Original-Recipient": "original_recipient",
    "Final-Recipient": "final_recipient",
    "Original-Message-ID": "original_message_id",
    "Disposition": "disposition",
    "Error": "error",
}


@attrs.frozen(kw_only=True)
class DispositionNotification:
    """The body of a message/disposition-notification part.  Empty text leaves a field out.

    Attributes:
        final_recipient: the address with its type (`rfc822; joe@example.com`), or a bare
            address, which gets a type.
        disposition: the modes and what was done, as in
            `automatic-action/MDN-sent-automatically; displayed`.
        original_message_id: with its angle brackets.
        original_recipient: as `final_recipient`; what the sender wrote.
        reporting_ua: the program, such as `laptop.example.com; Mailer 1.0`.
        gateway: with its type.
        error: text for an error modifier.
        extra: further fields, name and value.
    """

    report_type: ClassVar[str] = "disposition-notification"
    media_type: ClassVar[str] = "message/disposition-notification"
    global_media_type: ClassVar[str] = "message/global-disposition-notification"

    final_recipient: str
    disposition: str = "manual-action/MDN-sent-manually; displayed"
    original_message_id: str = ""
    original_recipient: str = ""
    reporting_ua: str = ""
    gateway: str = ""
    error: str = ""
    extra: ExtraFields = ()

    @classmethod
    def parse(cls, body: bytes) -> DispositionNotification:
        """Reads the transfer-decoded body of a report's second part.  Nothing raises."""
        fields = [field for block in read_blocks(body) for field in block]
        known, extra = read_block(fields, _FIELDS)
        known.setdefault("final_recipient", "")
        known.setdefault("disposition", "")
        return cls(**known, extra=extra)

    @property
    def action_mode(self) -> str:
        """`manual-action` or `automatic-action`, in lower case."""
        return self._modes()[0]

    @property
    def sending_mode(self) -> str:
        """`mdn-sent-manually` or `mdn-sent-automatically`, in lower case."""
        return self._modes()[1]

    @property
    def kind(self) -> str:
        """What was done: `displayed`, `deleted`, `dispatched` or `processed`."""
        return self._result()[0]

    @property
    def modifiers(self) -> tuple[str, ...]:
        """What is said about `kind`, such as `error`, in lower case."""
        return tuple(word.strip() for word in self._result()[1].split(",") if word.strip())

    @property
    def final_address(self) -> str:
        """The final recipient's address; empty when its type is not known."""
        return decode_typed_address(self.final_recipient)

    def __bytes__(self) -> bytes:
        """The block of fields."""
        typed = attrs.evolve(
            self,
            final_recipient=with_address_type(self.final_recipient),
            original_recipient=with_address_type(self.original_recipient),
        )
        known = ((name, getattr(typed, attribute)) for name, attribute in _FIELDS.items())
        return format_fields([*known, *self.extra])

    def _modes(self) -> tuple[str, str]:
        action, _, sending = self.disposition.partition(";")[0].lower().partition("/")
        return action.strip(), sending.strip()

    def _result(self) -> tuple[str, str]:
        kind, _, modifiers = self.disposition.partition(";")[2].lower().partition("/")
        return kind.strip(), modifiers


def read_disposition_notification(message: Message) -> DispositionNotification | None:
    """What a disposition notification says; None for a message that is none."""
    kind = DispositionNotification
    types = (kind.media_type, kind.global_media_type)
    bodies = read_report_bodies(message, kind.report_type, types)
    return kind.parse(bodies[0]) if bodies else None
