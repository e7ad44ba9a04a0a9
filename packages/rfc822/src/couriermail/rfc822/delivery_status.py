"""The machine-readable part of delivery reports: one value per recipient, both ways.

`DeliveryStatus.parse` reads the body of a message/delivery-status part as leniently as the
mail of the world needs; `bytes(status)` writes one.  Source: RFC 3464 2, RFC 6533 4, spec
rfc822 4.23, spec mta 12.4.
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
    from couriermail.rfc822.headers import Field
    from couriermail.rfc822.message import Message

__all__ = ["DeliveryStatus", "MessageStatus", "RecipientStatus", "read_delivery_status"]

# Field names in the order they are written, and the attributes that hold them.
_MESSAGE_FIELDS: Final = {
    "Reporting-MTA": "reporting_mta",
    "Arrival-Date": "arrival_date",
    "Original-Envelope-Id": "envelope_id",
    "Received-From-MTA": "received_from_mta",
}
_RECIPIENT_FIELDS: Final = {
    "Final-Recipient": "final_recipient",
    "Action": "action",
    "Original-Recipient": "original_recipient",
    "Status": "status",
    "Remote-MTA": "remote_mta",
    "Diagnostic-Code": "diagnostic_code",
    "Will-Retry-Until": "will_retry_until",
}


@attrs.frozen(kw_only=True)
class MessageStatus:
    """What a report says about the message as a whole.  Empty text leaves a field out.

    Attributes:
        reporting_mta: with its type, such as `dns; mail.example.com`.
        arrival_date: an RFC 5322 date.
        envelope_id: the sender's ENVID, decoded.
        received_from_mta: with its type.
        extra: further fields, name and value.
    """

    reporting_mta: str = ""
    arrival_date: str = ""
    envelope_id: str = ""
    received_from_mta: str = ""
    extra: ExtraFields = ()

    def __bytes__(self) -> bytes:
        """The block of fields, without the empty line behind it."""
        return _format_block(self, _MESSAGE_FIELDS, self.extra)


@attrs.frozen(kw_only=True)
class RecipientStatus:
    """What a report says about one recipient.  Empty text leaves a field out.

    Attributes:
        final_recipient: the address with its type (`rfc822; joe@example.com`), or a bare
            address, which gets the type `rfc822`, or `utf-8` when it is not ASCII.
        action: `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
        status: an enhanced status code (RFC 3463).
        original_recipient: as `final_recipient`; what the sender wrote.
        remote_mta: with its type.
        diagnostic_code: with its type; several lines are separated by LF.
        will_retry_until: an RFC 5322 date.
        extra: further fields, name and value, such as X-Network-Error.
    """

    final_recipient: str
    action: str = ""
    status: str = ""
    original_recipient: str = ""
    remote_mta: str = ""
    diagnostic_code: str = ""
    will_retry_until: str = ""
    extra: ExtraFields = ()

    @property
    def final_address(self) -> str:
        """The final recipient's address; empty when its type is not known."""
        return decode_typed_address(self.final_recipient)

    @property
    def original_address(self) -> str:
        """The original recipient's address; empty when there is none."""
        return decode_typed_address(self.original_recipient)

    def __bytes__(self) -> bytes:
        """The block of fields, without the empty line behind it."""
        typed = attrs.evolve(
            self,
            final_recipient=with_address_type(self.final_recipient),
            original_recipient=with_address_type(self.original_recipient),
        )
        return _format_block(typed, _RECIPIENT_FIELDS, self.extra)


@attrs.frozen
class DeliveryStatus:
    """The body of a message/delivery-status part.

    Attributes:
        message: the fields about the message.
        recipients: one value per recipient, in order.
    """

    report_type: ClassVar[str] = "delivery-status"
    media_type: ClassVar[str] = "message/delivery-status"
    global_media_type: ClassVar[str] = "message/global-delivery-status"  # RFC 6533 4

    message: MessageStatus
    recipients: tuple[RecipientStatus, ...]

    @classmethod
    def parse(cls, body: bytes) -> DeliveryStatus:
        """Reads the transfer-decoded body of a report's second part.

        Blocks are separated by empty lines.  The first one is about the message unless it
        names a recipient; blocks without a recipient are left out.  Nothing raises.
        """
        message = MessageStatus()
        recipients: list[RecipientStatus] = []
        for index, fields in enumerate(read_blocks(body)):
            recipient = _read_recipient(fields)
            if recipient is not None:
                recipients.append(recipient)
            elif index == 0:
                known, extra = read_block(fields, _MESSAGE_FIELDS)
                message = MessageStatus(**known, extra=extra)
        return cls(message, tuple(recipients))

    def __bytes__(self) -> bytes:
        return b"\n".join([bytes(self.message), *map(bytes, self.recipients)])


def read_delivery_status(message: Message) -> DeliveryStatus | None:
    """What a delivery report says; None for a message that is none (spec rfc822 2.2.9).

    Some systems send two status parts, one of them without recipients: all recipients are
    taken together, the fields about the message from the first part.
    """
    kind = DeliveryStatus
    types = (kind.media_type, kind.global_media_type)
    found = [kind.parse(body) for body in read_report_bodies(message, kind.report_type, types)]
    if not found:
        return None
    recipients = tuple(recipient for status in found for recipient in status.recipients)
    return DeliveryStatus(found[0].message, recipients)


def _read_recipient(fields: list[Field]) -> RecipientStatus | None:
    known, extra = read_block(fields, _RECIPIENT_FIELDS)
    if not (known.get("final_recipient") or known.get("original_recipient")):
        return None
    known.setdefault("final_recipient", "")
    known["action"] = known.get("action", "").lower()
    return RecipientStatus(**known, extra=extra)


def _format_block(
    block: MessageStatus | RecipientStatus, names: dict[str, str], extra: ExtraFields
) -> bytes:
    known = ((name, getattr(block, attribute)) for name, attribute in names.items())
    return format_fields([*known, *extra])
