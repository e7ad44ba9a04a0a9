"""Feedback reports (abuse complaints in the format ARF), both ways.

Source: RFC 5965, RFC 6650, spec rfc822 4.22.9.
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
)

if TYPE_CHECKING:
    from couriermail.rfc822.message import Message

__all__ = ["FeedbackReport", "feedback_field_name", "read_feedback_report"]

_ONCE: Final = {
    "Feedback-Type": "feedback_type",
    "User-Agent": "user_agent",
    "Version": "version",
    "Original-Envelope-Id": "envelope_id",
    "Original-Mail-From": "mail_from",
    "Arrival-Date": "arrival_date",
    "Reporting-MTA": "reporting_mta",
    "Source-IP": "source_ip",
    "Incidents": "incidents",
}
_WORDS: Final = {"ip": "IP", "mta": "MTA", "uri": "URI", "id": "Id"}


@attrs.frozen(kw_only=True)
class FeedbackReport:
    """The body of a message/feedback-report part.  Empty text leaves a field out.

    Attributes:
        feedback_type: `abuse`, `fraud`, `virus`, `other`, `not-spam`, ...
        user_agent: the program that makes the report, such as `couriermail/1.0`.
        version: of the format.
        envelope_id: the ENVID of the message.
        mail_from: its reverse path, with angle brackets.
        arrival_date: when it came, an RFC 5322 date.
        reporting_mta: with its type, such as `dns; mail.example.com`.
        source_ip: the address it came from.
        incidents: how many messages the report stands for.
        extra: further fields, name and value; those that may stand several times
            (Original-Rcpt-To, Reported-Domain, Reported-URI, Authentication-Results) are here.
    """

    report_type: ClassVar[str] = "feedback-report"
    media_type: ClassVar[str] = "message/feedback-report"
    global_media_type: ClassVar[str] = "message/feedback-report"

    feedback_type: str
    user_agent: str
    version: str = "1"
    envelope_id: str = ""
    mail_from: str = ""
    arrival_date: str = ""
    reporting_mta: str = ""
    source_ip: str = ""
    incidents: str = ""
    extra: ExtraFields = ()

    @classmethod
    def parse(cls, body: bytes) -> FeedbackReport:
        """Reads the transfer-decoded body of a report's second part.  Nothing raises."""
        fields = [field for block in read_blocks(body) for field in block]
        known, extra = read_block(fields, _ONCE)
        known["feedback_type"] = known.get("feedback_type", "").lower()
        known.setdefault("user_agent", "")
        return cls(**known, extra=extra)

    def get_all(self, name: str) -> list[str]:
        """The values of a further field, such as `Reported-Domain`."""
        return [value for other, value in self.extra if other.lower() == name.lower()]

    def __bytes__(self) -> bytes:
        """The block of fields."""
        known = ((name, getattr(self, attribute)) for name, attribute in _ONCE.items())
        return format_fields([*known, *self.extra])


def feedback_field_name(name: str) -> str:
    """A field name as RFC 5965 spells it: `source-ip` is `Source-IP`."""
    words = (_WORDS.get(word.lower(), word.capitalize()) for word in name.split("-"))
    return "-".join(words)


def read_feedback_report(message: Message) -> FeedbackReport | None:
    """What a feedback report says; None for a message that is none."""
    kind = FeedbackReport
    bodies = read_report_bodies(message, kind.report_type, (kind.media_type,))
    return kind.parse(bodies[0]) if bodies else None
